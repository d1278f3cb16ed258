/**
 * One value of a lab file's text, set by a path: `below.0.link`, `time.platform`, `workload.streams.r0.depth`, `nvme0.cmb.size`.
 *
 * A first word that names a device, iopmem disk or stream means it, wherever it is; keys of the file come before names. A number counts items of a list
 * from 0; an item of a list may be given by name, too. What the file leaves out but may have is made. Comments and order stay; where
 * the file has anchors they are written out, so that what is set changes one thing only. Values are not checked: reading does that.
 */
import { isMap, isNode, isSeq, type YAMLMap, YAMLSeq } from 'yaml';
import { LabError } from '../../base/index.ts';
import {
  isNothing,
  isStream,
  itemsOf,
  keysOf,
  LabDocument,
  namesOf,
  type Slot,
  slotOf,
  textOf,
  wordsOf,
} from './override-document.ts';
import { MACHINE_SHAPE, NODE_KINDS, type Shape } from './override-shape.ts';
import { didYouMean, oneLine, shown } from './problems.ts';

const LABEL = 'lab';

/**
 * @param value  one word as in the file, or a list or block in brackets
 * @param label  names the file in messages
 * @returns the text with the value in it
 * @throws {LabError} LAB_UNKNOWN_PATH for a path that leads nowhere, LAB_SYNTAX and others where the text is none
 */
export function setLabValue(text: string, path: string, value: string, label = LABEL): string {
  const document = new LabDocument(text, label);
  const steps = path.split('.');
  const start = startOf(document, steps, path);
  set(document, start, value, path);
  return document.text();
}

/**
 * Paths of what the file says, for hints: `time.platform`, `nvme0.link`, `r0.depth`.
 * @throws {LabError} LAB_SYNTAX, LAB_TOO_LARGE
 */
export function labPaths(text: string, label = LABEL): string[] {
  const document = new LabDocument(text, label);
  const given = givenNames(document);
  const nameOf = new Map([...given].map(([name, slot]) => [slot.node, name]));
  const paths: string[] = [];
  const visit = (slot: Slot, shape: Shape, prefix: string, own: string): void => {
    const { node } = slot;
    if (shape.itemOf !== undefined) {
      itemsOf(slot).forEach((item, index) => {
        const written = namesOf(item.node);
        const name = nameOf.get(item.node);
        const names = written.length > 0 ? written : name === undefined ? [`${prefix}.${index}`] : [name];
        const itemShape = shape.itemOf!(wordsOf(item.node));
        for (const each of names) {
          visit(item, itemShape, each, each);
        }
      });
    } else if (isMap(node) && shape.keys !== undefined) {
      for (const key of keysOf(node)) {
        const next = shape.keys.get(key);
        if (next !== undefined && (prefix !== own || !isNameKey(key, node))) {
          visit(slotOf(node, key), next, prefix === '' ? key : `${prefix}.${key}`, own);
        }
      }
    } else if (isMap(node) && shape.hasAnyKeys === true) {
      paths.push(...keysOf(node).map((key) => `${prefix}.${key}`));
    } else if (prefix !== '') {
      paths.push(prefix);
    }
  };
  visit(document.root(), MACHINE_SHAPE, '', '-');
  return paths;
}

/** What an item is called is not one of its values. */
function isNameKey(key: string, node: unknown): boolean {
  return key === 'name' || (!isStream(node) && NODE_KINDS.includes(key));
}

interface Walk {
  readonly slot: Slot;
  readonly shape: Shape;
  /** Where it stands, for messages. */
  readonly trail: string;
  readonly rest: readonly string[];
}

/** A key of the file, or something with a name. */
function startOf(document: LabDocument, steps: readonly string[], path: string): Walk {
  const first = steps[0]!;
  const root = document.root();
  if (MACHINE_SHAPE.keys!.has(first)) {
    return { slot: root, shape: MACHINE_SHAPE, trail: '', rest: steps };
  }
  const written = document.namedItems().find((item) => item.names.includes(first));
  const found = written === undefined ? givenNames(document).get(first) : alone(written, first);
  if (found === undefined) {
    const names = [
      ...new Set([...document.namedItems().flatMap((item) => item.names), ...givenNames(document).keys()]),
    ];
    unknownPath(path, first, 'the lab', [...names, ...MACHINE_SHAPE.keys!.keys()]);
  }
  return { slot: found, shape: shapeAround(document, found), trail: first, rest: steps.slice(1) };
}

/** Without names for a file that cannot be read: then only those in its text are known. */
function givenNames(document: LabDocument): ReadonlyMap<string, Slot> {
  try {
    return document.givenNames();
  } catch (error) {
    if (error instanceof LabError) {
      return new Map();
    }
    throw error;
  }
}

/** The shape of an item: found on the way to it. */
function shapeAround(document: LabDocument, wanted: Slot): Shape {
  const root = document.root().node;
  const search = (slot: Slot, shape: Shape): Shape | undefined => {
    if (shape.itemOf !== undefined) {
      for (const item of itemsOf(slot)) {
        const itemShape = shape.itemOf(wordsOf(item.node));
        if (item.node === wanted.node) {
          return itemShape;
        }
        const below = search(item, itemShape);
        if (below !== undefined) {
          return below;
        }
      }
    } else if (isMap(slot.node)) {
      for (const key of ['below', 'host-bridges', 'iopmem', 'workload', 'streams']) {
        const next = shape.keys?.get(key);
        const below = next === undefined ? undefined : search(slotOf(slot.node, key), next);
        if (below !== undefined) {
          return below;
        }
      }
    }
    return undefined;
  };
  return search({ node: root, put: () => {} }, MACHINE_SHAPE) ?? {};
}

/** An item that stands for several devices becomes one for each; the one of this name. */
function alone(
  item: Slot & { readonly names: readonly string[]; readonly holder: unknown },
  name: string,
): Slot {
  const { node, names, holder } = item;
  if (names.length === 1 || !isMap(node)) {
    return item;
  }
  const kind = keysOf(node).find((key) => isSeq(node.get(key, true)) && NODE_KINDS.includes(key))!;
  const all = (node.get(kind, true) as unknown as YAMLSeq).items;
  const copies = all.map((each) => {
    const copy = node.clone() as YAMLMap;
    copy.set(kind, each);
    return copy;
  });
  const index = copies.findIndex((copy) => namesOf(copy).includes(name));
  if (isSeq(holder)) {
    const at = holder.items.indexOf(node);
    holder.items.splice(at, 1, ...copies);
    return slotOf(holder, at + index);
  }
  const list = new YAMLSeq();
  list.items = copies;
  item.put(list);
  return slotOf(list, index);
}

function set(document: LabDocument, start: Walk, value: string, path: string): void {
  let { slot, shape, trail } = start;
  const rest = [...start.rest];
  for (let step = rest.shift(); step !== undefined; step = rest.shift()) {
    if (shape.itemOf !== undefined) {
      slot = itemAt(document, slot, shape, step, trail, path);
      shape = shape.itemOf(wordsOf(slot.node));
    } else {
      // Module parameters have dots in their names.
      const key = shape.hasAnyKeys === true ? [step, ...rest.splice(0)].join('.') : step;
      const next = shape.hasAnyKeys === true ? {} : shape.keys?.get(key);
      const map = blockAt(document, slot, shape);
      if (map === undefined || next === undefined || key === '') {
        unknownPath(path, key, trail, allowedIn(slot, shape));
      }
      slot = slotOf(map, key);
      shape = next;
    }
    trail = trail === '' ? step : `${trail}.${step}`;
  }
  if (start.rest.length === 0) {
    throw new LabError('LAB_UNKNOWN_PATH', {
      message: oneLine(`${shown(path)} is a whole item; a path leads to one of its values`),
      hint: `values of it: ${allowedIn(slot, shape).slice(0, HINTS_MAX).join(', ')}`,
      detail: { path },
    });
  }
  slot.put(withComments(slot.node, document.nodeOf(value, oneLine(path))));
}

/** What stood beside the old value stays. */
function withComments(old: unknown, node: unknown): unknown {
  if (isNode(old) && isNode(node)) {
    node.comment = old.comment ?? null;
    node.commentBefore = old.commentBefore ?? null;
    node.spaceBefore = old.spaceBefore === true;
  }
  return node;
}

function allowedIn(slot: Slot, shape: Shape): readonly string[] {
  const kinds = textOf(slot.node) === undefined ? undefined : shape.expand?.(textOf(slot.node)!);
  return [...(shape.keys?.keys() ?? Object.keys(kinds ?? {}))];
}

/** The block that stands here, made of nothing or of the word that stands for it. */
function blockAt(document: LabDocument, slot: Slot, shape: Shape): YAMLMap | undefined {
  const { node } = slot;
  if (isMap(node)) {
    return node as YAMLMap;
  }
  const word = textOf(node);
  const made = isNothing(node) ? {} : word === undefined ? undefined : shape.expand?.(word);
  if (made === undefined || (shape.keys === undefined && shape.hasAnyKeys !== true)) {
    return undefined;
  }
  const map = document.create(made) as YAMLMap;
  map.flow = false;
  slot.put(map);
  return map;
}

function itemAt(
  document: LabDocument,
  list: Slot,
  shape: Shape,
  step: string,
  trail: string,
  path: string,
): Slot {
  const items = itemsOf(list);
  const named = new Map(items.flatMap((item) => namesOf(item.node).map((name) => [name, item] as const)));
  const index = /^\d{1,6}$/.test(step) ? Number(step) : -1;
  let item = index >= 0 ? items[index] : named.get(step);
  if (item === undefined && index === 0 && items.length === 0 && shape.canBegin === true) {
    return list;
  }
  if (item === undefined) {
    // Streams without a name of their own are known by kind and device.
    const given = givenNames(document).get(step);
    item = items.find((each) => given !== undefined && sameNode(each, given));
  }
  if (item === undefined) {
    const counts = items.map((_, position) => String(position));
    unknownPath(path, step, trail, [...named.keys(), ...counts]);
  }
  const names = namesOf(item.node);
  return names.length > 1 && names.includes(step) ? alone({ ...item, names, holder: list.node }, step) : item;
}

function sameNode(a: Slot, b: Slot): boolean {
  return a.node === b.node;
}

const HINTS_MAX = 12;

function unknownPath(path: string, step: string, where: string, allowed: readonly string[]): never {
  const place = where === '' ? 'the lab' : oneLine(where);
  const near = /^\d+$/.test(step) ? '' : didYouMean(step, allowed);
  const some = allowed.slice(0, HINTS_MAX).join(', ');
  throw new LabError('LAB_UNKNOWN_PATH', {
    message: oneLine(`${shown(path)} leads nowhere: ${place} has no ${shown(step)}${near}`),
    hint:
      allowed.length === 0
        ? `nothing is below ${place}`
        : `there ${allowed.length === 1 ? 'is' : 'are'} ${some}${allowed.length > HINTS_MAX ? ', …' : ''}`,
    detail: { path, at: where, allowed: [...allowed] },
  });
}

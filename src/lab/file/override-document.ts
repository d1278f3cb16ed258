/** The YAML document behind a path: without aliases, so that what is set changes one thing, and with the items that have names. */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  Pair,
  type ParsedNode,
  parseDocument,
  Scalar,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';

import { walkNodes } from './checks.ts';
import type { LabFile } from './lab-file.ts';
import { NODE_KINDS } from './override-shape.ts';
import { type LabPosition, Problems } from './problems.ts';
import { type LabReading, readLab } from './read.ts';
import { STREAM_KINDS } from './workload-fields.ts';
import { readYaml } from './yaml-source.ts';

/** A place in the document that holds a value: of a key of a map, or an item of a list. */
export interface Slot {
  readonly node: unknown;
  /** Puts another node there. */
  readonly put: (node: unknown) => void;
}

/** Something with a name: a device, an iopmem disk, a stream, a host bridge. */
export interface NamedItem extends Slot {
  /** As written; several where one item stands for several devices. */
  readonly names: readonly string[];
  readonly holder: unknown;
}

// Every word is text, as in the reader; only a value that is left out is none.
const OPTIONS = {
  version: '1.2',
  schema: 'failsafe',
  uniqueKeys: false,
  merge: false,
  customTags: (tags: unknown[]) => [...tags, 'null'],
} as const;

export class LabDocument {
  readonly label: string;
  /** What was parsed; offsets of its nodes lead into it. */
  readonly #source: string;
  readonly #document: Document;
  readonly #lines: LineCounter;
  /** Every place as it was parsed. */
  readonly #slots: readonly Slot[];
  #given: Map<string, Slot> | undefined;

  /** @throws {LabError} LAB_SYNTAX, LAB_TOO_LARGE */
  constructor(text: string, label: string) {
    this.label = label;
    // Its limits hold for what follows: depth, size, aliases that stand inside what they name.
    readYaml(text, new Problems(label));
    let source = text;
    let [document, lines] = parse(source);
    if (hasAliases(document)) {
      document.contents = withoutAliases(document.contents, document) as never;
      source = print(document);
      [document, lines] = parse(source);
    }
    this.#source = source;
    this.#document = document;
    this.#lines = lines;
    this.#slots = [...slots(this.root())];
  }

  text(): string {
    return print(this.#document);
  }

  root(): Slot {
    return {
      node: this.#document.contents,
      put: (node) => {
        this.#document.contents = node as never;
      },
    };
  }

  /** A node for a value as a person writes it: a list or block in brackets, or one word. @throws {LabError} LAB_SYNTAX */
  nodeOf(value: string, what: string): unknown {
    if (/^\s*[[{]/.test(value)) {
      readYaml(value, new Problems(what));
      const [document] = parse(value);
      return hasAliases(document) ? withoutAliases(document.contents, document) : document.contents;
    }
    return this.#document.createNode(value);
  }

  create(value: unknown): unknown {
    const node = this.#document.createNode(value);
    if (isMap(node)) {
      node.flow = true;
    }
    return node;
  }

  /** Every item with a name that the file itself gives. */
  namedItems(): NamedItem[] {
    const found: NamedItem[] = [];
    const root = this.root();
    collect(root.node, found);
    return found;
  }

  /**
   * Names that are given where the file has none, with the items.
   * @throws {LabError} what is wrong with the file, for then it has no such names
   */
  givenNames(): ReadonlyMap<string, Slot> {
    if (this.#given === undefined) {
      const reading = readLab(this.#source, this.label);
      const byOffset = new Map<number, Slot>();
      for (const slot of this.#slots) {
        const offset = isNode(slot.node) ? (slot.node.range?.[0] ?? -1) : -1;
        if (!byOffset.has(offset)) {
          byOffset.set(offset, slot);
        }
      }
      this.#given = new Map();
      for (const [name, position] of positionsOf(reading)) {
        const slot = byOffset.get(this.#offset(position));
        if (slot !== undefined && !this.#given.has(name)) {
          this.#given.set(name, slot);
        }
      }
    }
    return this.#given;
  }

  #offset(position: LabPosition): number {
    return this.#lines.lineStarts[position.line - 1]! + position.column - 1;
  }
}

function print(document: Document): string {
  return document.toString({ lineWidth: 0, flowCollectionPadding: false, nullStr: '' });
}

function parse(text: string): [Document, LineCounter] {
  const lineCounter = new LineCounter();
  const document = parseDocument<ParsedNode>(text, { ...OPTIONS, lineCounter } as never);
  return [document as unknown as Document, lineCounter];
}

function hasAliases(document: Document): boolean {
  let found = false;
  visit(document, {
    Alias: () => {
      found = true;
      return visit.BREAK;
    },
    Node: (_, node) => {
      found ||= (node as { anchor?: string }).anchor !== undefined;
      return found ? visit.BREAK : undefined;
    },
  });
  return found;
}

/** The same with every alias and `<<` written out. The reader saw to it that this ends. */
function withoutAliases(node: unknown, document: Document): unknown {
  if (isAlias(node)) {
    return withoutAliases(node.resolve(document), document);
  }
  if (isSeq(node)) {
    const copy = node.clone() as YAMLSeq;
    delete copy.anchor;
    copy.items = node.items.map((item) => withoutAliases(item, document));
    return copy;
  }
  if (isMap(node)) {
    const copy = node.clone() as YAMLMap;
    delete copy.anchor;
    copy.items = [];
    const merged: YAMLMap[] = [];
    for (const pair of node.items) {
      if (isScalar(pair.key) && pair.key.value === '<<' && pair.key.type === Scalar.PLAIN) {
        const source = withoutAliases(pair.value, document);
        merged.push(...((isSeq(source) ? source.items : [source]) as YAMLMap[]));
      } else {
        copy.items.push(new Pair(withoutAliases(pair.key, document), withoutAliases(pair.value, document)));
      }
    }
    for (const pair of merged.flatMap((map) => map.items)) {
      if (!copy.has((pair.key as Scalar).value)) {
        copy.items.push(pair);
      }
    }
    return copy;
  }
  if (isScalar(node)) {
    const copy = node.clone() as Scalar;
    delete copy.anchor;
    return copy;
  }
  return node;
}

/** Text of a scalar; undefined for anything else and for no value. */
export function textOf(node: unknown): string | undefined {
  return isScalar(node) && typeof node.value === 'string' ? node.value : undefined;
}

export function isNothing(node: unknown): boolean {
  return (
    node === undefined || node === null || (isScalar(node) && (node.value === null || node.value === ''))
  );
}

export function slotOf(holder: YAMLMap | YAMLSeq, key: string | number): Slot {
  return {
    node: isMap(holder) ? holder.get(String(key), true) : holder.items[Number(key)],
    put: (node) => {
      if (isSeq(holder)) {
        holder.items[Number(key)] = node;
      } else {
        holder.set(String(key), node);
      }
    },
  };
}

/** The items of what is a list or one item. */
export function itemsOf(slot: Slot): Slot[] {
  const { node } = slot;
  return isSeq(node) ? node.items.map((_, index) => slotOf(node, index)) : isNothing(node) ? [] : [slot];
}

export function keysOf(node: unknown): string[] {
  return isMap(node)
    ? node.items.flatMap((pair) =>
        isScalar(pair.key) && typeof pair.key.value === 'string' ? [pair.key.value] : [],
      )
    : [];
}

/** What an item is, of all that it says: its keys, or the word that it is. */
export function wordsOf(node: unknown): string[] {
  const word = textOf(node);
  return word === undefined ? keysOf(node) : [word.trim()];
}

export function isStream(node: unknown): boolean {
  return keysOf(node).some((key) => (STREAM_KINDS as readonly string[]).includes(key));
}

/** Names that an item has in the file; none for one that has no name. */
export function namesOf(node: unknown): string[] {
  if (!isMap(node)) {
    return [];
  }
  const kind = keysOf(node).find((key) => NODE_KINDS.includes(key));
  const value = node.get(kind === undefined || isStream(node) ? 'name' : kind, true);
  return (isSeq(value) ? value.items : [value]).flatMap((each) => textOf(each)?.trim() || []);
}

/** Items with names: of `below` at any depth, `host-bridges`, `iopmem` and `workload.streams`. */
function collect(root: unknown, found: NamedItem[]): void {
  if (!isMap(root)) {
    return;
  }
  const rest: { slot: Slot; holder: unknown }[] = [];
  const push = (holder: YAMLMap, key: string) => {
    const slot = slotOf(holder, key);
    rest.push(...itemsOf(slot).map((item) => ({ slot: item, holder: slot.node })));
  };
  const workload = root.get('workload', true);
  push(root, 'iopmem');
  push(root, 'host-bridges');
  push(root, 'below');
  if (isMap(workload)) {
    push(workload, 'streams');
  }
  for (let item = rest.shift(); item !== undefined; item = rest.shift()) {
    const names = namesOf(item.slot.node);
    if (names.length > 0) {
      found.push({ ...item.slot, names, holder: item.holder });
    }
    if (isMap(item.slot.node)) {
      push(item.slot.node, 'below');
    }
  }
}

/** Everything that can be an item, in order, those around others first. */
function* slots(slot: Slot): Generator<Slot> {
  yield slot;
  const { node } = slot;
  if (isMap(node)) {
    for (const key of keysOf(node)) {
      yield* slots(slotOf(node, key));
    }
  } else if (isSeq(node)) {
    for (let index = 0; index < node.items.length; index++) {
      yield* slots(slotOf(node, index));
    }
  }
}

function* positionsOf(reading: LabReading): Generator<[string, LabPosition]> {
  const { lab } = reading;
  for (const thing of thingsOf(lab)) {
    const position = reading.position(thing);
    if (thing.name !== null && position !== undefined) {
      yield [thing.name, position];
    }
  }
}

function thingsOf(lab: LabFile) {
  return [
    ...lab.hostBridges.flatMap((bridge) => [...walkNodes(bridge.below)]),
    ...lab.iopmem,
    ...(lab.workload?.streams ?? []),
  ];
}

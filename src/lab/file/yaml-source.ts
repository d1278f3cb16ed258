/**
 * YAML text to values, with the place of each, within limits.
 *
 * YAML 1.2 with anchors, aliases and merge keys (`<<`); one document; no tags, no directives. The parser's own checks that take
 * quadratic time (unique keys) and its unlimited recursion are replaced by ours.
 */
import { Composer, type Document, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser } from 'yaml';
import { DEPTH_MAX, TEXT_MAX, VALUES_MAX } from './limits.ts';
import { type LabPosition, type Problems, shown } from './problems.ts';
import { isBlock, type LabBlock, type LabPath, type LabValue } from './values.ts';

/** Where the parts of a block or list are; offsets into the text. */
interface Places {
  readonly start: number;
  readonly keys: Map<string, number>;
  readonly values: Map<string, number>;
}

const START: LabPosition = { line: 1, column: 1 };

/** A text that was read, and where its values are. */
export class YamlSource {
  readonly root: LabValue;
  readonly #lines: LineCounter;
  readonly #places: ReadonlyMap<object, Places>;

  constructor(root: LabValue, lines: LineCounter, places: ReadonlyMap<object, Places>) {
    this.root = root;
    this.#lines = lines;
    this.#places = places;
  }

  /** Of the value at the end of `path` below `from`, or of the nearest thing around it. */
  valuePosition(from: object, path: LabPath): LabPosition {
    return this.#position(from, path, 'values');
  }

  /** Of the key that ends `path`. */
  keyPosition(from: object, path: LabPath): LabPosition {
    return this.#position(from, path, 'keys');
  }

  #position(from: object, path: LabPath, what: 'keys' | 'values'): LabPosition {
    let current: unknown = from;
    let offset = this.#places.get(from)?.start;
    path.forEach((step, depth) => {
      const places = typeof current === 'object' && current !== null ? this.#places.get(current) : undefined;
      const isLast = depth === path.length - 1;
      offset = places?.[isLast ? what : 'values'].get(String(step)) ?? offset;
      current =
        places === undefined ? undefined : (current as Record<string | number, unknown>)[step as string];
    });
    return offset === undefined ? START : this.#at(offset);
  }

  #at(offset: number): LabPosition {
    return positionOf(this.#lines, offset);
  }
}

function positionOf(lines: LineCounter, offset: number): LabPosition {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** @throws {LabError} LAB_SYNTAX, LAB_TOO_LARGE */
export function readYaml(text: string, problems: Problems): YamlSource {
  if (text.length > TEXT_MAX) {
    problems.fail('LAB_TOO_LARGE', START, `more than ${TEXT_MAX / 1024} KiB of text; is it a lab file?`);
  }
  const lines = new LineCounter();
  const document = compose(text, lines, problems);
  const converter = new Converter(lines, problems);
  const root = document === undefined ? null : converter.convert(document.contents, 0);
  problems.throwIfAny();
  return new YamlSource(root, lines, converter.places);
}

function compose(text: string, lines: LineCounter, problems: Problems) {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens = [];
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      tokens.push(token);
    }
    // The composer calls itself for each level.
    if (parser.stack.length > DEPTH_MAX) {
      problems.fail(
        'LAB_TOO_LARGE',
        positionOf(lines, parser.offset),
        `more than ${DEPTH_MAX} levels of nesting`,
      );
    }
  }
  tokens.push(...parser.end());
  const composer = new Composer({
    schema: 'failsafe',
    version: '1.2',
    uniqueKeys: false,
    lineCounter: lines,
    prettyErrors: false,
  });
  let first: Document.Parsed | undefined;
  for (const document of composer.compose(tokens)) {
    for (const error of [...document.errors, ...document.warnings]) {
      // One mistake of indentation makes many messages; they are sorted by place, and the count is limited.
      problems.add('LAB_SYNTAX', positionOf(lines, error.pos[0]), yamlMessage(error.message));
    }
    if (first !== undefined && document.contents !== null) {
      const place = document.contents.range?.[0] ?? 0;
      problems.add('LAB_SYNTAX', positionOf(lines, place), 'a second document; a lab file is one document');
      break;
    }
    first ??= document;
  }
  problems.throwIfAny();
  return first;
}

/** Without the pictures that some messages have. */
function yamlMessage(message: string): string {
  return message.split('\n')[0]!.slice(0, 200);
}

class Converter {
  readonly places = new Map<object, Places>();
  readonly #lines: LineCounter;
  readonly #problems: Problems;
  readonly #anchors = new Map<string, unknown>();
  #count = 0;

  constructor(lines: LineCounter, problems: Problems) {
    this.#lines = lines;
    this.#problems = problems;
  }

  convert(node: unknown, depth: number): LabValue {
    const offset = offsetOf(node);
    if (++this.#count > VALUES_MAX || depth > DEPTH_MAX) {
      this.#problems.fail(
        'LAB_TOO_LARGE',
        positionOf(this.#lines, offset),
        depth > DEPTH_MAX
          ? `more than ${DEPTH_MAX} levels of nesting; does an alias stand inside what it names?`
          : `more than ${VALUES_MAX} values, aliases followed`,
      );
    }
    if (isAlias(node)) {
      if (!this.#anchors.has(node.source)) {
        this.#complain(offset, `no anchor &${node.source} stands before this alias`);
        return null;
      }
      return this.convert(this.#anchors.get(node.source), depth + 1);
    }
    if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined) {
      this.#anchors.set(node.anchor, node);
    }
    if (isScalar(node)) {
      this.#refuseTag(node.tag, offset);
      const text = typeof node.value === 'string' ? node.value : '';
      return node.type === 'PLAIN' && (text === '' || text === '~' || text === 'null') ? null : text;
    }
    if (isSeq(node)) {
      this.#refuseTag(node.tag, offset);
      const list: LabValue[] = [];
      const places: Places = { start: offset, keys: new Map(), values: new Map() };
      this.places.set(list, places);
      node.items.forEach((item, index) => {
        places.values.set(String(index), offsetOf(item) || offset);
        list.push(this.convert(item, depth + 1));
      });
      return list;
    }
    return isMap(node) ? this.#convertMap(node, offset, depth) : null;
  }

  #convertMap(
    node: { tag?: string | undefined; items: readonly { key: unknown; value: unknown }[] },
    offset: number,
    depth: number,
  ): LabBlock {
    this.#refuseTag(node.tag, offset);
    const block: Record<string, LabValue> = Object.create(null);
    const places: Places = { start: offset, keys: new Map(), values: new Map() };
    this.places.set(block, places);
    const merged: LabBlock[] = [];
    for (const { key, value } of node.items) {
      const keyOffset = offsetOf(key) || offset;
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#complain(keyOffset, 'a key is one word, no list, block or alias');
        continue;
      }
      const name = key.value;
      if (name === '<<' && key.type === 'PLAIN') {
        merged.push(...this.#mergeSources(value, depth));
        continue;
      }
      if (name in block) {
        this.#complain(keyOffset, `${shown(name)} stands here twice`);
        continue;
      }
      places.keys.set(name, keyOffset);
      places.values.set(name, offsetOf(value) || keyOffset);
      block[name] = this.convert(value, depth + 1);
    }
    for (const source of merged) {
      for (const [name, value] of Object.entries(source)) {
        if (!(name in block)) {
          const from = this.places.get(source);
          places.keys.set(name, from?.keys.get(name) ?? offset);
          places.values.set(name, from?.values.get(name) ?? offset);
          block[name] = value;
        }
      }
    }
    return block;
  }

  #mergeSources(value: unknown, depth: number): LabBlock[] {
    const source = this.convert(value, depth + 1);
    const list = Array.isArray(source) ? (source as readonly LabValue[]) : [source];
    const blocks = list.filter(isBlock);
    if (blocks.length !== list.length) {
      this.#complain(offsetOf(value), '<< takes an alias of a block of keys, or a list of such');
    }
    // The values are copied once more.
    this.#count += blocks.reduce((sum, block) => sum + Object.keys(block).length, 0);
    return blocks;
  }

  #refuseTag(tag: string | undefined, offset: number): void {
    if (tag !== undefined && !tag.startsWith('tag:yaml.org,2002:')) {
      this.#complain(offset, `tags mean nothing here: ${shown(tag)}`);
    }
  }

  #complain(offset: number, message: string): void {
    this.#problems.add('LAB_SYNTAX', positionOf(this.#lines, offset), message);
  }
}

function offsetOf(node: unknown): number {
  const range = (node as { readonly range?: readonly number[] | null } | null)?.range;
  return range?.[0] ?? 0;
}

/**
 * `lspci -t`: the bus tree drawn with `+-`, `\-` and brackets.
 *
 * Columns carry the structure. Where a bus has several functions, each `+-` and the last `\-` stand in one column, and
 * the text that opened that column says which bus it is:
 *
 *     -+-[0000:00]-+-00.0
 *      |           \-03.1-[01-13]----00.0-[02-13]--+-00.0-[03]----00.0
 *      |                                           \-04.0-[09]--
 *      \-[0000:20]---00.0
 *
 * A bracket after a function is the bus range behind it; a bracket with a domain is a bus of its own: a root bus, or
 * below a bridge a bus that no bridge owns (virtual functions).
 */
import { type Bdf, formatBdf } from '../../base/index.ts';
import type { FunctionFacts } from './facts.ts';

export interface TreeFunction {
  readonly bdf: Bdf;
  readonly parent: Bdf | null;
  /** Bus range behind it; null for what is no bridge. */
  secondaryBus: number | null;
  subordinateBus: number | null;
  /** With `-tv`; ids in it with `-tvnn`. */
  name: string | undefined;
}

/** A place where functions or buses may hang. */
interface Place {
  readonly parent: Bdf | null;
  readonly domain: number | undefined;
  readonly bus: number | undefined;
}

const ROOT: Place = { parent: null, domain: undefined, bus: undefined };

/** Drawings copied through editors and web pages come back with box characters. */
const BOX_CHARACTERS: Readonly<Record<string, string>> = {
  '\u2502': '|',
  '\u2500': '-',
  '\u251c': '+',
  '\u252c': '+',
  '\u2514': '\\',
  '\u2570': '\\',
};
const BOX = /[\u2500\u2502\u2514\u251c\u252c\u2570]/g;

/** Open branches. Bus numbers rise with every level, so no tree is deeper than 256; real ones stay below 20. */
const BRANCHES_MAX = 256;

const DEVICE = /^([01][0-9a-f])\.([0-7])(?=$|[ -])/i;
const BRACKET = /^\[(?:([0-9a-f]{4,8}):)?([0-9a-f]{2})(?:-([0-9a-f]{2}))?\]/i;

/** Lines are given one by one; what is no tree line is left alone. */
export class TreeReader {
  readonly #places = new Map<number, Place>();

  /** Functions on the line, or undefined when the line is not part of a tree. */
  read(raw: string): TreeFunction[] | undefined {
    const line = raw.replace(BOX, (box) => BOX_CHARACTERS[box]!);
    let at = 0;
    while (at < line.length && ' |\t>'.includes(line[at]!)) {
      at++;
    }
    const start = line[at];
    if (start === '-' && /^-(?:\[|\+-\[)/.test(line.slice(at, at + 4))) {
      this.#places.clear();
      return this.#walk(line, at, ROOT);
    }
    if (start !== '+' && start !== '\\') {
      return undefined;
    }
    const place = this.#places.get(at);
    return place === undefined || line[at + 1] !== '-' ? undefined : this.#walk(line, at, place);
  }

  #walk(line: string, from: number, start: Place): TreeFunction[] | undefined {
    const found: TreeFunction[] = [];
    let place = start;
    let current: TreeFunction | undefined;
    let isTree = false;
    let at = from;
    while (at < line.length) {
      const char = line[at]!;
      if (char === '-') {
        at++;
        continue;
      }
      if (char === '+' || char === '\\') {
        if (this.#places.size >= BRANCHES_MAX) {
          break;
        }
        this.#open(at, place, char === '\\');
        at++;
        continue;
      }
      const rest = line.slice(at, at + 20);
      const bracket = BRACKET.exec(rest);
      if (bracket !== null) {
        const bus = Number.parseInt(bracket[2]!, 16);
        if (bracket[1] !== undefined || current === undefined) {
          const domain = bracket[1] === undefined ? (place.domain ?? 0) : Number.parseInt(bracket[1], 16);
          place = { parent: place.parent, domain, bus };
        } else {
          current.secondaryBus = bus;
          current.subordinateBus = bracket[3] === undefined ? bus : Number.parseInt(bracket[3], 16);
          place = { parent: current.bdf, domain: place.domain, bus };
        }
        current = undefined;
        isTree = true;
        at += bracket[0].length;
        continue;
      }
      const device = DEVICE.exec(rest);
      if (device === null || place.bus === undefined || place.domain === undefined) {
        break;
      }
      current = {
        bdf: formatBdf({
          domain: place.domain,
          bus: place.bus,
          device: Number.parseInt(device[1]!, 16),
          function: Number(device[2]),
        }),
        parent: place.parent,
        secondaryBus: null,
        subordinateBus: null,
        name: undefined,
      };
      found.push(current);
      isTree = true;
      at += device[0].length;
      if (line[at] === ' ') {
        current.name = line.slice(at).trim();
        break;
      }
    }
    return isTree ? found : undefined;
  }

  /** Everything right of a branch belongs to what hung there before; the last branch closes its column. */
  #open(column: number, place: Place, isLast: boolean): void {
    for (const other of this.#places.keys()) {
      if (other > column) {
        this.#places.delete(other);
      }
    }
    if (isLast) {
      this.#places.delete(column);
    } else {
      this.#places.set(column, place);
    }
  }
}

/** What the tree says of one function, as facts. */
export function treeFacts(node: TreeFunction): FunctionFacts {
  const facts: FunctionFacts = { bdf: node.bdf, parent: node.parent };
  if (node.secondaryBus !== null && node.subordinateBus !== null) {
    facts.secondaryBus = node.secondaryBus;
    facts.subordinateBus = node.subordinateBus;
  } else {
    // lspci draws a bracket behind every bridge, even one with nothing below.
    facts.headerType = 0;
  }
  if (node.name !== undefined && node.name !== '') {
    const ids = /\[([0-9a-f]{4}):([0-9a-f]{4})\]$/i.exec(node.name);
    if (ids !== null) {
      facts.vendorId = Number.parseInt(ids[1]!, 16);
      facts.deviceId = Number.parseInt(ids[2]!, 16);
    }
    const name = ids === null ? node.name : node.name.slice(0, ids.index).trimEnd();
    if (name !== '') {
      facts.deviceName = name;
    }
  }
  return facts;
}

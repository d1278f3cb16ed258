/**
 * Any mix of lspci outputs, line by line, to facts by function. Everything between them (prompts, Markdown, other
 * programs) is passed over.
 *
 * One step a line and nothing is ever looked at twice, so the work is bounded by the size of the text.
 */
import { type Bdf, formatBdf, parseBdf } from '../../base/index.ts';
import type { Finding } from '../machine.ts';
import { FUNCTIONS_MAX, linesOf } from '../text/index.ts';
import { DetailReader } from './detail-reader.ts';
import { type FunctionFacts, mergeFacts } from './facts.ts';
import { type PathStep, parseHeadline, readHeadline, readRecordField, stepBdf } from './headline.ts';
import { HexDump, parseHexLine } from './hex-lines.ts';
import { TreeReader, treeFacts } from './tree-lines.ts';

export interface ScannedText {
  /** In the order of their first appearance. */
  readonly facts: ReadonlyMap<Bdf, FunctionFacts>;
  /** Functions that stand in a `-t` tree. */
  readonly inTree: ReadonlySet<Bdf>;
  /** Any `<access denied>`: taken without root. */
  readonly isDenied: boolean;
  /** The text names more functions than are taken. */
  readonly isTooLarge: boolean;
  readonly findings: Finding[];
}

/** A function whose lines are being read. */
interface Block {
  readonly facts: FunctionFacts;
  readonly detail: DetailReader;
  readonly dump: HexDump;
  /** The headline alone does not prove that this is lspci output: an address and some words. */
  readonly isUnsure: boolean;
  /** Line number of the headline. */
  readonly line: number;
  hasLines: boolean;
}

/** A shell waits for the next command: whatever was printed before is complete. */
const PROMPT = /^(?:\S{0,64}@\S{0,128}|\[[^\]]{0,128}\]|[\w.-]{0,64}:?)? ?[$#%] +\S/;

const RECORD_FIELD = /^([A-Z][A-Za-z]{1,20}):\s+(\S.*)$/;

/** Findings of one kind are cut here; text that repeats a mistake repeats it often. */
const FINDINGS_MAX = 200;

export function scanText(text: string): ScannedText {
  const scan = new Scan();
  for (const line of linesOf(text)) {
    scan.read(line);
  }
  return scan.finish();
}

class Scan {
  readonly #facts = new Map<Bdf, FunctionFacts>();
  readonly #inTree = new Set<Bdf>();
  readonly #findings: Finding[] = [];
  readonly #tree = new TreeReader();
  #block: Block | undefined;
  #record: FunctionFacts | undefined;
  #isDenied = false;
  #isTooLarge = false;
  #line = 0;

  read(line: string): void {
    this.#line++;
    const text = line.trim();
    if (text === '' || text === '```' || PROMPT.test(line)) {
      this.#close(true);
      return;
    }
    if (this.#record !== undefined || /^(?:Slot|Device):/.test(text)) {
      if (this.#readRecord(text)) {
        return;
      }
    }
    if (this.#block !== undefined) {
      const hex = parseHexLine(line);
      if (hex !== undefined) {
        this.#block.dump.add(hex);
        this.#block.hasLines = true;
        return;
      }
    }
    const nodes = this.#tree.read(line);
    if (nodes !== undefined) {
      this.#close(true);
      for (const node of nodes) {
        this.#inTree.add(node.bdf);
        this.#merge(treeFacts(node));
      }
      return;
    }
    if (this.#openBlock(line)) {
      return;
    }
    const isIndented = /^[\s>|]/.test(line);
    if (this.#block !== undefined && (isIndented || DetailReader.knows(text))) {
      const content = text.replace(/^[>|\s]+/, '');
      this.#isDenied ||= content === 'Capabilities: <access denied>';
      this.#block.hasLines ||= DetailReader.knows(content);
      this.#block.detail.read(content);
    }
  }

  finish(): ScannedText {
    this.#close(false);
    return {
      facts: this.#facts,
      inTree: this.#inTree,
      isDenied: this.#isDenied,
      isTooLarge: this.#isTooLarge,
      findings: this.#findings,
    };
  }

  #openBlock(line: string): boolean {
    const headline = parseHeadline(line);
    if (headline === undefined) {
      return false;
    }
    const path = this.#addresses(headline.path);
    const bdf = path?.at(-1);
    if (path === undefined || bdf === undefined) {
      this.#note(
        null,
        'LSPCI_PATH',
        `line ${this.#line}: a path without bus numbers; \`lspci -PP\` prints them`,
      );
      return true;
    }
    const facts: FunctionFacts = { bdf };
    const isKnownClass = readHeadline(headline.rest, facts);
    if (!isKnownClass && (headline.isIndented || !headline.rest.includes(': '))) {
      return false;
    }
    this.#close(true);
    this.#addPath(path, facts);
    this.#block = {
      facts,
      detail: new DetailReader(facts),
      dump: new HexDump(),
      isUnsure: !isKnownClass,
      line: this.#line,
      hasLines: false,
    };
    return true;
  }

  /** With `-P` the bus of a step is the secondary bus of the step before, if that is known by now. */
  #addresses(path: readonly PathStep[]): Bdf[] | undefined {
    const addresses: Bdf[] = [];
    for (const step of path) {
      const parent = addresses.at(-1);
      const bus = step.bus ?? (parent === undefined ? undefined : this.#facts.get(parent)?.secondaryBus);
      const bdf = stepBdf({ ...step, bus });
      if (bdf === undefined) {
        return undefined;
      }
      addresses.push(bdf);
    }
    return addresses;
  }

  /** Every step but the last is a bridge, listed or not. */
  #addPath(path: readonly Bdf[], facts: FunctionFacts): void {
    if (path.length === 1) {
      return;
    }
    facts.parent = path.at(-2)!;
    path.slice(0, -1).forEach((bdf, step) => {
      this.#merge({ bdf, headerType: 1, parent: step === 0 ? null : path[step - 1]! });
    });
  }

  #readRecord(text: string): boolean {
    const match = RECORD_FIELD.exec(text);
    if (match === null) {
      this.#close(true);
      return false;
    }
    const [, key, value] = match;
    const parts = key === 'Slot' || key === 'Device' ? parseBdf(value!) : undefined;
    if (parts !== undefined) {
      this.#close(true);
      this.#record = { bdf: formatBdf(parts), revision: 0 };
      return true;
    }
    if (this.#record === undefined) {
      return false;
    }
    readRecordField(key!, value!, this.#record);
    return true;
  }

  /** @param isWhole something follows, so that nothing was cut off at the end */
  #close(isWhole: boolean): void {
    if (this.#record !== undefined) {
      this.#merge(this.#record);
      this.#record = undefined;
    }
    const block = this.#block;
    this.#block = undefined;
    if (block === undefined) {
      return;
    }
    if (block.isUnsure && !block.hasLines) {
      this.#note(
        null,
        'LSPCI_LINE_UNSURE',
        `line ${block.line}: ${block.facts.bdf} with a class that lspci does not print; passed over`,
      );
      return;
    }
    block.detail.finish(isWhole);
    if (!block.dump.isEmpty) {
      block.facts.config = block.dump.bytes();
    }
    if (block.dump.hasGap) {
      this.#note(
        block.facts.bdf,
        'LSPCI_DUMP_GAP',
        'its hex dump has a gap; what follows the gap is not used',
      );
    }
    this.#merge(block.facts);
  }

  #merge(block: FunctionFacts): void {
    const known = this.#facts.get(block.bdf);
    if (known === undefined) {
      if (this.#facts.size >= FUNCTIONS_MAX) {
        this.#isTooLarge = true;
        return;
      }
      this.#facts.set(block.bdf, block);
      return;
    }
    const disagreements = mergeFacts(known, block);
    if (disagreements.length > 0) {
      this.#note(
        block.bdf,
        'LSPCI_DISAGREES',
        `the text describes it more than once, with different ${disagreements.join(', ')}; the last is used`,
      );
    }
  }

  #note(at: Bdf | null, code: string, detail: string): void {
    if (this.#findings.length < FINDINGS_MAX) {
      this.#findings.push({ at, code, detail });
    }
  }
}

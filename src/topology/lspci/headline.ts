/**
 * The one line that names a function, in the forms of lspci 2.2 to 3.14: plain, `-n`, `-nn`, and `-mm`.
 *
 * Printed names cannot be turned back into ids without the list they came from (`ids.ts` does where it is given), so here they
 * stay names. One exception is certain: where the list has no name, lspci prints the id itself (`Device 1533`).
 */
import { type Bdf, formatBdf, parseBdf } from '../../base/index.ts';
import { classOfName } from '../text/index.ts';
import type { FunctionFacts } from './facts.ts';

export interface Headline {
  /** First the function on the root bus, last the function itself; more than one with `-P` and `-PP`. */
  readonly path: readonly PathStep[];
  /** What follows the address. */
  readonly rest: string;
  /** The line was indented or quoted: it takes more to believe that it is a headline. */
  readonly isIndented: boolean;
}

/** `-P` leaves the bus number out of all steps but the first. */
export interface PathStep {
  readonly domain: number;
  readonly bus: number | undefined;
  readonly device: number;
  readonly function: number;
}

const HEADLINE =
  /^([\s>|]*)((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[01][0-9a-f]\.[0-7])((?:\/(?:[0-9a-f]{2}:)?[01][0-9a-f]\.[0-7])*)[ \t]+(\S.*)$/i;

/** Undefined when the line does not start with an address. */
export function parseHeadline(line: string): Headline | undefined {
  const match = HEADLINE.exec(line);
  const first = match === null ? undefined : parseBdf(match[2]!);
  if (match === null || first === undefined) {
    return undefined;
  }
  const path: PathStep[] = [first];
  for (const step of match[3]!.split('/').slice(1)) {
    const parts = parseBdf(step.length === 4 ? `00:${step}` : step)!;
    path.push({ ...parts, domain: first.domain, bus: step.length === 4 ? undefined : parts.bus });
  }
  return { path, rest: match[4]!.trimEnd(), isIndented: match[1] !== '' };
}

/** The address of a step whose bus is known. */
export function stepBdf(step: PathStep): Bdf | undefined {
  return step.bus === undefined ? undefined : formatBdf({ ...step, bus: step.bus });
}

/**
 * Reads what follows the address into `facts`.
 *
 * @returns false when it reads like nothing lspci prints: then the line is no headline
 */
export function readHeadline(rest: string, facts: FunctionFacts): boolean {
  return rest.startsWith('"') ? readMachineReadable(rest, facts) : readSentence(rest, facts);
}

/** `Host bridge [0600]: Intel Corporation ... [8086:3405] (rev 12) (prog-if 00 [Normal decode])`. */
function readSentence(rest: string, facts: FunctionFacts): boolean {
  const colon = rest.indexOf(': ');
  if (colon <= 0 || colon > 100) {
    return false;
  }
  const hasClass = readClass(rest.slice(0, colon), facts);
  let name = rest.slice(colon + 2);
  const programmingInterface = /\(prog-if ([0-9a-f]{2})(?: \[[^\]]*\])?\)/i.exec(name);
  if (programmingInterface !== null) {
    facts.programmingInterface = hex(programmingInterface[1]!);
    name =
      name.slice(0, programmingInterface.index) +
      name.slice(programmingInterface.index + programmingInterface[0].length);
  }
  const revision = /\(rev ([0-9a-f]{2})\)/i.exec(name);
  // lspci leaves a revision of 0 out.
  facts.revision = revision === null ? 0 : hex(revision[1]!);
  if (revision !== null) {
    name = name.slice(0, revision.index) + name.slice(revision.index + revision[0].length);
  }
  if (facts.revision === 0xff) {
    facts.isGone = true;
    delete facts.revision;
  }
  readNameAndIds(name.trim(), facts);
  return hasClass;
}

/** `0600`, `Class 0600`, `Host bridge [0600]`, `Host bridge`, `Class [0600]`; false for anything else. */
function readClass(text: string, facts: FunctionFacts): boolean {
  const code = /^(?:Class |Unknown class )?\[?([0-9a-f]{4})\]?$|\[([0-9a-f]{4})\]$/i.exec(text);
  const known = code === null ? classOfName(text) : hex(code[1] ?? code[2]!);
  if (known !== undefined) {
    facts.classAndSubclass = known;
  }
  return known !== undefined;
}

/** Vendor and device are printed as one text, which cannot be split: it all goes to `deviceName`. */
function readNameAndIds(name: string, facts: FunctionFacts): void {
  const numeric = /^(?:Device )?([0-9a-f]{4}):([0-9a-f]{4})$/i.exec(name);
  if (numeric !== null) {
    facts.vendorId = hex(numeric[1]!);
    facts.deviceId = hex(numeric[2]!);
    return;
  }
  const bracketed = /\[([0-9a-f]{4}):([0-9a-f]{4})\]$/i.exec(name);
  if (bracketed !== null) {
    facts.vendorId = hex(bracketed[1]!);
    facts.deviceId = hex(bracketed[2]!);
  } else {
    const unnamed = /(?:^|[ :])(?:Unknown device|Device) ([0-9a-f]{4})$/.exec(name);
    if (unnamed !== null) {
      facts.deviceId = hex(unnamed[1]!);
    }
  }
  const text = bracketed === null ? name : name.slice(0, bracketed.index).trimEnd();
  if (text !== '' && text !== 'Device') {
    facts.deviceName = text;
  }
}

/** `Subsystem: Dell Device [1028:04cf]`, `Subsystem: 1028:04cf`; a name alone leaves the ids unknown. */
export function readSubsystem(value: string, facts: FunctionFacts): void {
  const ids = /(?:^|[ [])([0-9a-f]{4}):([0-9a-f]{4})\]?$/i.exec(value.trim());
  if (ids !== null) {
    // Zero in both registers means that there is none.
    const isNone = hex(ids[1]!) === 0 && hex(ids[2]!) === 0;
    facts.subsystemVendorId = isNone ? null : hex(ids[1]!);
    facts.subsystemDeviceId = isNone ? null : hex(ids[2]!);
    return;
  }
  const unnamed = /(?:Unknown device|Device) ([0-9a-f]{4})$/.exec(value.trim());
  if (unnamed !== null) {
    facts.subsystemDeviceId = hex(unnamed[1]!);
  }
}

/** `"PCI bridge [0604]" "Intel Corporation [8086]" "..." -rf1 -p00 "Lenovo [17aa]" "Device [225a]"`. */
function readMachineReadable(rest: string, facts: FunctionFacts): boolean {
  const fields: string[] = [];
  facts.revision = 0;
  for (let at = 0; at < rest.length; at++) {
    if (rest[at] === '"') {
      const field = quotedField(rest, at + 1);
      fields.push(field.text);
      at = field.end;
      continue;
    }
    const option = /^-([rp])([0-9a-f]{2})/i.exec(rest.slice(at, at + 4));
    if (option !== null) {
      facts[option[1] === 'r' ? 'revision' : 'programmingInterface'] = hex(option[2]!);
    }
  }
  if (fields.length < 3) {
    return false;
  }
  const [classText, vendor, device, subsystemVendor, subsystemDevice] = fields;
  readRecordField('Class', classText!, facts);
  readRecordField('Vendor', vendor!, facts);
  readRecordField('Device', device!, facts);
  if (subsystemVendor === '') {
    facts.subsystemVendorId = null;
    facts.subsystemDeviceId = null;
  } else if (subsystemVendor !== undefined && subsystemDevice !== undefined) {
    readRecordField('SVendor', subsystemVendor, facts);
    readRecordField('SDevice', subsystemDevice, facts);
  }
  return facts.classAndSubclass !== undefined;
}

/** Up to the next quote; a backslash takes the next character as it is. */
function quotedField(line: string, start: number): { readonly text: string; readonly end: number } {
  let text = '';
  let at = start;
  while (at < line.length && line[at] !== '"') {
    at += line[at] === '\\' ? 1 : 0;
    text += line[at] ?? '';
    at++;
  }
  return { text, end: at };
}

/** One `Key:<tab>value` line of `-vmm`. Keys it does not know are left alone. */
export function readRecordField(key: string, value: string, facts: FunctionFacts): void {
  const { name, id } = namedId(value);
  switch (key) {
    case 'Class':
      readClass(value, facts);
      break;
    case 'Vendor':
      assign(facts, 'vendorId', id);
      assign(facts, 'vendorName', name);
      break;
    case 'Device':
      assign(facts, 'deviceId', id);
      assign(facts, 'deviceName', name);
      break;
    case 'SVendor':
      assign(facts, 'subsystemVendorId', id);
      break;
    case 'SDevice':
      assign(facts, 'subsystemDeviceId', id);
      break;
    case 'Rev':
      assign(facts, 'revision', hexByte(value));
      break;
    case 'ProgIf':
      assign(facts, 'programmingInterface', hexByte(value));
      break;
    case 'Driver':
      assign(facts, 'driver', value);
      break;
    case 'NUMANode':
      assign(facts, 'numaNode', numaNodeOf(value));
      break;
    case 'IOMMUGroup':
      assign(facts, 'iommuGroup', value);
      break;
    default:
  }
}

function assign<K extends keyof FunctionFacts>(
  facts: FunctionFacts,
  key: K,
  value: FunctionFacts[K] | undefined,
): void {
  if (value !== undefined && value !== '') {
    Object.assign(facts, { [key]: value });
  }
}

/** `Intel Corporation [8086]`, `8086`, `Device 225a`, `Unknown vendor [2222]`. */
function namedId(text: string): { readonly name?: string; readonly id?: number } {
  const bracketed = /\[([0-9a-f]{4})\]$/i.exec(text);
  const bare = /^(?:(?:Unknown )?(?:vendor|device) )?([0-9a-f]{4})$/i.exec(text);
  const id = bracketed?.[1] ?? bare?.[1];
  const name = bare !== null ? '' : bracketed === null ? text : text.slice(0, bracketed.index).trimEnd();
  return {
    ...(id === undefined ? {} : { id: hex(id) }),
    ...(name === '' || /^(?:Device|Unknown (?:vendor|device))$/i.test(name) ? {} : { name }),
  };
}

/** A node number; the kernel knows at most 1024. */
export function numaNodeOf(text: string): number | undefined {
  return /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}

function hexByte(text: string): number | undefined {
  return /^[0-9a-f]{2}$/i.test(text) ? hex(text) : undefined;
}

function hex(digits: string): number {
  return Number.parseInt(digits, 16);
}

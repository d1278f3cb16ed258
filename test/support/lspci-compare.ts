// Our decoding of a config space held against what lspci prints for it, field by field for everything both know.
import { type DecodedStructure, decodeConfig, factsFromConfig } from '../../src/topology/config/index.ts';
import type { HexDump } from './hex-dump.ts';
import { LSPCI_FLAGS } from './lspci-flags.ts';
import { flagsOf, type LspciFunction, type LspciSection } from './lspci-output.ts';
import { LSPCI_VALUES } from './lspci-values.ts';
import type { Comparison } from './lspci-words.ts';

/** What was compared, and what came out. */
export interface Tally {
  fields: number;
  functions: number;
  capabilities: number;
  readonly byCapability: Map<string, number>;
  readonly disagreements: string[];
}

function count(tally: Tally, where: string, name: string, comparisons: readonly Comparison[]): void {
  for (const [what, theirs, ours] of comparisons) {
    tally.fields++;
    tally.byCapability.set(name, (tally.byCapability.get(name) ?? 0) + 1);
    if (
      ours !== theirs &&
      !(typeof theirs === 'number' && typeof ours === 'number' && Math.abs(ours - theirs) < 1e-9)
    ) {
      tally.disagreements.push(`${where} ${name}: ${what}: lspci ${theirs}, peerlane ${ours}`);
    }
  }
}

/** Reads a decoded register or field; the register may be one of several, `a|b`, whichever is there. */
function reader(structure: DecodedStructure) {
  return (name: string, field?: string, instance?: number): number | undefined => {
    const names = name.split('|');
    const register = structure.registers.find(
      (candidate) =>
        names.includes(candidate.name) && (instance === undefined || candidate.instance === instance),
    );
    return field === undefined
      ? register && Number(register.value)
      : register?.fields.find((candidate) => candidate.name === field)?.value;
  };
}

/** Of two things that share lspci's capability: HyperTransport MSI Mapping, PCI-X of a bridge. */
function familyOf(structure: DecodedStructure): string {
  return structure.kind === 'header' ? 'header' : structure.name;
}

function compareSection(
  tally: Tally,
  where: string,
  section: LspciSection,
  structure: DecodedStructure,
): void {
  const family = familyOf(structure);
  const read = reader(structure);
  for (const line of section.lines) {
    const flags = LSPCI_FLAGS[family]?.[line.label];
    if (flags !== undefined) {
      for (const { token, isSet } of flagsOf(line.text.replace(/PME\(.*\)/, ''))) {
        const target = flags[token];
        if (target !== undefined) {
          const isOpposite = target[1].startsWith('!');
          const ours = read(target[0], target[1].replace('!', ''));
          const flipped = ours === undefined ? undefined : isOpposite ? 1 - ours : ours;
          count(tally, where, family, [[`${line.label} ${token}`, isSet ? 1 : 0, flipped]]);
        }
      }
    }
    const text = line.label === '' ? line.text : `${line.label}: ${line.text}`;
    for (const rule of LSPCI_VALUES[family] ?? []) {
      const match = rule.pattern.exec(text);
      if (match !== null) {
        count(tally, where, family, rule.compare(match, read));
      }
    }
  }
}

/** BARs and windows go through the facts that a machine is made of. */
function compareRanges(tally: Tally, where: string, dump: HexDump, header: LspciSection): void {
  const facts = factsFromConfig(dump.bytes, { isWhole: false });
  for (const { label, text } of header.lines) {
    const region = /^Region (\d)$/.exec(label);
    const isUpperHalf =
      facts.bars?.some((bar) => bar.is64Bit && bar.index === Number(region?.[1]) - 1) ?? false;
    if (region !== null && isUpperHalf) {
      // lspci 3.9 shows the upper half of a 64-bit BAR above 4 GiB as a region of its own.
      count(tally, where, 'BAR', [[label, 'Memory at <unassigned>', text.slice(0, 22)]]);
    } else if (region !== null) {
      const bar = facts.bars?.find((candidate) => candidate.index === Number(region[1]));
      const io = /^I\/O ports at ([0-9a-f]+|<unassigned>)/.exec(text);
      const memory =
        /^Memory at ([0-9a-f]+|<unassigned>|<ignored>) \((32|64|low-1M|type 3)(?:-bit)?, (non-)?prefetchable\)/.exec(
          text,
        );
      const address = (io ?? memory)?.[1];
      // An address of 0 is `<unassigned>` to lspci; we say null, or undefined where the function decodes.
      const theirs = address?.startsWith('<') ? 0 : Number.parseInt(address ?? '', 16);
      count(tally, where, 'BAR', [
        [`${label} kind`, io === null ? 'memory' : 'io', bar?.kind],
        [`${label} start`, theirs, bar === undefined ? undefined : (bar.start ?? 0)],
      ]);
      if (memory !== null) {
        count(tally, where, 'BAR', [
          [`${label} 64 bit`, String(memory[2] === '64'), bar && String(bar.is64Bit)],
          [`${label} prefetchable`, String(memory[3] === undefined), bar && String(bar.isPrefetchable)],
        ]);
      }
    }
    const subsystem = /\[([0-9a-f]{4}):([0-9a-f]{4})\]$/.exec(label === 'Subsystem' ? text : '');
    if (subsystem !== null) {
      // Zero in both is `null` to us: there is none.
      count(tally, where, 'subsystem', [
        ['vendor', Number.parseInt(subsystem[1]!, 16), facts.subsystemVendorId ?? 0],
        ['device', Number.parseInt(subsystem[2]!, 16), facts.subsystemDeviceId ?? 0],
      ]);
    }
    const rom = /^Expansion ROM at ([0-9a-f]+)/.exec(text);
    if (rom !== null) {
      const bar = facts.bars?.find((candidate) => candidate.index === 6);
      count(tally, where, 'BAR', [['ROM', Number.parseInt(rom[1]!, 16), bar?.start ?? undefined]]);
    }
    const window = /^(I\/O|Memory|Prefetchable memory) behind bridge$/.exec(label);
    if (window !== null) {
      const kind = { 'I/O': 'io', Memory: 'memory', 'Prefetchable memory': 'prefetchable' }[window[1]!];
      const range = /^([0-9a-f]+)-([0-9a-f]+)( \[disabled\])?/.exec(text);
      const ours = facts.windows?.find((candidate) => candidate.kind === kind);
      const first = Number.parseInt(range?.[1] ?? '', 16);
      const last = Number.parseInt(range?.[2] ?? '', 16);
      // A window at 0 with nothing set is not implemented or never set; lspci prints it, we leave it out.
      const isClosed =
        range?.[3] !== undefined ||
        text.startsWith('[disabled]') ||
        (first === 0 && last === (kind === 'io' ? 0xfff : 0xf_ffff));
      count(
        tally,
        where,
        'window',
        isClosed
          ? [[label, 'closed', ours === undefined ? 'closed' : 'open']]
          : [
              [`${label} first`, first, ours?.first],
              [`${label} last`, last, ours?.last],
            ],
      );
    }
  }
}

/** Adds one function to the tally; nothing throws for a disagreement. */
export function compareFunction(tally: Tally, file: string, theirs: LspciFunction, dump: HexDump): void {
  tally.functions++;
  const ours = decodeConfig(dump.bytes);
  const where = `${file} ${dump.address}`;
  const header = theirs.sections[0]!;
  const ourHeader = ours.structures.find((structure) => structure.kind === 'header');
  if (ourHeader !== undefined) {
    compareSection(tally, where, header, ourHeader);
    compareRanges(tally, where, dump, header);
  }
  const isExtended = (structure: DecodedStructure) => structure.kind === 'extended-capability';
  for (const section of theirs.sections.slice(1)) {
    tally.capabilities++;
    const found = ours.structures.find(
      (structure) =>
        structure.kind !== 'header' &&
        structure.offset === section.offset &&
        isExtended(structure) === section.isExtended,
    );
    count(tally, where, 'chain', [
      [`capability at ${section.offset?.toString(16)} (${section.title})`, 1, found && 1],
    ]);
    if (found !== undefined) {
      compareSection(tally, where, section, found);
    }
  }
  const theirOffsets = theirs.sections.slice(1).map((section) => section.offset);
  for (const structure of ours.structures) {
    if (structure.kind !== 'header' && !theirOffsets.includes(structure.offset)) {
      count(tally, where, 'chain', [
        [`${structure.name} at ${structure.offset.toString(16)}`, 'absent', 'present'],
      ]);
    }
  }
}

/** lspci leaves domain 0 out when all functions are in it. */
export function withDomain(address: string): string {
  return /^[0-9a-f]{4,8}:/.test(address) ? address : `0000:${address}`;
}

export function emptyTally(): Tally {
  return { fields: 0, functions: 0, capabilities: 0, byCapability: new Map(), disagreements: [] };
}

/** For the test's output: how much was compared, by capability. */
export function summary(tally: Tally): string {
  const list = [...tally.byCapability]
    .sort((a, b) => b[1] - a[1])
    .map(([name, fields]) => `${name} ${fields}`);
  return (
    `${tally.fields} fields of ${tally.functions} functions and ${tally.capabilities} capabilities compared, ` +
    `${tally.disagreements.length} differ\n  ${list.join(', ')}`
  );
}

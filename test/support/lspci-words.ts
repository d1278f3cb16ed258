// The words and units of lspci (pciutils 3.9), as functions of field values.
import { slotPowerLimitWatts } from '../../src/spec/pcie/index.ts';

/** A field of the capability at hand; without a field, the whole register. Undefined when it is not decoded. */
export type FieldReader = (register: string, field?: string, instance?: number) => number | undefined;

/** What lspci says, and what our fields say in its words; undefined where we have no such register. */
export type Comparison = readonly [what: string, lspci: string | number, ours: string | number | undefined];

export interface ValueRule {
  /** Applied to every line of the section, label included: `DevCtl: MaxPayload 128 bytes`. */
  readonly pattern: RegExp;
  readonly compare: (match: RegExpMatchArray, read: FieldReader) => readonly Comparison[];
}

export const hex = (text: string | undefined) => Number.parseInt(text ?? '', 16);
export const decimal = (text: string | undefined) => Number.parseInt(text ?? '', 10);

export function map<T>(value: number | undefined, to: (value: number) => T): T | undefined {
  return value === undefined ? undefined : to(value);
}

export const SPEEDS = ['unknown', '2.5GT/s', '5GT/s', '8GT/s', '16GT/s', '32GT/s', '64GT/s'];
export const speed = (code: number | undefined) => map(code, (value) => SPEEDS[value] ?? 'unknown');
export const L0S = ['<64ns', '<128ns', '<256ns', '<512ns', '<1us', '<2us', '<4us', 'unlimited'];
export const L1 = ['<1us', '<2us', '<4us', '<8us', '<16us', '<32us', '<64us', 'unlimited'];
export const ASPM_SUPPORT = ['not supported', 'L0s', 'L1', 'L0s L1'];
export const ASPM_CONTROL = ['Disabled', 'L0s Enabled', 'L1 Enabled', 'L0s L1 Enabled'];
export const INDICATOR = ['Unknown', 'On', 'Blink', 'Off'];
export const PORT_TYPES: Record<number, string> = {
  0: 'Endpoint',
  1: 'Legacy Endpoint',
  4: 'Root Port',
  5: 'Upstream Port',
  6: 'Downstream Port',
  7: 'PCI-Express to PCI/PCI-X Bridge',
  8: 'PCI/PCI-X to PCI-Express Bridge',
  9: 'Root Complex Integrated Endpoint',
  10: 'Root Complex Event Collector',
};
export const TIMEOUTS: Record<number, string> = {
  0: '50us to 50ms',
  1: '50us to 100us',
  2: '1ms to 10ms',
  5: '16ms to 55ms',
  6: '65ms to 210ms',
  9: '260ms to 900ms',
  10: '1s to 3.5s',
  13: '4s to 13s',
  14: '17s to 64s',
};
export const RANGES: Record<number, string> = {
  0: 'Not Supported',
  1: 'Range A',
  2: 'Range B',
  3: 'Range AB',
  6: 'Range BC',
  7: 'Range ABC',
  14: 'Range BCD',
  15: 'Range ABCD',
};
export const bytes128 = (value: number | undefined) => map(value, (code) => 128 << code);
/** Value and scale of a slot power limit, in watts. */
export const watts = (value: number | undefined, scale: number | undefined) =>
  value === undefined || scale === undefined ? undefined : slotPowerLimitWatts(value, scale);
export const POWER_ON_US = [2, 10, 100];
export const latencyNs = (value: number | undefined, scale: number | undefined) =>
  value === undefined || scale === undefined ? undefined : value * 32 ** scale;

/** Bytes of `256MB`, `4GB`, `1TB`. */
export function bytesOf(text: string): number {
  const match = /^(\d+)(MB|GB|TB)$/.exec(text)!;
  return decimal(match[1]) * { MB: 2 ** 20, GB: 2 ** 30, TB: 2 ** 40 }[match[2] as 'MB' | 'GB' | 'TB'];
}

export function setBits(mask: number, from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i).filter((i) => ((mask >>> i) & 1) === 1);
}

export function granularity(value: number | undefined, zero: string): string | undefined {
  return map(value, (ns) => (ns === 0 ? zero : ns === 255 ? 'Greater than 254ns' : `${ns}ns`));
}

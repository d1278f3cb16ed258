/**
 * The lines of the capabilities that matter here, in all their wordings: PCI Express, ACS, SR-IOV. What lspci prints as
 * flags is put back into the register it came from.
 */
import type { LinkRate, PcieType } from '../machine.ts';

/** Bit of each flag. */
type FlagTable = Readonly<Record<string, number>>;

/** Command register. PCI 3.0, 6.2.2. */
export const COMMAND_FLAGS: FlagTable = {
  'I/O': 0,
  Mem: 1,
  BusMaster: 2,
  SpecCycle: 3,
  MemWINV: 4,
  VGASnoop: 5,
  ParErr: 6,
  Stepping: 7,
  SERR: 8,
  FastB2B: 9,
  DisINTx: 10,
};

/** Device Control. PCIe Base 6.0, 7.5.3.4. The long names are those of lspci before 3.6. */
export const DEVICE_CONTROL_FLAGS: FlagTable = {
  CorrErr: 0,
  Correctable: 0,
  NonFatalErr: 1,
  'Non-Fatal': 1,
  FatalErr: 2,
  Fatal: 2,
  UnsupReq: 3,
  Unsupported: 3,
  RlxdOrd: 4,
  ExtTag: 8,
  PhantFunc: 9,
  AuxPwr: 10,
  NoSnoop: 11,
  BrConfRtry: 15,
  FLReset: 15,
};

/** ACS Capability and ACS Control. PCIe Base 6.0, 7.7.11.2 and 7.7.11.3. */
export const ACS_FLAGS: FlagTable = {
  SrcValid: 0,
  TransBlk: 1,
  ReqRedir: 2,
  CmpltRedir: 3,
  UpstreamFwd: 4,
  EgressCtrl: 5,
  DirectTrans: 6,
};

// The length is bounded so that a long word without a sign costs no more than its length.
const FLAG = /([A-Za-z/0-9-]{0,20}[A-Za-z/0-9])([+-])(?=$|[\s,;(])/g;

/** The register that the flags of a line stand for, and how many of the table's flags were there. */
export function readFlags(
  text: string,
  table: FlagTable,
): { readonly value: number; readonly count: number } {
  let value = 0;
  let count = 0;
  for (const match of text.matchAll(FLAG)) {
    const name = match[1]!;
    if (Object.hasOwn(table, name)) {
      count++;
      value |= match[2] === '+' ? 1 << table[name]! : 0;
    }
  }
  return { value, count };
}

/** `MaxPayload 256 bytes, MaxReadReq 512 bytes` as bits of Device Control; undefined when the line says neither. */
export function readTransferSizes(text: string): number | undefined {
  const payload = /MaxPayload (\d{3,4}) bytes/.exec(text);
  const request = /MaxReadReq (\d{3,4}) bytes/.exec(text);
  if (payload === null || request === null) {
    return undefined;
  }
  const payloadCode = Math.log2(Number(payload[1]) / 128);
  const requestCode = Math.log2(Number(request[1]) / 128);
  return Number.isInteger(payloadCode) &&
    Number.isInteger(requestCode) &&
    payloadCode <= 7 &&
    requestCode <= 7
    ? (payloadCode << 5) | (requestCode << 12)
    : undefined;
}

/** By the words after `Express`; a longer name stands before a shorter one that it contains. */
const PORT_TYPES: readonly (readonly [RegExp, PcieType])[] = [
  [/^Legacy Endpoint/i, 'legacy-endpoint'],
  [/^Endpoint/i, 'endpoint'],
  [/^Root Port/i, 'root-port'],
  [/^Upstream Port/i, 'switch-upstream'],
  [/^Downstream Port/i, 'switch-downstream'],
  [/^PCI\/PCI-X to PCI-Express Bridge/i, 'pci-to-pcie-bridge'],
  [/^(?:PCI-Express to )?PCI\/PCI-X Bridge/i, 'pcie-to-pci-bridge'],
  [/^Root Complex Integrated Endpoint/i, 'rc-endpoint'],
  [/^Root Complex Event Collector/i, 'rc-event-collector'],
];

/** Device/Port Type from `Express (v2) Root Port (Slot+), MSI 00` and its older forms. */
export function portTypeOf(capability: string): PcieType | undefined {
  const text = capability.replace(/^Express\s*(?:\(v\d+\)\s*)?/, '');
  return PORT_TYPES.find(([pattern]) => pattern.test(text))?.[1];
}

/** Integrated endpoints and event collectors have no link. PCIe Base 6.0, 7.5.3. */
export function hasNoLink(type: PcieType | null | undefined): boolean {
  return type === 'rc-endpoint' || type === 'rc-event-collector';
}

const SPEEDS_GTS = new Set([2.5, 5, 8, 16, 32, 64]);

/**
 * `Port #1, Speed 8GT/s, Width x8, ASPM ...`, `Speed 2.5GT/s (downgraded), Width x4 (ok)`. The marks in brackets compare
 * with the capability and say nothing new. Undefined where the speed is `unknown` or the width 0: the link is down.
 */
export function parseLinkRate(text: string): LinkRate | undefined {
  const match = /Speed ([\d.]{1,6})G[Tb]\/s[^,]*, Width x(\d{1,2})/.exec(text);
  const speedGTs = Number(match?.[1]);
  const width = Number(match?.[2]);
  return SPEEDS_GTS.has(speedGTs) && width >= 1 && width <= 32 ? { speedGTs, width } : undefined;
}

/**
 * `Supported Link Speeds: 2.5-16GT/s`, the highest one. From version 2 of the capability on it is what Linux takes for the
 * maximum, since Link Capabilities cannot name every speed of its time (drivers/pci/pci.c, pcie_get_speed_cap).
 */
export function parseSupportedSpeed(text: string): number | undefined {
  const match = /Supported Link Speeds: (?:[\d.]{1,6}-)?([\d.]{1,6})GT\/s/.exec(text);
  const speedGTs = Number(match?.[1]);
  return SPEEDS_GTS.has(speedGTs) ? speedGTs : undefined;
}

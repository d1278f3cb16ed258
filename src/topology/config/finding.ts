/** What is wrong or suspicious in one function's config space. Readers add the address. */
import type { Bdf } from '../../base/index.ts';
import type { Finding } from '../machine.ts';

export type ConfigFindingCode =
  /** A capability chain comes back to where it was. */
  | 'CAP_LOOP'
  /** A pointer leads outside the space of its chain. */
  | 'CAP_OUT_OF_RANGE'
  /** A pointer has bits set that the specification reserves; they are masked. */
  | 'CAP_UNALIGNED'
  /** A capability is longer than the way to the next one. */
  | 'CAP_OVERLAP'
  /** A pointer leads to bytes that read all ones. */
  | 'CAP_ALL_ONES'
  /** More capabilities than the space can hold. */
  | 'CAP_TOO_MANY'
  /** The status register says there are no capabilities, but the pointer leads to one. */
  | 'CAP_HIDDEN'
  /** A capability that may be there once is there twice. */
  | 'CAP_TWICE'
  /** A capability ends in mid-register because the bytes do. */
  | 'CAP_CUT'
  /** Every byte reads 0xff: powered down, hung or gone. */
  | 'CONFIG_ALL_ONES'
  /** The ID registers read zero: no function that Linux would accept. */
  | 'CONFIG_ALL_ZEROS'
  /** What stands from 0x100 on repeats the first 256 bytes: an alias, not extended config space. */
  | 'CONFIG_EXTENDED_ALIAS'
  /** Fewer bytes than a header. */
  | 'CONFIG_SHORT'
  /** A header layout that no specification defines. */
  | 'HEADER_UNKNOWN'
  /** A base address register that no specification allows. */
  | 'BAR_INVALID'
  /** A Device/Port Type that the specification reserves. */
  | 'PCIE_TYPE_RESERVED'
  /** Bus numbers of a bridge that cannot be. */
  | 'BUS_NUMBERS';

export interface ConfigFinding {
  readonly code: ConfigFindingCode;
  /** Where in config space it was seen. */
  readonly offset: number;
  /** One line for a person. */
  readonly detail: string;
}

/** The same findings as a machine lists them. */
export function findingsAt(bdf: Bdf | null, findings: readonly ConfigFinding[]): Finding[] {
  return findings.map(({ code, detail }) => ({ at: bdf, code, detail }));
}

export function hex(value: number, digits = 2): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

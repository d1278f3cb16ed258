/**
 * What the kernel does to ACS: its defaults, and what `pci=disable_acs_redir=` and `pci=config_acs=` really write in a
 * version. Between 6.11 and 6.14 both parameters are implemented by one faulty formula.
 *
 * Words are ACS Control as the kernel writes it; a function keeps only the bits that it implements. Facts from
 * drivers/pci/pci.c (pci_std_enable_acs, pci_disable_acs_redir, __pci_config_acs) of the versions named below.
 */
import { ACS_CR, ACS_RR, ACS_SV, ACS_TB, ACS_UF, BIT_NAMES, KERNEL_REDIRECT_BITS } from './acs-control.ts';
import { compareKernelVersions, type KernelVersion, parseKernelVersion } from './kernel-version.ts';

/** What the kernel adds to what firmware set, when something asked for isolation. */
export interface AcsDefaultFacts {
  /** An IOMMU driver or Xen asked for ACS (pci_request_acs). False: the firmware's word stays. */
  readonly isRequested: boolean;
  /** The port leads outside of the machine, or the device does not trust what is behind it. */
  readonly isExternal: boolean;
  /** `pci=noats`. */
  readonly isAtsDisabled: boolean;
}

/** The control word after Linux has enabled ACS with its defaults (7.1.5, pci_std_enable_acs). */
export function acsKernelDefault(capability: number, firmware: number, facts: AcsDefaultFacts): number {
  if (!facts.isRequested) {
    return firmware;
  }
  const blocking = facts.isExternal || facts.isAtsDisabled ? ACS_TB : 0;
  return firmware | (capability & (ACS_SV | ACS_RR | ACS_CR | ACS_UF | blocking));
}

/** How a kernel treats one of the parameters. */
export type KnobEffect =
  /** Not known to this kernel; ignored. */
  | 'absent'
  /** Clears RR, CR and EC of the current word and leaves the rest. */
  | 'clears-redirect'
  /** The word is firmware's, changed as asked; what the kernel had added is lost. */
  | 'from-firmware'
  /** The named bits go back to firmware's and then ones are ORed in, for disable_acs_redir all but the named ones. */
  | 'mangled';

interface KnobInterval {
  readonly first: string;
  readonly last: string;
  readonly disableAcsRedir: KnobEffect;
  readonly configAcs: KnobEffect;
}

/** p2pdma.md 3.2 and 3.3. Between rows either may hold. */
const KNOB_INTERVALS: readonly KnobInterval[] = [
  { first: '0.0', last: '4.19.99999', disableAcsRedir: 'absent', configAcs: 'absent' },
  { first: '4.20', last: '6.10.99999', disableAcsRedir: 'clears-redirect', configAcs: 'absent' },
  { first: '6.11.11', last: '6.14', disableAcsRedir: 'mangled', configAcs: 'mangled' },
  { first: '6.17', last: '7.3.4', disableAcsRedir: 'from-firmware', configAcs: 'from-firmware' },
];

/** From this release the kernel sets ACS when a device gets its DMA configuration, not when it is enumerated. */
const AT_DMA_CONFIGURATION = '7.0';
const LAST_AT_ENUMERATION = '6.19.99999';

export interface Knobs {
  /** One effect; two where the version lies between those that were read. */
  readonly disableAcsRedir: readonly KnobEffect[];
  readonly configAcs: readonly KnobEffect[];
  /** True when the parameter certainly ends with RR, CR and EC clear whatever firmware had set. */
  readonly disableAcsRedirClears: boolean;
  readonly configAcsClears: boolean;
  /** When ACS is written: a port without a driver may keep firmware's word on `dma-configuration` kernels. Undefined: cannot be told. */
  readonly appliedAt: 'enumeration' | 'dma-configuration' | undefined;
  /** The version is newer than the newest that was read, or not given. */
  readonly isAssumed: boolean;
  /** One line for a person. */
  readonly note: string;
}

/** What the parameters do in a kernel; without a version, in the newest that was read. */
export function knobsFor(version: KernelVersion | undefined): Knobs {
  const newest = KNOB_INTERVALS[KNOB_INTERVALS.length - 1]!;
  const isAssumed = version === undefined || compareKernelVersions(version, known(newest.last)) > 0;
  const rows = isAssumed ? [newest] : rowsFor(version!);
  const disableAcsRedir = [...new Set(rows.map((row) => row.disableAcsRedir))];
  const configAcs = [...new Set(rows.map((row) => row.configAcs))];
  return {
    disableAcsRedir,
    configAcs,
    disableAcsRedirClears: disableAcsRedir.every((effect) => clears(effect)),
    configAcsClears: configAcs.every((effect) => clears(effect)),
    appliedAt: appliedAt(version),
    isAssumed,
    note: noteOf(disableAcsRedir, configAcs),
  };
}

function clears(effect: KnobEffect): boolean {
  return effect === 'clears-redirect' || effect === 'from-firmware';
}

function rowsFor(version: KernelVersion): readonly KnobInterval[] {
  // A series without a patch number may be any of its releases.
  const lowest = { ...version, patch: version.patch ?? 0 };
  const highest = { ...version, patch: version.patch ?? 99_999 };
  const isSeriesOfRow = (row: KnobInterval): boolean =>
    version.patch === null &&
    compareKernelVersions(known(row.first), highest) <= 0 &&
    compareKernelVersions(known(row.last), lowest) >= 0;
  const inSeries = KNOB_INTERVALS.filter(isSeriesOfRow);
  if (inSeries.length > 0) {
    return inSeries;
  }
  let below = KNOB_INTERVALS[0]!;
  for (const row of KNOB_INTERVALS) {
    if (compareKernelVersions(version, known(row.first)) < 0) {
      return [below, row];
    }
    if (compareKernelVersions(version, known(row.last)) <= 0) {
      return [row];
    }
    below = row;
  }
  return [below];
}

function appliedAt(version: KernelVersion | undefined): Knobs['appliedAt'] {
  if (version === undefined || compareKernelVersions(version, known(AT_DMA_CONFIGURATION)) >= 0) {
    return 'dma-configuration';
  }
  return compareKernelVersions(version, known(LAST_AT_ENUMERATION)) <= 0 ? 'enumeration' : undefined;
}

function noteOf(disable: readonly KnobEffect[], config: readonly KnobEffect[]): string {
  if (disable.length > 1 || config.length > 1) {
    return 'between the kernels that were read the effect of both parameters changed; check the result in lspci -vvv';
  }
  switch (disable[0]!) {
    case 'absent':
      return 'this kernel has neither pci=disable_acs_redir= nor pci=config_acs=';
    case 'clears-redirect':
      return 'pci=disable_acs_redir= clears RR, CR and EC and leaves the other bits; pci=config_acs= is not known to this kernel';
    case 'mangled':
      return 'pci=disable_acs_redir= puts firmware RR, CR and EC back and sets every other bit; pci=config_acs= cannot clear what firmware set';
    case 'from-firmware':
      return 'both parameters start from the word of the firmware; SV, UF and TB that the kernel had added are dropped';
  }
}

/**
 * The control word of a function that `pci=disable_acs_redir=` names.
 * @param firmware       the word before the kernel touched it
 * @param kernelDefault  the word after the kernel's defaults (`acsKernelDefault`)
 * @returns undefined when the version leaves open which effect holds and they differ
 */
export function acsAfterDisableRedir(
  version: KernelVersion | undefined,
  firmware: number,
  kernelDefault: number,
): number | undefined {
  const { disableAcsRedir } = knobsFor(version);
  return agreed(disableAcsRedir.map((effect) => disabledWord(effect, firmware, kernelDefault)));
}

function disabledWord(effect: KnobEffect, firmware: number, kernelDefault: number): number {
  switch (effect) {
    case 'absent':
      return kernelDefault;
    case 'clears-redirect':
      return kernelDefault & ~KERNEL_REDIRECT_BITS & 0xffff;
    case 'from-firmware':
      return firmware & ~KERNEL_REDIRECT_BITS & 0xffff;
    case 'mangled':
      return mangled(firmware, kernelDefault, KERNEL_REDIRECT_BITS, ~KERNEL_REDIRECT_BITS);
  }
}

/** A parsed flags string of `pci=config_acs=`. */
export interface ConfigAcsFlags {
  /** Bits that are named, and the values they get. */
  readonly mask: number;
  readonly ones: number;
}

/** The kernel's complaint about a flags string. */
export interface ConfigAcsError {
  readonly error: 'ACS Flags missing' | 'Invalid ACS flags specified' | 'Invalid ACS flags... Ignoring';
}

/**
 * Reads `<flags>@<device>` as the kernel does: from the right, SV TB RR CR UF EC DT; `1`, `0` or `x`. Devices are not
 * looked at.
 */
export function parseConfigAcs(text: string): ConfigAcsFlags | ConfigAcsError {
  const at = text.indexOf('@');
  if (at < 0) {
    return { error: 'ACS Flags missing' };
  }
  let mask = 0;
  let ones = 0;
  let place = 0;
  let isTooWide = false;
  for (const character of [...text.slice(0, at)].reverse()) {
    if (character !== '0' && character !== '1' && character !== 'x' && character !== 'X') {
      return { error: 'Invalid ACS flags... Ignoring' };
    }
    const bit = BIT_NAMES[place++]?.[0];
    if (character === '0' || character === '1') {
      isTooWide ||= bit === undefined;
      mask |= bit ?? 0;
      ones |= character === '1' ? (bit ?? 0) : 0;
    }
  }
  return isTooWide ? { error: 'Invalid ACS flags specified' } : { mask, ones };
}

/** The flags string that clears some bits and leaves the others: `x0x00xx` for RR, CR and EC. */
export function configAcsFlags(clearBits: number): string {
  return [...BIT_NAMES]
    .reverse()
    .map(([bit]) => ((clearBits & bit) !== 0 ? '0' : 'x'))
    .join('');
}

/** As `acsAfterDisableRedir`, for a function that `pci=config_acs=` names. It also overrules disable_acs_redir there. */
export function acsAfterConfigAcs(
  version: KernelVersion | undefined,
  firmware: number,
  kernelDefault: number,
  flags: ConfigAcsFlags,
): number | undefined {
  return agreed(
    knobsFor(version).configAcs.map((effect) => configuredWord(effect, firmware, kernelDefault, flags)),
  );
}

function configuredWord(
  effect: KnobEffect,
  firmware: number,
  kernelDefault: number,
  flags: ConfigAcsFlags,
): number {
  switch (effect) {
    case 'absent':
    case 'clears-redirect':
      return kernelDefault;
    case 'from-firmware':
      return (firmware & ~flags.mask & 0xffff) | (flags.ones & flags.mask);
    case 'mangled':
      return mangled(firmware, kernelDefault, flags.mask, flags.ones);
  }
}

/** 6.11 to 6.14: the named bits become firmware's, then the flags are ORed in. */
function mangled(firmware: number, current: number, mask: number, flags: number): number {
  return ((current & ~mask) | (firmware & mask) | flags) & 0xffff;
}

function agreed(words: readonly number[]): number | undefined {
  return words.every((word) => word === words[0]) ? words[0] : undefined;
}

function known(release: string): KernelVersion {
  return parseKernelVersion(release)!;
}

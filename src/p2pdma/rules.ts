/** Which rules a kernel release follows, and how sure that is. */
import type { Machine } from '../topology/index.ts';
import { compareKernelVersions, type KernelVersion, parseKernelVersion, seriesOf } from './kernel-version.ts';
import { BACKPORTS, RULE_INTERVALS, type RuleInterval } from './rule-intervals.ts';

/** Why an answer by these rules may differ from the machine's. */
export type Unverified =
  /** A distribution's build: it may carry backports or be built without the option. */
  | 'vendor-kernel'
  /** No release was given or it could not be read: the newest rules are used. */
  | 'no-version'
  /** Between two versions that were read (or a series in which they changed): several sets of rules are consulted. */
  | 'gap'
  /** Newer than anything that was read: the newest rules are used. */
  | 'newer-than-known';

export interface RuleSet {
  /** `linux-7.2`: the series whose rules are used. */
  readonly id: string;
  /** The release that was asked for, as given; undefined when there was none. */
  readonly release: string | undefined;
  /** Undefined when there was none or it could not be read. */
  readonly version: KernelVersion | undefined;
  readonly unverified: Unverified | null;
  /** One, or several where the version leaves it open; then an answer is known where all agree. Oldest first, never empty. */
  readonly intervals: readonly RuleInterval[];
  /** One line for a person: which versions were read for these rules, and what is uncertain about them. */
  readonly note: string;
}

const NEWEST = RULE_INTERVALS[RULE_INTERVALS.length - 1]!;

/** The newest release whose source was read: `7.3.4`. */
export const NEWEST_KNOWN_RELEASE = NEWEST.seen[NEWEST.seen.length - 1]!;

/**
 * The rules of a release as `uname -r` prints it, or of a series (`7.2`).
 *
 * Never throws: a text that is no release counts as none, and the newest rules are used, marked `no-version`. Where a
 * person typed the text, ask `parseKernelVersion` first.
 */
export function rulesFor(release: string | KernelVersion | undefined): RuleSet {
  const version = typeof release === 'string' ? parseKernelVersion(release) : release;
  const text = typeof release === 'string' ? release.trim() : release?.text;
  if (version === undefined) {
    return {
      id: `linux-${seriesOf(known(NEWEST_KNOWN_RELEASE))}`,
      release: text,
      version: undefined,
      unverified: 'no-version',
      intervals: [NEWEST],
      note: `kernel version not known; rules of ${NEWEST_KNOWN_RELEASE} used`,
    };
  }
  const intervals = intervalsOf(version);
  const isNewer = compareKernelVersions(version, known(NEWEST_KNOWN_RELEASE)) > 0;
  const unverified = doubtOf(version, intervals, isNewer);
  return {
    id: `linux-${isNewer ? seriesOf(known(NEWEST_KNOWN_RELEASE)) : seriesOf(version)}`,
    release: text,
    version,
    unverified,
    intervals,
    note: noteOf(version, intervals, unverified),
  };
}

/** The rules for a machine: of the release named by the person, else of its own kernel. */
export function rulesForMachine(machine: Machine, override?: string): RuleSet {
  return rulesFor(override ?? machine.kernel.release);
}

/**
 * True when the machine's kernel is known to be built without CONFIG_PCI_P2PDMA, so that every call is a stub. False
 * when it is known to have it; undefined when the build options were not readable, or when the rules are asked for
 * another kernel than the machine's own.
 */
export function lacksOption(machine: Machine, rules: RuleSet): boolean | undefined {
  if (rules.release !== machine.kernel.release?.trim()) {
    return undefined;
  }
  const value = machine.kernel.config?.CONFIG_PCI_P2PDMA;
  return value === undefined ? undefined : value !== 'y';
}

function doubtOf(
  version: KernelVersion,
  intervals: readonly RuleInterval[],
  isNewer: boolean,
): Unverified | null {
  if (isNewer) {
    return 'newer-than-known';
  }
  if (version.isVendor) {
    return 'vendor-kernel';
  }
  return intervals.length > 1 ? 'gap' : null;
}

function noteOf(
  version: KernelVersion,
  intervals: readonly RuleInterval[],
  unverified: Unverified | null,
): string {
  const sources = intervals.map((interval) => interval.name).join(' and ');
  if (unverified === 'newer-than-known') {
    return `${version.text} is newer than ${NEWEST_KNOWN_RELEASE}, whose rules are used`;
  }
  const vendor = version.isVendor ? '; a distribution kernel may carry backports' : '';
  return intervals.length > 1
    ? `${version.text} was not read; judged by the rules of ${sources}${vendor}`
    : `rules of Linux ${sources}${vendor}`;
}

function intervalsOf(version: KernelVersion): readonly RuleInterval[] {
  const backport = BACKPORTS.find((entry) => entry.series === seriesOf(version));
  const mainline = version.patch === null ? intervalsOfSeries(version) : intervalsAround(version);
  if (backport === undefined || version.patch === 0) {
    return mainline;
  }
  if (version.patch !== null && version.patch >= backport.seenInPatch) {
    return [backport.interval];
  }
  return [...mainline, backport.interval];
}

/**
 * A series stands for every release of it that was read; one of which none was read is judged like its first release. What
 * was read of a candidate alone is not the release: rules may still have changed before it.
 */
function intervalsOfSeries(version: KernelVersion): readonly RuleInterval[] {
  const series = seriesOf(version);
  const read = RULE_INTERVALS.filter((interval) =>
    interval.seen.map(known).some((seen) => seen.rc === null && seriesOf(seen) === series),
  );
  return read.length === 0 ? intervalsAround(version) : read;
}

/** The interval that holds the version, or both neighbours. */
function intervalsAround(version: KernelVersion): readonly RuleInterval[] {
  if (version.major < 4 || (version.major === 4 && version.minor < 20)) {
    return [RULE_INTERVALS[0]!];
  }
  let below = RULE_INTERVALS[0]!;
  for (const interval of RULE_INTERVALS.slice(1)) {
    if (compareKernelVersions(version, known(interval.seen[0]!)) < 0) {
      return [below, interval];
    }
    if (compareKernelVersions(version, known(interval.seen[interval.seen.length - 1]!)) <= 0) {
      return [interval];
    }
    below = interval;
  }
  return [below];
}

const parsed = new Map<string, KernelVersion>();

/** A release from our own tables. */
function known(release: string): KernelVersion {
  let version = parsed.get(release);
  if (version === undefined) {
    version = parseKernelVersion(release)!;
    parsed.set(release, version);
  }
  return version;
}

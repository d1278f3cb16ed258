/**
 * Kernel releases as `uname -r` prints them, and their order.
 *
 * Numbers alone (`6.12.5`, `7.3.0-rc2`) are kernel.org's own releases. Anything after them (`-91-generic`, `+deb13-amd64`,
 * `-362.el9`, `-android14-…`, a bare `+`) is a build that may carry backports, which the numbers do not tell.
 */

export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
  /** Null where a person named a whole series: `7.2`. */
  readonly patch: number | null;
  /** Release candidate; 0 is the merge window before -rc1. Null for a release. */
  readonly rc: number | null;
  /** There is more than numbers in the text, so the source may differ from kernel.org's. */
  readonly isVendor: boolean;
  /** As it was given, trimmed. */
  readonly text: string;
}

const PATTERN = /^(?:linux-|v)?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,5}))?(?:-(?:rc(\d{1,3})|mergewindow))?(.*)$/is;

/** Longer than any release (65 bytes in `struct utsname`) with room for what people paste. */
const TEXT_MAX = 200;

/** Reads a release; undefined when the text does not start like one. */
export function parseKernelVersion(text: string): KernelVersion | undefined {
  const trimmed = text.trim();
  const match = trimmed.length > TEXT_MAX ? null : PATTERN.exec(trimmed);
  if (match === null) {
    return undefined;
  }
  const rest = match[5]!;
  // `6.8x` or `6.8.` is no release; a suffix begins with a separator.
  if (rest !== '' && !/^(?:[-+_~ ]|\.\d)/.test(rest)) {
    return undefined;
  }
  const isCandidate = /^-(?:rc\d|mergewindow)/i.test(trimmed.replace(/^(?:linux-|v)?[\d.]+/i, ''));
  const isSeries = match[3] === undefined && !isCandidate && rest === '';
  return {
    major: Number(match[1]),
    minor: Number(match[2]),
    patch: isSeries ? null : Number(match[3] ?? 0),
    rc: isCandidate ? Number(match[4] ?? 0) : null,
    isVendor: rest !== '',
    text: trimmed,
  };
}

/** A candidate comes before its release; a series stands where its first release does. */
export function compareKernelVersions(a: KernelVersion, b: KernelVersion): number {
  return (
    a.major - b.major ||
    a.minor - b.minor ||
    (a.patch ?? 0) - (b.patch ?? 0) ||
    (a.rc ?? Number.MAX_SAFE_INTEGER) - (b.rc ?? Number.MAX_SAFE_INTEGER)
  );
}

/** `7.2`: what releases with the same first two numbers have in common. */
export function seriesOf(version: KernelVersion): string {
  return `${version.major}.${version.minor}`;
}

/** Versions of the kernel, as far as files came and changed with them. */

/** `7.2.12-amd64` is at least 6.2. False for what is no release. */
export function isKernelAtLeast(release: string, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release);
  const [has, hasMinor] = [Number(match?.[1]), Number(match?.[2])];
  return has > major || (has === major && hasMinor >= minor);
}

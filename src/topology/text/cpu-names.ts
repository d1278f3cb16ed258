/** Names of CPUs and architectures as other programs write them, in the words of `Cpu`. */

/** CPUID vendor strings (leaf 0). */
const X86_VENDORS: Readonly<Record<string, string>> = {
  GenuineIntel: 'intel',
  AuthenticAMD: 'amd',
  HygonGenuine: 'hygon',
  CentaurHauls: 'zhaoxin',
  Shanghai: 'zhaoxin',
};

export function cpuVendorOf(cpuidVendor: string | undefined): string | undefined {
  const text = cpuidVendor?.trim();
  return text === undefined || text === ''
    ? undefined
    : Object.hasOwn(X86_VENDORS, text)
      ? X86_VENDORS[text]
      : text.toLowerCase();
}

/** From what `uname -m` prints, or NCCL's `arch`. */
export function architectureOf(machine: string | undefined): string | undefined {
  const text = machine?.toLowerCase();
  if (text === undefined || text === '') {
    return undefined;
  }
  if (/^(?:x86(?:_64|-64)?|amd64|i[3-6]86)$/.test(text)) {
    return 'x86';
  }
  if (/^(?:aarch64|arm64)/.test(text)) {
    return 'arm64';
  }
  return /^(?:ppc64|powerpc64)/.test(text) ? 'ppc64' : text;
}

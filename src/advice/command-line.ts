/**
 * The kernel command line as the kernel cuts it (Linux lib/cmdline.c, next_arg): at white space outside double quotes;
 * quotes around a whole parameter or a whole value are dropped. In names `-` and `_` are the same.
 */

export interface KernelParameter {
  /** With `_` for `-`: `intel_iommu`, `nvme_core.multipath`. */
  readonly name: string;
  /** Null for a bare word. */
  readonly value: string | null;
  /** As it stands on the line. */
  readonly text: string;
}

/** Longest line that is looked at; kernels take 2 to 4 KiB. */
const LINE_MAX = 65_536;

/** Parameters before `--`, which hands the rest to init. */
export function parseCommandLine(line: string): KernelParameter[] {
  const parameters: KernelParameter[] = [];
  for (const text of words(line.slice(0, LINE_MAX))) {
    if (text === '--') {
      break;
    }
    parameters.push(parameterOf(text));
  }
  return parameters;
}

function words(line: string): string[] {
  const found: string[] = [];
  let word = '';
  let isQuoted = false;
  for (const char of line) {
    if (char === '"') {
      isQuoted = !isQuoted;
    }
    if (!isQuoted && /\s/.test(char)) {
      if (word !== '') {
        found.push(word);
      }
      word = '';
    } else {
      word += char;
    }
  }
  return word === '' ? found : [...found, word];
}

function parameterOf(text: string): KernelParameter {
  const whole = text.startsWith('"') ? text.slice(1).replace(/"$/, '') : text;
  const equals = whole.indexOf('=');
  if (equals < 0) {
    return { name: canonicalName(whole), value: null, text };
  }
  const raw = whole.slice(equals + 1);
  const value = raw.startsWith('"') ? raw.slice(1).replace(/"$/, '') : raw;
  return { name: canonicalName(whole.slice(0, equals)), value, text };
}

function canonicalName(name: string): string {
  return name.replaceAll('-', '_');
}

/** The last value of a parameter, which is the one that counts for most; undefined when it is not there. */
export function lastValue(parameters: readonly KernelParameter[], name: string): string | null | undefined {
  return parameters.findLast((parameter) => parameter.name === name)?.value;
}

/** One part of `pci=`, which is cut at commas. */
export interface PciOption {
  readonly name: string;
  readonly value: string | null;
  readonly text: string;
}

/** All parts of all `pci=` parameters, in order. */
export function pciOptions(parameters: readonly KernelParameter[]): PciOption[] {
  return parameters
    .filter((parameter) => parameter.name === 'pci' && parameter.value !== null)
    .flatMap((parameter) => parameter.value!.split(','))
    .map((text) => {
      const equals = text.indexOf('=');
      return equals < 0
        ? { name: text, value: null, text }
        : { name: text.slice(0, equals), value: text.slice(equals + 1), text };
    });
}

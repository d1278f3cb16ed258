/** `--cpu`: a person who knows the processor says so where the input does not, or where it is to be judged by another. */
import { UsageError } from '../base/index.ts';
import { type Cpu, type Machine, withGivenCpu } from '../topology/index.ts';

/** What the option may name, with the architecture that the kernel's rule asks for. Words as in `Cpu.vendor`. */
const ARCHITECTURES: Readonly<Record<string, string | undefined>> = {
  intel: 'x86',
  amd: 'x86',
  hygon: 'x86',
  zhaoxin: 'x86',
  ampere: 'arm64',
  arm: 'arm64',
  nvidia: 'arm64',
  hisilicon: 'arm64',
  ibm: undefined,
  loongson: 'loongarch64',
};

/** CPUID leaf 1: a base of 4 bits plus an extension of 8, and a model of 8 bits (Intel SDM volume 2, CPUID). */
const FAMILY_MAX = 0x0f + 0xff;
const MODEL_MAX = 0xff;

/**
 * The machine with the CPU that was given in place of its own; the machine itself when nothing was given.
 *
 * @throws {UsageError} USAGE_CPU
 */
export function withCpuOption(machine: Machine, text: string | undefined): Machine {
  return text === undefined ? machine : withGivenCpu(machine, parseCpu(text));
}

/** `intel`, `amd:0x17`, `amd:17h`, `amd:23:49`. */
function parseCpu(text: string): Cpu {
  const [vendorText = '', familyText, modelText, ...more] = text.trim().toLowerCase().split(':');
  if (!Object.hasOwn(ARCHITECTURES, vendorText) || more.length > 0) {
    throw usage(text, `vendors are ${Object.keys(ARCHITECTURES).join(', ')}`);
  }
  const architecture = ARCHITECTURES[vendorText];
  if (familyText !== undefined && architecture !== 'x86') {
    throw usage(text, `only x86 processors have a family: give ${vendorText} alone`);
  }
  if (vendorText === 'amd' && /^1[79]$/.test(familyText ?? '')) {
    throw usage(
      text,
      `is it family ${familyText}h? write amd:0x${familyText}, or the decimal number as in /proc/cpuinfo`,
    );
  }
  return {
    vendor: vendorText,
    family: familyText === undefined ? undefined : numberOf(familyText, FAMILY_MAX, text),
    model: modelText === undefined ? undefined : numberOf(modelText, MODEL_MAX, text),
    name: undefined,
    architecture,
    sockets: undefined,
  };
}

/** Decimal as /proc/cpuinfo has it, 0x17, or 17h as AMD writes. */
function numberOf(digits: string, max: number, text: string): number {
  const match = /^(?:0x([0-9a-f]{1,3})|([0-9a-f]{1,3})h|(\d{1,3}))$/.exec(digits);
  const hex = match?.[1] ?? match?.[2];
  const value = match === null ? Number.NaN : hex === undefined ? Number(match[3]) : Number.parseInt(hex, 16);
  if (!(value <= max)) {
    throw usage(text, 'family and model are numbers: decimal as in /proc/cpuinfo, or hexadecimal as 0x17');
  }
  return value;
}

function usage(text: string, hint: string): UsageError {
  return new UsageError('USAGE_CPU', {
    message: `--cpu ${text} is not VENDOR[:FAMILY[:MODEL]]`,
    hint: `${hint}; for example --cpu intel or --cpu amd:0x19`,
    detail: { asked: text },
  });
}

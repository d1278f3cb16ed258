/** Which platform a processor belongs to. */
import type { PlatformTiming } from './platform-timing.ts';
import { platformNamed } from './platforms.ts';

/** What is known of a processor, as /proc/cpuinfo and CPUID have it. */
export interface CpuIdentity {
  /** `intel`, `amd`, `hygon`, `arm`, `ibm` ... lower case. */
  readonly vendor?: string | null | undefined;
  readonly family?: number | null | undefined;
  readonly model?: number | null | undefined;
  readonly name?: string | null | undefined;
  /** A preset, or its end: `bdw`, `zen4`. What a person says goes before what was read. */
  readonly generation?: string | null | undefined;
}

export interface DerivedPlatform {
  readonly platform: PlatformTiming;
  /** How it was found, in one sentence part: `Intel family 6 model 79 is intel-xeon-bdw`. */
  readonly note: string;
}

/** Intel family 6: models of servers. Everything else in it is a client. */
const XEON_MODELS: Readonly<Record<number, string>> = {
  45: 'snb',
  62: 'ivb',
  63: 'hsw',
  79: 'bdw',
  86: 'bdw',
  85: 'skl',
  106: 'icx',
  108: 'icx',
  143: 'spr',
  207: 'emr',
  173: 'gnr',
  174: 'gnr',
  175: 'gnr',
  221: 'gnr',
};

/** Names of Xeons of which only the name is known; the first that fits. */
const XEON_NAMES: readonly (readonly [RegExp, string])[] = [
  [/\bE[57]-\d{4}\w? v4\b/i, 'bdw'],
  [/\bE[57]-\d{4}\w? v3\b/i, 'hsw'],
  [/\bE[57]-\d{4}\w? v2\b/i, 'ivb'],
  [/\bE5-\d{4}\w?\b/i, 'snb'],
  [/\bXeon.*\b(?:6[79]\d\d[EP])/i, 'gnr'],
  [/\b(?:Platinum|Gold|Silver|Bronze) \d5\d\d/i, 'emr'],
  [/\b(?:Platinum|Gold|Silver|Bronze) \d4\d\d|\bXeon.*\bMax 9\d{3}|\bw\d-\d{4}/i, 'spr'],
  [/\b(?:Platinum|Gold|Silver|Bronze) \d3\d\d/i, 'icx'],
  [/\b(?:Platinum|Gold|Silver|Bronze) \d[12]\d\d/i, 'skl'],
];

/** Names of EPYC, Threadripper and Ryzen parts: generation of Zen. */
const ZEN_NAMES: readonly (readonly [RegExp, number])[] = [
  [/\bEPYC 7\d\d1/i, 1],
  [/\bEPYC 7\w\d2/i, 2],
  [/\bEPYC 7\w\d3/i, 3],
  [/\bEPYC [98]\w\d4/i, 4],
  [/\bEPYC 9\w\d5/i, 5],
  [/\bThreadripper (?:PRO )?[12]\d{3}/i, 1],
  [/\bThreadripper (?:PRO )?3\d{3}/i, 2],
  [/\bThreadripper (?:PRO )?5\d{3}/i, 3],
  [/\bThreadripper (?:PRO )?7\d{3}/i, 4],
  [/\bThreadripper (?:PRO )?9\d{3}/i, 5],
  [/\bRyzen \d (?:PRO )?[12]\d{3}/i, 1],
  [/\bRyzen \d (?:PRO )?3\d{3}/i, 2],
  [/\bRyzen \d (?:PRO )?5\d{3}/i, 3],
  [/\bRyzen \d (?:PRO )?[78]\d{3}/i, 4],
  [/\bRyzen \d (?:PRO )?9\d{3}/i, 5],
];

function named(name: string, note: string): DerivedPlatform {
  return { platform: platformNamed(name), note: `${note} is ${name}` };
}

/**
 * The platform of a processor. Never fails: of what is unknown it gives `generic` and says so.
 * @throws {InputError} INPUT_PRESET when `generation` names none
 */
export function platformFor(cpu: CpuIdentity): DerivedPlatform {
  if (cpu.generation != null) {
    return fromGeneration(cpu.generation);
  }
  const name = cpu.name ?? '';
  switch (cpu.vendor ?? vendorOfName(name)) {
    case 'intel':
      return intel(cpu, name);
    case 'amd':
      return amd(cpu, name);
    case 'hygon':
      return named('amd-zen1', 'Hygon, a Zen 1 under licence,');
    case 'arm':
    case 'ampere':
      return named('arm-neoverse', 'an Arm server');
    case 'ibm':
      return named('ibm-power9', 'POWER');
    default:
      return { platform: platformNamed('generic'), note: 'the processor is not known here, so generic' };
  }
}

function fromGeneration(generation: string): DerivedPlatform {
  const given = generation.toLowerCase();
  const short = /^zen\d/.test(given) ? `amd-${given}` : `intel-xeon-${given}`;
  const isShort = /^(?:zen\d.*|snb|ivb|hsw|bdw|skl|icx|spr|emr|gnr)$/.test(given);
  const platform = platformNamed(isShort ? short : given);
  return { platform, note: `${platform.name}, as it was named` };
}

function vendorOfName(name: string): string | undefined {
  if (/\bIntel\b|\bXeon\b/i.test(name)) {
    return 'intel';
  }
  if (/\bAMD\b|\bEPYC\b|\bRyzen\b/i.test(name)) {
    return 'amd';
  }
  return /\bNeoverse\b|\bAmpere\b|\bGrace\b|\bGraviton/i.test(name)
    ? 'arm'
    : /\bPOWER\d/i.test(name)
      ? 'ibm'
      : undefined;
}

function intel(cpu: CpuIdentity, name: string): DerivedPlatform {
  if (cpu.family != null && cpu.model != null) {
    const where = `Intel family ${cpu.family} model ${cpu.model}`;
    if (cpu.family === 6) {
      const server = XEON_MODELS[cpu.model];
      return server === undefined
        ? named('intel-client', `${where}, no Xeon model that is known here,`)
        : named(`intel-xeon-${server}`, where);
    }
    // Families above 6 are newer than every preset; those below, older than PCI Express in the processor.
    return cpu.family > 15 ? named('intel-xeon-gnr', `${where}, newer than the last preset,`) : byName(name);
  }
  return byName(name);
}

function byName(name: string): DerivedPlatform {
  const found = XEON_NAMES.find(([pattern]) => pattern.test(name));
  if (found !== undefined) {
    return named(`intel-xeon-${found[1]}`, name);
  }
  return /\bCore\b|\bPentium\b|\bCeleron\b/i.test(name)
    ? named('intel-client', name)
    : { platform: platformNamed('generic'), note: 'an Intel processor of unknown model, so generic' };
}

function amd(cpu: CpuIdentity, name: string): DerivedPlatform {
  const byModel = zenOf(cpu.family ?? undefined, cpu.model ?? undefined);
  const byPart = ZEN_NAMES.find(([pattern]) => pattern.test(name))?.[1];
  const zen = byModel ?? byPart;
  if (zen === undefined) {
    return { platform: platformNamed('generic'), note: 'an AMD processor of unknown generation, so generic' };
  }
  const where =
    byModel === undefined
      ? name
      : `AMD family ${cpu.family}${cpu.model == null ? '' : ` model ${cpu.model}`}${name === '' ? '' : ` (${name})`}`;
  return named(`amd-zen${zen}${amdKind(cpu, name)}`, where);
}

/** Generation of Zen. Without a model the later one of the family, which is the commoner in servers. */
function zenOf(family: number | undefined, model: number | undefined): number | undefined {
  switch (family) {
    case 23:
      return model !== undefined && model < 0x30 ? 1 : 2;
    case 25: {
      const isZen4 =
        model !== undefined &&
        ((model >= 0x10 && model < 0x20) || (model >= 0x60 && model < 0x80) || model >= 0xa0);
      return isZen4 ? 4 : 3;
    }
    case 26:
      return 5;
    default:
      return undefined;
  }
}

/** The name says what kind it is; without one, the models that are only in servers do. */
function amdKind(cpu: CpuIdentity, name: string): '' | '-threadripper' | '-ryzen' {
  if (/Threadripper/i.test(name)) {
    return '-threadripper';
  }
  if (/Ryzen|Athlon/i.test(name)) {
    return '-ryzen';
  }
  if (/EPYC/i.test(name) || cpu.model == null) {
    return '';
  }
  const model = cpu.model;
  const isServer =
    cpu.family === 23
      ? model === 0x01 || model === 0x31
      : cpu.family === 25
        ? model < 0x20 || model >= 0xa0
        : model < 0x20;
  return isServer ? '' : '-ryzen';
}

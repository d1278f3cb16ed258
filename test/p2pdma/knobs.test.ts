import { describe, expect, it } from 'vitest';
import {
  ACS_CR,
  ACS_DT,
  ACS_EC,
  ACS_RR,
  ACS_SV,
  ACS_TB,
  ACS_UF,
  acsAfterConfigAcs,
  acsAfterDisableRedir,
  acsBitNames,
  acsKernelDefault,
  configAcsFlags,
  type KernelVersion,
  knobsFor,
  parseConfigAcs,
  parseKernelVersion,
} from '../../src/p2pdma/index.ts';

const v = (text: string): KernelVersion => parseKernelVersion(text)!;
const ISOLATION = ACS_SV | ACS_RR | ACS_CR | ACS_UF;
const flagsOf = (text: string) => {
  const flags = parseConfigAcs(`${text}@0000:02:00.0`);
  if ('error' in flags) {
    throw new Error(flags.error);
  }
  return flags;
};

describe('what the kernel sets by itself (p2pdma.md 3.1)', () => {
  const plain = { isRequested: true, isExternal: false, isAtsDisabled: false };

  it('is SV, RR, CR and UF of what the port implements, on top of the firmware', () => {
    expect(acsKernelDefault(0x7f, 0, plain)).toBe(ISOLATION);
    expect(acsKernelDefault(ACS_SV | ACS_RR, ACS_EC | ACS_DT, plain)).toBe(ACS_SV | ACS_RR | ACS_EC | ACS_DT);
  });

  it('EC-040: adds TB for external ports and without ATS', () => {
    expect(acsKernelDefault(0x7f, 0, { ...plain, isExternal: true })).toBe(ISOLATION | ACS_TB);
    expect(acsKernelDefault(0x7f, 0, { ...plain, isAtsDisabled: true })).toBe(ISOLATION | ACS_TB);
    expect(acsKernelDefault(ISOLATION, 0, { ...plain, isExternal: true })).toBe(ISOLATION);
  });

  it('leaves the firmware alone when nobody asked for isolation', () => {
    expect(acsKernelDefault(0x7f, ACS_RR, { ...plain, isRequested: false })).toBe(ACS_RR);
  });
});

describe('pci=disable_acs_redir= (p2pdma.md 3.2)', () => {
  const firmware = ACS_RR | ACS_SV;
  const current = ISOLATION;

  it('clears RR, CR and EC up to 6.10', () => {
    for (const release of ['4.20', '5.10.198', '6.8.1', '6.10.14']) {
      expect(acsAfterDisableRedir(v(release), firmware, current), release).toBe(ACS_SV | ACS_UF);
    }
  });

  it('EC-173: from 6.11 to 6.14 gives firmware its redirect back and sets all other bits', () => {
    for (const release of ['6.11.11', '6.12.0', '6.13.7', '6.14.0', '6.12']) {
      expect(acsAfterDisableRedir(v(release), firmware, current), release).toBe(0xffd3 | ACS_RR);
      expect(acsAfterDisableRedir(v(release), 0, current), release).toBe(0xffd3);
    }
  });

  it('EC-174: from 6.17 is the firmware’s word without redirect: the kernel’s SV and UF are gone', () => {
    for (const release of ['6.17.0', '6.19.10', '7.2.12', '7.3.4']) {
      expect(acsAfterDisableRedir(v(release), firmware | ACS_EC, current), release).toBe(ACS_SV);
    }
    expect(acsAfterDisableRedir(undefined, firmware, current)).toBe(ACS_SV);
  });

  it('does nothing before 4.20 and is not known where neighbours differ', () => {
    expect(acsAfterDisableRedir(v('4.19.3'), firmware, current)).toBe(current);
    expect(acsAfterDisableRedir(v('6.15.2'), firmware, current)).toBeUndefined();
    expect(acsAfterDisableRedir(v('6.11.3'), firmware, current)).toBeUndefined();
  });
});

describe('pci=config_acs= (p2pdma.md 3.3)', () => {
  it('reads flags from the right: SV TB RR CR UF EC DT', () => {
    expect(flagsOf('x0x00xx')).toEqual({ mask: ACS_EC | ACS_CR | ACS_RR, ones: 0 });
    expect(flagsOf('1')).toEqual({ mask: ACS_SV, ones: ACS_SV });
    expect(flagsOf('1xxxxx0')).toEqual({ mask: ACS_DT | ACS_SV, ones: ACS_DT });
    expect(flagsOf('xXxXxXx')).toEqual({ mask: 0, ones: 0 });
  });

  it('EC-177: complains as the kernel does', () => {
    expect(parseConfigAcs('x0x00xx')).toEqual({ error: 'ACS Flags missing' });
    expect(parseConfigAcs('x0z00xx@02:00.0')).toEqual({ error: 'Invalid ACS flags... Ignoring' });
    expect(parseConfigAcs('10000000@02:00.0')).toEqual({ error: 'Invalid ACS flags specified' });
    expect(parseConfigAcs('z0000000@02:00.0')).toEqual({ error: 'Invalid ACS flags... Ignoring' });
  });

  it('has a string for clearing bits that reads back as asked', () => {
    expect(configAcsFlags(ACS_RR | ACS_CR | ACS_EC)).toBe('x0x00xx');
    expect(flagsOf(configAcsFlags(ACS_TB))).toEqual({ mask: ACS_TB, ones: 0 });
  });

  it('EC-176: from 6.17 starts from the firmware, so the kernel’s defaults are lost', () => {
    expect(acsAfterConfigAcs(v('7.2.12'), ACS_RR, ISOLATION, flagsOf('1'))).toBe(ACS_RR | ACS_SV);
    expect(acsAfterConfigAcs(v('7.2.12'), 0x7f, ISOLATION, flagsOf('x0x00xx'))).toBe(0x7f & ~0x2c);
  });

  it('from 6.11 to 6.14 sets bits but cannot clear what the firmware had set', () => {
    expect(acsAfterConfigAcs(v('6.12.0'), ACS_RR, ISOLATION, flagsOf('x0x00xx'))).toBe(
      ACS_SV | ACS_UF | ACS_RR,
    );
    expect(acsAfterConfigAcs(v('6.12.0'), 0, 0, flagsOf('xxxx1xx'))).toBe(ACS_RR);
  });

  it('is not known before 6.11', () => {
    expect(acsAfterConfigAcs(v('6.8.0'), 0, ISOLATION, flagsOf('x0x00xx'))).toBe(ISOLATION);
  });
});

describe('knobsFor', () => {
  it('tells which parameter makes a port peer-friendly', () => {
    expect(knobsFor(v('6.6.129'))).toMatchObject({ disableAcsRedirClears: true, configAcsClears: false });
    expect(knobsFor(v('6.12.0'))).toMatchObject({ disableAcsRedirClears: false, configAcsClears: false });
    expect(knobsFor(v('6.15.0'))).toMatchObject({ disableAcsRedirClears: false, configAcsClears: false });
    expect(knobsFor(v('7.2.12'))).toMatchObject({ disableAcsRedirClears: true, configAcsClears: true });
    expect(knobsFor(v('7.2'))).toMatchObject({ disableAcsRedirClears: true, isAssumed: false });
    expect(knobsFor(undefined)).toMatchObject({ configAcsClears: true, isAssumed: true });
    expect(knobsFor(v('8.0.1'))).toMatchObject({ configAcsClears: true, isAssumed: true });
  });

  it('EC-179: tells when ACS is written', () => {
    expect(knobsFor(v('6.19.10')).appliedAt).toBe('enumeration');
    expect(knobsFor(v('7.0.0')).appliedAt).toBe('dma-configuration');
  });

  it('has effects for every version, one or two', () => {
    for (const release of [
      '3.10.0',
      '4.20',
      '6.10.5',
      '6.11.0',
      '6.11',
      '6.14.9',
      '6.16',
      '6.17',
      '7.3.4',
      '7.4',
    ]) {
      const knobs = knobsFor(v(release));
      expect([1, 2], release).toContain(knobs.disableAcsRedir.length);
      expect(knobs.note, release).not.toBe('');
    }
  });
});

it('acsBitNames names bits as lspci does', () => {
  expect(acsBitNames(0x5f)).toBe('SV TB RR CR UF DT');
  expect(acsBitNames(0)).toBe('');
});

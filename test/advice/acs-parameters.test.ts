import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatFlags,
  matchSpec,
  parseConfigList,
  parseDeviceSpec,
  parseRedirectList,
  pathText,
} from '../../src/advice/acs-parameters.ts';
import { parseConfigAcs } from '../../src/p2pdma/index.ts';
import { bdf, buildIndex, switchWithTwoDrives } from '../support/machine-builder.ts';

const index = buildIndex(switchWithTwoDrives(0x1d));
const matched = (text: string) => matchSpec(index, parseDeviceSpec(text)!).map((fn) => fn.bdf);

describe('a device of the ACS parameters', () => {
  it('is an address, with or without its domain and leading zeros', () => {
    expect(matched('0000:02:01.0')).toEqual(['0000:02:01.0']);
    expect(matched('2:1.0')).toEqual(['0000:02:01.0']);
    expect(matched('0001:02:01.0')).toEqual([]);
  });

  it('is a way down from a root port', () => {
    expect(matched('00:01.0/00.0/01.0')).toEqual(['0000:02:01.0']);
    expect(matched('00:01.0/00.0/02.0')).toEqual([]);
  });

  it('is a vendor and device, 0 for any', () => {
    expect(matched('pci:8086:3420')).toEqual(['0000:00:01.0']);
    expect(matched('pci:8086:0')).toEqual(['0000:00:00.0', '0000:00:01.0']);
    expect(matched('pci:0:0')).toHaveLength(7);
  });

  it.each(['', '02:00', '02:20.0', '02:00.8', 'pci:8086', '02:00.0/', 'nvme0', '0000:02:00.0 '])(
    'is not %j',
    (text) => {
      expect(parseDeviceSpec(text)).toBeUndefined();
    },
  );

  it('has a way down that means the function itself', () => {
    for (const fn of index.machine.functions) {
      expect(matched(pathText(index, fn.bdf)!)).toEqual([fn.bdf]);
    }
    expect(pathText(index, bdf('04:00.0'))).toBe('0000:00:01.0/00.0/01.0/00.0');
  });
});

describe('the lists', () => {
  it('are cut at semicolons and keep what is wrong as such', () => {
    expect(parseRedirectList('02:00.0;;x').map((element) => element.problem)).toEqual([
      null,
      'not a device',
      'not a device',
    ]);
  });

  it('of config_acs hold flags from DT down to SV', () => {
    const [element] = parseConfigList('x0100x1@0000:02:00.0');
    expect(element!.flags).toEqual({ mask: 0b0111101, value: 0b0010001 });
    expect(element!.problem).toBeNull();
  });

  it.each(['0000:02:00.0', '2@02:00.0', '11111111@02:00.0', '1@nowhere'])(
    'of config_acs refuse %s',
    (text) => {
      expect(parseConfigList(text)[0]!.problem).not.toBeNull();
    },
  );

  it('format flags that parse back to the same bits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7f }), fc.integer({ min: 0, max: 0x7f }), (mask, value) => {
        expect(parseConfigAcs(`${formatFlags(mask, value)}@02:00.0`)).toEqual({ mask, ones: mask & value });
      }),
    );
  });

  it('never throw, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        expect(parseRedirectList(text).length).toBeGreaterThan(0);
        expect(parseConfigList(text).length).toBeGreaterThan(0);
      }),
    );
  });
});

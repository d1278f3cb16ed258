import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lastValue, parseCommandLine, pciOptions } from '../../src/advice/command-line.ts';

const names = (line: string) => parseCommandLine(line).map((parameter) => [parameter.name, parameter.value]);

describe('the kernel command line', () => {
  it('is cut at white space, and - is _ in names only', () => {
    expect(names('ro  nvme-core.multipath=a-b\tquiet')).toEqual([
      ['ro', null],
      ['nvme_core.multipath', 'a-b'],
      ['quiet', null],
    ]);
  });

  it('loses the quotes around a whole value or a whole parameter, as in lib/cmdline.c', () => {
    expect(names('pci="disable_acs_redir=a;b" "x=1 2" y="3 4"')).toEqual([
      ['pci', 'disable_acs_redir=a;b'],
      ['x', '1 2'],
      ['y', '3 4'],
    ]);
  });

  it('keeps quotes inside a value, so that a list quoted there does not parse', () => {
    expect(names('pci=disable_acs_redir="a;b"')).toEqual([['pci', 'disable_acs_redir="a;b"']]);
  });

  it('ends at --', () => {
    expect(names('quiet -- pci=off')).toEqual([['quiet', null]]);
  });

  it('has several pci= parameters, each cut at commas', () => {
    const options = pciOptions(parseCommandLine('pci=noats,realloc=off pci=disable_acs_redir=00:1c.0'));
    expect(options.map((option) => [option.name, option.value])).toEqual([
      ['noats', null],
      ['realloc', 'off'],
      ['disable_acs_redir', '00:1c.0'],
    ]);
  });

  it('lets the last of several values count', () => {
    expect(lastValue(parseCommandLine('iommu=pt iommu=soft'), 'iommu')).toBe('soft');
    expect(lastValue(parseCommandLine('quiet'), 'iommu')).toBeUndefined();
    expect(lastValue(parseCommandLine('iommu'), 'iommu')).toBeNull();
  });

  it('never throws and never makes a parameter out of nothing, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (line) => {
        for (const parameter of parseCommandLine(line)) {
          expect(parameter.text).not.toBe('');
        }
      }),
    );
  });
});

import { describe, expect, it } from 'vitest';
import { parseLab, printLab } from '../../../src/lab/index.ts';
import { examples } from './examples.ts';

describe('printLab', () => {
  it.each(examples)('writes %s so that it reads as the same lab', (name, text) => {
    const lab = parseLab(text, name);
    const printed = printLab(lab);
    expect(parseLab(printed, 'printed')).toEqual(lab);
    // What is printed is as short as it gets.
    expect(printLab(parseLab(printed, 'printed'))).toBe(printed);
  });

  it('leaves out what defaults say, ports above devices included', () => {
    const lab = parseLab(
      'peerlane: lab/1\nbelow: [{switch: s, below: [nvme, {nvme: b, cmb: {size: 64M}}]}]',
      'x',
    );
    expect(printLab(lab, ['Made by a test.'])).toBe(
      [
        '# Made by a test.',
        'peerlane: lab/1',
        'kernel: 7.2.12',
        'cpu: intel',
        'iommu: off',
        'memory: 16G',
        'below:',
        '  - switch: s',
        '    below:',
        '      - nvme: nvme0',
        '      - nvme: b',
        '        cmb: 64M',
        '',
      ].join('\n'),
    );
  });

  it('quotes what YAML would read otherwise', () => {
    const lab = parseLab(
      'peerlane: lab/1\ntitle: "null"\ncommand-line: "a: b # c"\nbelow: {nvme: n, serial: "  x", model: "*y"}',
      'x',
    );
    expect(parseLab(printLab(lab), 'printed')).toEqual(lab);
  });

  it('keeps line ends of a comment out of the file', () => {
    const text = printLab(parseLab('peerlane: lab/1', 'x'), ['a\nbelow: nvme']);
    expect(text.split('\n')[0]).toBe('# a below: nvme');
  });
});

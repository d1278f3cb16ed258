/** The configfs attribute that names a provider (spec p2pdma.md section 10; edge cases 66, 160 to 163). */
import { describe, expect, it } from 'vitest';
import { bench, benchWithMemory, refusalOf } from './fake-function.ts';

describe('enableStore', () => {
  it('takes the name of a function that published memory, with or without a newline', () => {
    const { p2pdma } = benchWithMemory();
    const choice = { use: 'this', provider: '0000:03:00.0' };
    expect(p2pdma.enableStore('0000:03:00.0')).toEqual(choice);
    expect(p2pdma.enableStore('0000:03:00.0\n')).toEqual(choice);
  });

  it('EC-163: a function without published memory is refused, and logged', () => {
    const { p2pdma, lines } = benchWithMemory();
    lines.length = 0;
    expect(refusalOf(() => p2pdma.enableStore('0000:04:00.0\n'))).toEqual({
      code: 'P2P_STORE_NOT_PUBLISHED',
      errno: 'ENODEV',
      edgeCase: 'EC-163',
    });
    expect(lines).toEqual(['|PCI device has no peer-to-peer memory: 0000:04:00.0']);
  });

  it('EC-161: a name of nothing is refused, and logged', () => {
    const { p2pdma, lines } = benchWithMemory();
    lines.length = 0;
    for (const text of ['x', '', '\n', 'mlx5_0', 'o', 'ox', '?\nmore']) {
      expect(refusalOf(() => p2pdma.enableStore(text))).toEqual({
        code: 'P2P_STORE_NO_DEVICE',
        errno: 'ENODEV',
        edgeCase: 'EC-161',
      });
    }
    expect(lines[0]).toBe('|No such PCI device: x');
    expect(lines.at(-1)).toBe('|No such PCI device: ?');
  });

  it('EC-162: what begins with 0 or 1 and goes on is a mistyped address, not a number', () => {
    const { p2pdma } = benchWithMemory();
    for (const text of ['00', '1x', '0000:03:00.9', '0000:03:00.00', '01\n', '1 ']) {
      expect(refusalOf(() => p2pdma.enableStore(text))).toMatchObject({
        edgeCase: 'EC-162',
        errno: 'ENODEV',
      });
    }
    expect(p2pdma.enableStore('1\n')).toEqual({ use: 'any' });
    expect(p2pdma.enableStore('0\t')).toEqual({ use: 'none' });
  });

  it('looks for the whole name as Linux spells it', () => {
    const { p2pdma } = benchWithMemory();
    for (const text of ['03:00.0', ' 0000:03:00.0', '0000:03:00.0 ', '0000:03:00.0\n\n']) {
      expect(refusalOf(() => p2pdma.enableStore(text)).code).toBe('P2P_STORE_NO_DEVICE');
    }
  });

  it.each([
    ['y', 'any', '4.20'],
    ['Yes please', 'any', '4.20'],
    ['nvme0', 'none', '4.20'],
    ['on', 'any', '4.20'],
    ['OFF', 'none', '4.20'],
    ['true', 'any', '5.19'],
    ['F', 'none', '5.19'],
    ['enable', 'any', '6.17'],
    ['disable', 'none', '6.17'],
  ])('reads "%s" as %s from %s on, by its first letters', (text, use, rules) => {
    expect(bench({}, { rules }).p2pdma.enableStore(text)).toEqual({ use });
  });

  it.each([
    ['t', '5.4'],
    ['f', '5.10.198'],
    ['e', '6.14'],
    ['d', '5.19'],
  ])('does not read "%s" in %s yet', (text, rules) => {
    expect(refusalOf(() => bench({}, { rules }).p2pdma.enableStore(text)).code).toBe('P2P_STORE_NO_DEVICE');
  });
});

describe('an attribute', () => {
  it('shows 0, 1 or the name', () => {
    const { p2pdma } = benchWithMemory();
    const attribute = p2pdma.attribute();
    expect(attribute.show()).toBe('0\n');
    attribute.store('1');
    expect(attribute.show()).toBe('1\n');
    attribute.store('0000:03:00.0\n');
    expect(attribute.show()).toBe('0000:03:00.0\n');
    expect(refusalOf(() => attribute.store('mlx5_0')).code).toBe('P2P_STORE_NO_DEVICE');
    expect(attribute.choice).toEqual({ use: 'this', provider: '0000:03:00.0' });
  });

  it('looks whether the memory is published only when storing', () => {
    const { p2pdma, fn } = benchWithMemory();
    const attribute = p2pdma.attribute();
    attribute.store(fn.bdf);
    p2pdma.publish(fn.bdf, false);
    expect(attribute.show()).toBe('0000:03:00.0\n');
  });

  it('EC-160: cannot change while its port is enabled', () => {
    const attribute = benchWithMemory().p2pdma.attribute();
    attribute.isBusy = true;
    expect(refusalOf(() => attribute.store('1'))).toEqual({
      code: 'P2P_STORE_BUSY',
      errno: 'EBUSY',
      edgeCase: 'EC-160',
    });
    attribute.isBusy = false;
    attribute.store('1');
    expect(attribute.choice).toEqual({ use: 'any' });
  });
});

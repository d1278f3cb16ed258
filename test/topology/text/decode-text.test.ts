// Text inputs before any reader sees them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  classOfName,
  decodeText,
  headerTypeOfClass,
  LINE_LIMIT_CHARS,
  linesOf,
} from '../../../src/topology/text/index.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('lines', () => {
  it.each([
    ['LF', 'a\nb\n', ['a', 'b']],
    ['CRLF', 'a\r\nb\r\n', ['a', 'b']],
    ['CR CR LF, from two conversions', 'a\r\r\nb', ['a', 'b']],
    ['no end', 'a', ['a']],
    ['empty lines', '\n\na', ['', '', 'a']],
    ['colours', '\u001b[1;31ma\u001b[0m b', ['a b']],
  ])('%s', (_, text, lines) => {
    expect([...linesOf(text)]).toEqual(lines);
  });

  it('are cut at their limit, and the next one is whole', () => {
    const [first, second] = linesOf(`${'x'.repeat(LINE_LIMIT_CHARS * 3)}\nnext`);
    expect(first).toHaveLength(LINE_LIMIT_CHARS);
    expect(second).toBe('next');
  });

  it('of short lines are those of split', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ -~]{0,40}$/)), (lines) => {
        expect([...linesOf(`${lines.join('\n')}\n`)]).toEqual(lines.length === 0 ? [''] : lines);
      }),
    );
  });
});

describe('bytes', () => {
  it('in Latin-1 do not stop the reading', () => {
    expect(decodeText(Uint8Array.of(0x41, 0xe9, 0x42), 'latin1')).toBe('A\ufffdB');
  });

  it.each([
    ['nothing', new Uint8Array(0), 'INPUT_EMPTY'],
    ['blanks', bytes(' \r\n\t'), 'INPUT_EMPTY'],
    ['NUL', bytes('a\0b'), 'INPUT_BINARY'],
  ])('%s', (_, input, code) => {
    expect(() => decodeText(input, 'x')).toThrow(expect.objectContaining({ code }));
  });

  it('beyond the limit are refused before they are decoded', () => {
    const huge = { length: 2 ** 31 } as Uint8Array;
    expect(() => decodeText(huge, 'x')).toThrow(expect.objectContaining({ code: 'INPUT_TOO_LARGE' }));
  });
});

describe('class names', () => {
  it.each([
    ['Host bridge', 0x0600],
    ['USB Controller', 0x0c03],
    ['Non-Volatile memory controller', 0x0108],
    ['constructor', undefined],
    ['Host bridge and more', undefined],
  ])('%s', (name, code) => {
    expect(classOfName(name)).toBe(code);
  });

  it.each([
    [0x0604, 1],
    [0x0609, 1],
    [0x0607, 2],
    [0x0680, undefined],
    [0x0600, 0],
    [0x0108, 0],
  ])('class %i has header type %s', (code, type) => {
    expect(headerTypeOfClass(code)).toBe(type);
  });
});

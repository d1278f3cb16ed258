import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvLine, csvText } from '../../src/report/index.ts';

/** RFC 4180 as its grammar has it. */
function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  while (at < text.length) {
    let field = '';
    if (text[at] === '"') {
      for (at++; ; at++) {
        if (text[at] === '"' && text[at + 1] === '"') {
          at++;
        } else if (text[at] === '"') {
          at++;
          break;
        }
        field += text[at];
      }
    } else {
      const end = text.slice(at).search(/,|\r\n/);
      field = text.slice(at, at + end);
      at += end;
    }
    record.push(field);
    if (text[at] === ',') {
      at++;
    } else {
      expect(text.slice(at, at + 2)).toBe('\r\n');
      at += 2;
      records.push(record);
      record = [];
    }
  }
  return records;
}

describe('CSV', () => {
  it('gives back every text, whatever is in it', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\r', '\n', ' ', ';', 'é', '=') });
    const table = fc
      .integer({ min: 1, max: 5 })
      .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1 }));
    fc.assert(
      fc.property(table, ([header, ...rows]) => {
        expect(parseCsv(csvText(header!, rows))).toEqual([header, ...rows]);
      }),
    );
  });

  it('leaves what is not known empty and ends every line as RFC 4180 says', () => {
    expect(csvLine([1.5, null, undefined, Number.NaN, true, 'a "b"'])).toBe('1.5,,,,true,"a ""b"""\r\n');
    expect(csvText(['a', 'b'], [['x']])).toBe('a,b\r\nx,\r\n');
  });
});

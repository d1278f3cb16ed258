import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Journal, type SweepIdentity } from '../../../src/cli/sweep/journal.ts';
import { parseSets } from '../../../src/cli/sweep/sets.ts';

const folder = mkdtempSync(join(tmpdir(), 'peerlane-journal-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'a.journal');
const sweep: SweepIdentity = {
  peerlane: '1.2.3',
  labSchema: 'abc',
  labText: 'text',
  sets: parseSets(['a=1,2', 'b=1,2']),
  points: 4,
};
const open = () => Journal.open(path, sweep);

describe('the journal of a sweep', () => {
  beforeEach(() => rmSync(path, { force: true }));

  it('gives back what was appended, errors included', () => {
    const journal = open();
    expect(journal.known.size).toBe(0);
    journal.append(2, { metrics: { goodputGBs: 1.25, 'limiter.what': 'x\ny' } });
    const error = { code: 'LAB_VALUE', message: 'no', hint: null };
    journal.append(0, { error });
    expect([...open().known]).toEqual([
      [2, { metrics: { goodputGBs: 1.25, 'limiter.what': 'x\ny' } }],
      [0, { error }],
    ]);
  });

  it('is whole after it was cut at any byte: nothing but the last point is lost', () => {
    const journal = open();
    journal.append(0, { metrics: { a: 1 } });
    journal.append(1, { metrics: { a: 2 } });
    const whole = readFileSync(path);
    const ends = [...whole.keys()].filter((at) => whole[at] === 0x0a).map((at) => at + 1);
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.subarray(0, length));
      const again = open();
      expect(again.known.size, `cut at ${length}`).toBe(ends.slice(1).filter((end) => end <= length).length);
      again.append(3, { metrics: { a: 3 } });
      expect(open().known.get(3)).toEqual({ metrics: { a: 3 } });
    }
  });

  it('is refused for another text or other sets, and left as it is', () => {
    open().append(0, { metrics: { a: 1 } });
    const before = readFileSync(path, 'utf8');
    for (const [other, says] of [
      [{ labText: 'other text' }, 'another sweep'],
      [{ sets: parseSets(['a=1,2', 'b=1,3']) }, 'another sweep'],
      [{ sets: parseSets(['b=1,2', 'a=1,2']) }, 'another sweep'],
      [{ peerlane: '1.2.4' }, 'written by peerlane 1.2.3, and this is 1.2.4'],
      [{ labSchema: 'abd' }, 'whose lab files differ'],
    ] as const) {
      expect(() => Journal.open(path, { ...sweep, ...other })).toThrow(
        expect.objectContaining({
          code: 'USAGE_SWEEP_JOURNAL',
          exitStatus: 2,
          message: expect.stringContaining(says),
          hint: expect.stringContaining('new journal'),
        }),
      );
    }
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  it('is refused when it is of a time before versions were in it', () => {
    writeFileSync(path, '{"schema":"peerlane/sweep-journal/1","digest":"00","sets":[],"points":4}\n');
    expect(open).toThrow(
      expect.objectContaining({ message: expect.stringContaining('peerlane of an unknown version') }),
    );
  });

  it.each([
    ['text of something else', 'important notes\nof mine\n'],
    ['a line without its end', 'important notes'],
    ['another document', '{"schema":"peerlane/sweep/1"}\n'],
    ['bytes', '\u0000\u0001\n'],
  ])('is refused when the file is %s, and the file is left as it is', (_name, content) => {
    writeFileSync(path, content);
    expect(open).toThrow(expect.objectContaining({ code: 'USAGE_SWEEP_JOURNAL' }));
    expect(readFileSync(path, 'utf8')).toBe(content);
  });

  it.each([
    '{"index":4,"metrics":{}}',
    '{"index":0}',
    '{"index":0,"metrics":{"a":null}}',
    'rubbish',
    '{"index":-1,"error":null}',
  ])('is refused with a line %s in its middle', (line) => {
    open().append(0, { metrics: { a: 1 } });
    writeFileSync(path, `${readFileSync(path, 'utf8')}${line}\n`);
    expect(open).toThrow(expect.objectContaining({ message: expect.stringContaining('line 3') }));
  });

  it('says which file cannot be written', () => {
    expect(() => Journal.open(join(folder, 'none', 'a'), sweep)).toThrow(
      expect.objectContaining({ code: 'HOST_WRITE_FAILED' }),
    );
    open();
    truncateSync(path, 3);
    expect(open().known.size).toBe(0);
  });
});

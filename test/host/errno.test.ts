import { describe, expect, it } from 'vitest';
import { codeOf, errnoMeaning, errnoName, errnoNumber } from '../../src/host/index.ts';

describe('error numbers', () => {
  it.each([
    [1, 'EPERM'],
    [5, 'EIO'],
    [11, 'EAGAIN'],
    [16, 'EBUSY'],
    [22, 'EINVAL'],
    [95, 'EOPNOTSUPP'],
    [108, 'ESHUTDOWN'],
    [121, 'EREMOTEIO'],
  ])('%i is %s, and back', (number, name) => {
    expect(errnoName(number)).toBe(name);
    expect(errnoNumber(name)).toBe(number);
  });

  it('keeps what has no name', () => {
    expect(errnoName(4242)).toBe('errno 4242');
    expect(errnoMeaning(4242)).toBe('errno 4242');
    expect(errnoNumber('ENOTHING')).toBeUndefined();
  });

  it('takes the code of an error of node:fs and of nothing else', () => {
    expect(codeOf(Object.assign(new Error('x'), { code: 'EACCES' }))).toBe('EACCES');
    expect(codeOf(new Error('x'))).toBeUndefined();
    expect(codeOf('EACCES')).toBeUndefined();
  });
});

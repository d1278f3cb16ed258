import { describe, expect, it } from 'vitest';
import { HostError } from '../../src/base/index.ts';
import { loadKoffi, systemCallNumbers } from '../../src/host/index.ts';

describe('the optional FFI package', () => {
  it('that is missing is a typed error with a remedy, and no stack for the user', () => {
    const missing = (): never => {
      throw Object.assign(new Error("Cannot find module 'koffi'\nRequire stack:\n- x"), {
        code: 'MODULE_NOT_FOUND',
      });
    };
    let thrown: unknown;
    try {
      loadKoffi(missing);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(HostError);
    expect(thrown).toMatchObject({
      code: 'HOST_NO_FFI',
      exitStatus: 2,
      hint: expect.stringContaining('npm install koffi'),
    });
    expect((thrown as Error).message).not.toContain('\n');
  });

  it('is not needed to import the face', async () => {
    // Loading happens at the first call: importing must work where the package is not installed.
    await expect(import('../../src/host/index.ts')).resolves.toHaveProperty('Mapping');
  });
});

describe('system call numbers', () => {
  it('of x86-64 and of the generic table', () => {
    expect(systemCallNumbers('x64')).toEqual({
      io_setup: 206,
      io_destroy: 207,
      io_getevents: 208,
      io_submit: 209,
    });
    expect(systemCallNumbers('arm64')).toEqual({ io_setup: 0, io_destroy: 1, io_submit: 2, io_getevents: 4 });
  });

  it('of an architecture that is not supported are a typed error', () => {
    expect(() => systemCallNumbers('mips')).toThrow(expect.objectContaining({ code: 'HOST_ARCHITECTURE' }));
  });
});

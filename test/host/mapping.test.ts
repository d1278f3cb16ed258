import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errnoName, Mapping } from '../../src/host/index.ts';
import { hasFfi } from '../support/ffi.ts';

describe.skipIf(!hasFfi())('mapped memory', () => {
  it('of the host starts as zeros and gives out copies', () => {
    const mapping = Mapping.ofHostMemory(8192);
    const bytes = new Uint8Array(16).fill(9);
    mapping.copyOut(4096, bytes);
    expect([...bytes]).toEqual(new Array(16).fill(0));
    mapping.fill(0xa5);
    mapping.copyOut(8176, bytes);
    expect([...bytes]).toEqual(new Array(16).fill(0xa5));
    mapping.copyIn(8180, Uint8Array.of(1, 2, 3));
    mapping.copyOut(8176, bytes);
    expect([...bytes.subarray(3, 8)]).toEqual([0xa5, 1, 2, 3, 0xa5]);
    mapping.close();
  });

  it('is closed once and knows it', () => {
    const mapping = Mapping.ofHostMemory(4096);
    mapping.close();
    mapping.close();
    expect(mapping.isClosed).toBe(true);
  });

  it('is not given back while a request holds it', () => {
    const mapping = Mapping.ofHostMemory(4096);
    expect(mapping.pin()).toBeGreaterThan(0);
    expect(() => mapping.close()).toThrow(expect.objectContaining({ code: 'HOST_MEMORY_BUSY' }));
    mapping.unpin();
    mapping.close();
    expect(mapping.isClosed).toBe(true);
  });

  it('cannot be used after it was closed: neither address nor bytes', () => {
    const mapping = Mapping.ofHostMemory(4096);
    mapping.close();
    expect(() => mapping.pin()).toThrow(/after it was closed/);
    expect(() => mapping.copyOut(0, new Uint8Array(1))).toThrow(/after it was closed/);
    expect(() => mapping.fill(1)).toThrow(/after it was closed/);
  });

  it('never gives out bytes from outside', () => {
    const mapping = Mapping.ofHostMemory(4096);
    expect(() => mapping.copyOut(4090, new Uint8Array(7))).toThrow(/outside/);
    expect(() => mapping.copyOut(-1, new Uint8Array(1))).toThrow(/outside/);
    mapping.close();
  });

  it('that is larger than the machine is a typed error', () => {
    expect(() => Mapping.ofHostMemory(2 ** 52)).toThrow(expect.objectContaining({ code: 'HOST_NO_MEMORY' }));
  });

  it('of a device is never looked at, and a refusal is an errno', () => {
    const folder = mkdtempSync(join(tmpdir(), 'peerlane-'));
    const path = join(folder, 'file');
    writeFileSync(path, new Uint8Array(4096));
    const readWrite = openSync(path, 'r+');
    const mapping = Mapping.ofDevice(readWrite, 4096) as Mapping;
    expect(() => mapping.copyOut(0, new Uint8Array(1))).toThrow(/never touched/);
    expect(() => mapping.fill(0)).toThrow(/never touched/);
    mapping.close();
    closeSync(readWrite);
    const readOnly = openSync(path, 'r');
    expect(errnoName(-(Mapping.ofDevice(readOnly, 4096) as number))).toBe('EACCES');
    closeSync(readOnly);
    rmSync(folder, { recursive: true });
  });
});

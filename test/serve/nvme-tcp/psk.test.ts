import { describe, expect, test } from 'vitest';
import { deriveTlsPsk, formatPsk, NvmeTcpError, parsePsk } from '../../../src/serve/nvme-tcp/index.ts';

const HOST = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-000000000001';
const SUBSYSTEM = 'nqn.2024-01.org.example:disk';
const KEY = Uint8Array.from({ length: 32 }, (_, index) => index);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(NvmeTcpError);
    expect((error as NvmeTcpError).hint).toBeTruthy();
    return (error as NvmeTcpError).code;
  }
  return 'none';
}

function interchange(hash: string, key: Uint8Array, crc = 0): string {
  const bytes = Buffer.concat([key, Buffer.alloc(4)]);
  bytes.writeUInt32LE(crc, key.length);
  return `NVMeTLSkey-1:${hash}:${bytes.toString('base64')}:`;
}

describe('the text of a TLS key', () => {
  test.each(['none', 'sha256'] as const)('reads what it writes: transform %s', (transform) => {
    const text = formatPsk({ key: KEY, transform });
    expect(text).toMatch(/^NVMeTLSkey-1:0[01]:[A-Za-z0-9+/]{48}:$/);
    expect(parsePsk(text)).toEqual({ key: KEY, transform });
  });

  test('a key for SHA-384 is refused and named as such', () => {
    expect(codeOf(() => parsePsk(interchange('02', new Uint8Array(48))))).toBe('NVMETCP_PSK_SHA384');
    expect(codeOf(() => parsePsk(interchange('00', new Uint8Array(48))))).toBe('NVMETCP_PSK_SHA384');
  });

  test('a wrong CRC, another version, hash, length or base64 are refused', () => {
    expect(codeOf(() => parsePsk(interchange('01', KEY, 5)))).toBe('NVMETCP_PSK_CRC');
    const good = formatPsk({ key: KEY, transform: 'sha256' });
    for (const text of [
      good.replace('key-1', 'key-2'),
      good.replace(':01:', ':03:'),
      good.slice(0, -1),
      interchange('01', new Uint8Array(31)),
      good.replace(/.:$/, '*:'),
      '',
    ]) {
      expect(codeOf(() => parsePsk(text))).toBe('NVMETCP_PSK_FORMAT');
    }
  });
});

describe('the key of a connection', () => {
  const psk = { key: KEY, transform: 'sha256' } as const;

  // Recomputed from RFC 5869 step by step, not with the code that is tested.
  test('is HKDF-Expand-Label twice, as the text says', async () => {
    const { createHmac } = await import('node:crypto');
    const hmac = (key: Uint8Array, ...parts: readonly (Uint8Array | string)[]): Buffer => {
      const mac = createHmac('sha256', key);
      for (const part of parts) mac.update(part);
      return mac.digest();
    };
    const label = (name: string, context: string): Buffer =>
      Buffer.concat([
        Buffer.from([0, 32, 6 + name.length]),
        Buffer.from(`tls13 ${name}`),
        Buffer.from([context.length]),
        Buffer.from(context),
      ]);
    const one = Buffer.from([1]);
    const retained = hmac(hmac(new Uint8Array(32), KEY), label('HostNQN', HOST), one);
    const digest = hmac(retained, `${HOST} ${SUBSYSTEM} NVMe-over-Fabrics`).toString('base64');
    const expected = hmac(hmac(new Uint8Array(32), retained), label('nvme-tls-psk', `01 ${digest}`), one);
    const made = deriveTlsPsk(psk, HOST, SUBSYSTEM, 1);
    expect(made.identity).toBe(`NVMe1R01 ${HOST} ${SUBSYSTEM} ${digest}`);
    expect(Buffer.from(made.key).equals(expected)).toBe(true);
  });

  test('differs by host, subsystem, version and encoding', () => {
    const keys = [
      deriveTlsPsk(psk, HOST, SUBSYSTEM, 1),
      deriveTlsPsk(psk, HOST, SUBSYSTEM, 0),
      deriveTlsPsk(psk, HOST, `${SUBSYSTEM}2`, 1),
      deriveTlsPsk(psk, `${HOST}2`, SUBSYSTEM, 1),
      deriveTlsPsk(psk, HOST, SUBSYSTEM, 1, 'libnvme-compat'),
      deriveTlsPsk({ key: KEY, transform: 'none' }, HOST, SUBSYSTEM, 1),
    ].map(({ key }) => Buffer.from(key).toString('hex'));
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.every((key) => key.length === 64)).toBe(true);
  });

  test('names too long for version 0 are refused, for version 1 they are digested', () => {
    const long = `nqn.2024-01.org.example:${'x'.repeat(190)}`;
    expect(codeOf(() => deriveTlsPsk(psk, long, long, 0))).toBe('NVMETCP_PSK_FORMAT');
    expect(deriveTlsPsk(psk, long, long, 1).key.length).toBe(32);
  });
});

import { spawn, spawnSync } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import {
  deriveTlsPsk,
  formatPsk,
  HostController,
  NvmeTcpError,
  PskTable,
  parsePsk,
} from '../../../src/serve/nvme-tcp/index.ts';
import { HOST, type Served, SUBSYSTEM, serve } from './support/served.ts';

const PSK = formatPsk({ key: Uint8Array.from({ length: 32 }, (_, i) => i * 3), transform: 'sha256' });
const OTHER = formatPsk({ key: new Uint8Array(32).fill(9), transform: 'sha256' });
const KEYS = [{ hostNqn: HOST, subsystemNqn: SUBSYSTEM, psk: PSK }];

let served: Served | null = null;
afterEach(async () => {
  await served?.close();
  served = null;
});

function address(port: number, text: string, version: 0 | 1, hostNqn = HOST) {
  return { host: '127.0.0.1', port, psk: deriveTlsPsk(parsePsk(text), hostNqn, SUBSYSTEM, version) };
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    expect(error).toBeInstanceOf(NvmeTcpError);
    return (error as NvmeTcpError).code;
  }
  return 'none';
}

describe('NVMe/TCP over TLS 1.3 with pre-shared keys', () => {
  test.each([0, 1] as const)('a host with the key reads and writes: identity version %s', async (version) => {
    served = await serve({ isTls: 'required', keys: new PskTable(KEYS) });
    const host = await served.host({ address: address(served.port, PSK, version), hasDataDigest: true });
    const queue = await host.openQueue(1, 8);
    const wanted = Uint8Array.from({ length: 300_000 - (300_000 % 512) }, (_, i) => i & 0xff);
    const done = (): Promise<number> =>
      new Promise((resolve) => {
        queue.onDone = (_token, status) => resolve(status);
      });
    let end = done();
    queue.write(1, 0, wanted.length / 512, wanted, 0);
    expect(await end).toBe(0);
    const got = new Uint8Array(wanted.length);
    end = done();
    queue.read(1, 0, got.length / 512, got, 0);
    expect(await end).toBe(0);
    expect(Buffer.compare(got, wanted)).toBe(0);
    expect(served.log).toContain('connect tls');
    host.close();
  });

  test('another key, an unknown identity and no TLS at all get nowhere where TLS is required', async () => {
    served = await serve({ isTls: 'required', keys: new PskTable(KEYS) });
    expect(await codeOf(served.host({ address: address(served.port, OTHER, 1) }))).toBe('NVMETCP_CONNECT');
    const stranger = address(served.port, PSK, 1, 'nqn.2024-01.org.example:stranger');
    expect(await codeOf(served.host({ address: stranger }))).toBe('NVMETCP_CONNECT');
    expect(await codeOf(served.host())).toBe('NVMETCP_CLOSED');
    expect(served.server.counters.tlsFailures).toBe(2);
    expect([...served.target.queues]).toEqual([]);
  });

  test('where TLS is not required, both ways in are open on one port', async () => {
    served = await serve({ isTls: 'optional', keys: new PskTable(KEYS) });
    const plain = await served.host();
    const secure = await served.host({ address: address(served.port, PSK, 1) });
    expect([...served.target.queues].map(({ transport }) => transport.isSecure)).toEqual([false, true]);
    plain.close();
    secure.close();
  });

  test('a handshake that does not go on is cut off, and so is one of noise', async () => {
    served = await serve({ isTls: 'required', keys: new PskTable(KEYS), limits: { handshakeMs: 50 } });
    const slow = await served.raw();
    slow.write(Buffer.from([0x16, 3, 1, 2, 0]));
    const noise = await served.raw();
    noise.write(Buffer.from([0x16, 3, 1, 0, 4, 9, 9, 9, 9]));
    await Promise.all([slow.ended(), noise.ended()]);
    expect(served.server.counters.timeouts).toBe(1);
    await served.server.close();
    expect(served.server.connectionCount).toBe(0);
    expect(served.server.counters.tlsFailures).toBe(2);
  });

  test('the names in Connect must be those of the key', async () => {
    served = await serve({ isTls: 'required', keys: new PskTable(KEYS) });
    const attempt = HostController.connect({
      ...served.session({ address: address(served.port, PSK, 1) }),
      hostNqn: 'nqn.2024-01.org.example:somebody-else',
    });
    expect(await codeOf(attempt)).toBe('NVMETCP_CLOSED');
    await served.server.close();
    expect(served.log.join()).toContain('the names in Connect are not those of the TLS connection');
    expect([...served.target.subsystems].flatMap(({ controllers }) => [...controllers])).toEqual([]);
  });

  const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
  test.skipIf(!hasOpenssl)('the client of OpenSSL shakes hands, with this cipher suite only', async () => {
    served = await serve({ isTls: 'required', keys: new PskTable(KEYS) });
    const { identity, key } = deriveTlsPsk(parsePsk(PSK), HOST, SUBSYSTEM, 1);
    const shake = (suite: string): Promise<string> =>
      new Promise((resolve) => {
        const child = spawn('openssl', [
          's_client',
          '-connect',
          `127.0.0.1:${served!.port}`,
          '-tls1_3',
          '-ciphersuites',
          suite,
          '-psk_identity',
          identity,
          '-psk',
          Buffer.from(key).toString('hex'),
        ]);
        let out = '';
        const hear = (chunk: Buffer): void => {
          out += chunk.toString();
          if (out.includes('Verify return code') || out.includes('alert')) {
            child.stdin.end();
            child.kill();
          }
        };
        child.stdout.on('data', hear);
        child.stderr.on('data', hear);
        child.on('close', () => resolve(out));
      });
    expect(await shake('TLS_AES_128_GCM_SHA256')).toMatch(
      /Reused, TLSv1\.3, Cipher is TLS_AES_128_GCM_SHA256/,
    );
    expect(served.log).toContain('connect tls');
    expect(await shake('TLS_AES_256_GCM_SHA384')).toMatch(/alert/);
  });
});

import { afterEach, describe, expect, test } from 'vitest';
import {
  formatSecret,
  NvmeTcpError,
  parseSecret,
  type Secret,
  type SessionOptions,
} from '../../../src/serve/nvme-tcp/index.ts';
import { ADMIN_OPCODE } from '../../../src/spec/nvme/index.ts';
import { DHCHAP_GROUP, DHCHAP_HASH, FABRICS_STATUS } from '../../../src/spec/nvmeof/index.ts';
import { HOST, type Served, serve } from './support/served.ts';

function secret(lengthBytes: number, seed: number, transform: Secret['transform']): Secret {
  return { key: Uint8Array.from({ length: lengthBytes }, (_, i) => (i * seed) & 0xff), transform };
}
const KEY = secret(32, 5, 'sha256');
const CONTROLLER_KEY = secret(64, 11, 'sha512');
const ALL_HASHES = Object.values(DHCHAP_HASH);
const ALL_GROUPS = Object.values(DHCHAP_GROUP);

let served: Served | null = null;
afterEach(async () => {
  await served?.close();
  served = null;
});

function proof(more: Partial<NonNullable<SessionOptions['proof']>> = {}): { proof: SessionOptions['proof'] } {
  return { proof: { secret: KEY, controllerSecret: null, hashes: ALL_HASHES, groups: ALL_GROUPS, ...more } };
}

async function errorOf(attempt: Promise<unknown>): Promise<NvmeTcpError | null> {
  try {
    await attempt;
  } catch (error) {
    expect(error).toBeInstanceOf(NvmeTcpError);
    return error as NvmeTcpError;
  }
  return null;
}

const HOST_WITH_KEY = { dhchapKey: formatSecret(KEY) };

describe('DH-HMAC-CHAP', () => {
  const hashes = Object.entries(DHCHAP_HASH);
  const groups = Object.entries(DHCHAP_GROUP);
  const pairs = [
    ...hashes.map((hash) => [hash, groups[1]!] as const),
    ...groups.map((group) => [hashes[0]!, group] as const),
  ];
  test.each(pairs)('a host proves itself with %s and %s, on every queue', async (hash, group) => {
    served = await serve({ hosts: [HOST_WITH_KEY] });
    const host = await served.host(proof({ hashes: [hash[1]], groups: [group[1]] }));
    const queue = await host.openQueue(1, 4);
    expect([...served.target.queues].every((one) => one.isAuthenticated)).toBe(true);
    queue.close();
    host.close();
  });

  test('the controller proves itself when it is asked to', async () => {
    served = await serve({
      hosts: [{ ...HOST_WITH_KEY, dhchapCtrlKey: formatSecret(CONTROLLER_KEY) }],
    });
    const host = await served.host(proof({ controllerSecret: CONTROLLER_KEY }));
    host.close();
    const wrong = proof({ controllerSecret: secret(64, 12, 'sha512') });
    expect((await errorOf(served.host(wrong)))?.code).toBe('NVMETCP_AUTH_CONTROLLER');
  });

  test('a controller without a secret of its own fails a host that asks for one', async () => {
    served = await serve({ hosts: [HOST_WITH_KEY] });
    const error = await errorOf(served.host(proof({ controllerSecret: CONTROLLER_KEY })));
    expect(error?.code).toBe('NVMETCP_AUTH_REFUSED');
  });

  test.each([
    ['another secret', proof({ secret: secret(32, 6, 'sha256') }), 1],
    ['the same secret with another transformation', proof({ secret: { ...KEY, transform: null } }), 1],
    ['no hash that fits', proof({ hashes: [9] }), 4],
    ['no group that fits', proof({ groups: [77] }), 5],
  ] as const)('%s is refused, and the connection ends', async (_name, given, explanation) => {
    served = await serve({ hosts: [HOST_WITH_KEY] });
    const error = await errorOf(served.host(given));
    expect(error?.code).toBe('NVMETCP_AUTH_REFUSED');
    expect(error?.detail.explanation).toBe(explanation);
    expect([...served.target.queues].some((one) => one.isAuthenticated)).toBe(false);
  });

  test('hash and group of the configuration are the only ones', async () => {
    const only = { dhchapHash: 'hmac(sha384)', dhchapDhgroup: 'ffdhe2048' };
    served = await serve({ hosts: [{ ...HOST_WITH_KEY, ...only }] });
    const fine = proof({ hashes: ALL_HASHES, groups: ALL_GROUPS });
    (await served.host(fine)).close();
    const weaker = proof({ groups: [DHCHAP_GROUP.NULL] });
    expect((await errorOf(served.host(weaker)))?.detail.explanation).toBe(5);
  });

  test('before it has proved itself a host gets nothing done', async () => {
    served = await serve({ hosts: [HOST_WITH_KEY] });
    expect((await errorOf(served.host()))?.code).toBe('NVMETCP_AUTH_NO_SECRET');
    // A host that just goes on: commands are refused by the target.
    const { openHostQueue } = await import('../../../src/serve/nvme-tcp/index.ts');
    const ends: number[] = [];
    let onEnd = (): void => {};
    const queue = await openHostQueue(
      { host: '127.0.0.1', port: served.port, psk: null },
      {
        depth: 4,
        onCompletion: ({ status }) => {
          ends.push(status);
          onEnd();
        },
        onClosed: () => {},
      },
    );
    const next = (): Promise<void> =>
      new Promise((resolve) => {
        onEnd = resolve;
      });
    const data = new Uint8Array(1024);
    const view = new DataView(data.buffer);
    data.fill(7, 0, 16);
    view.setUint16(16, 0xffff, true);
    data.set(Buffer.from('nqn.2024-01.org.example:disk'), 256);
    data.set(Buffer.from(HOST), 512);
    const sqe = (opcode: number, type: number, lengthBytes: number, inCapsule: boolean): Uint8Array => {
      const bytes = new Uint8Array(64);
      const out = new DataView(bytes.buffer);
      bytes[0] = opcode;
      bytes[1] = 0x40;
      bytes[4] = type;
      out.setUint32(0x20, lengthBytes, true);
      bytes[0x27] = inCapsule ? 0x01 : 0x5a;
      out.setUint16(0x2c, 31, true);
      return bytes;
    };
    let ended = next();
    queue.submit(0, sqe(ADMIN_OPCODE.FABRICS, 1, 1024, true), data, true);
    await ended;
    ended = next();
    queue.submit(0, sqe(ADMIN_OPCODE.IDENTIFY, 0, 4096, false), new Uint8Array(4096), false);
    await ended;
    expect(ends).toEqual([0, FABRICS_STATUS.AUTHENTICATION_REQUIRED]);
    queue.close();
  });

  test('a host without an entry need not prove itself', async () => {
    served = await serve({ hosts: [HOST_WITH_KEY] });
    (await served.host({ hostNqn: 'nqn.2024-01.org.example:other' })).close();
  });
});

describe('the text of a secret', () => {
  test.each([
    [32, null],
    [48, null],
    [64, null],
    [32, 'sha256'],
    [48, 'sha384'],
    [64, 'sha512'],
  ] as const)('reads what it writes: %s bytes, %s', (lengthBytes, transform) => {
    const wanted = secret(lengthBytes, 3, transform);
    expect(parseSecret(formatSecret(wanted))).toEqual(wanted);
  });

  test('what is not whole is refused', () => {
    const good = formatSecret(KEY);
    const code = (text: string): string => {
      try {
        parseSecret(text);
      } catch (error) {
        return (error as NvmeTcpError).code;
      }
      return 'none';
    };
    expect(code(good.replace('DHHC-1', 'DHHC-2'))).toBe('NVMETCP_SECRET_FORMAT');
    expect(code(good.replace(':01:', ':04:'))).toBe('NVMETCP_SECRET_FORMAT');
    expect(code(good.replace(':01:', ':02:'))).toBe('NVMETCP_SECRET_FORMAT');
    expect(code(formatSecret({ ...KEY, key: KEY.key.subarray(1) }))).toBe('NVMETCP_SECRET_FORMAT');
    const damaged = good.replace(
      /^(DHHC-1:01:.{3})(.)/,
      (_, head, one) => `${head}${one === 'A' ? 'B' : 'A'}`,
    );
    expect(code(damaged)).toBe('NVMETCP_SECRET_CRC');
  });
});

/** The target as people run it: a process of its own, built (`npm run build`), and a host of our own over TCP. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  deriveTlsPsk,
  formatPsk,
  formatSecret,
  HostController,
  type HostSession,
  parsePsk,
} from '../../../src/serve/nvme-tcp/index.ts';
import { hasFfi } from '../../support/ffi.ts';
import { expectRefusal, expectRefused } from '../refusal.ts';
import { runCli, runJson } from '../run-cli.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const program = join(root, 'bin/peerlane.js');
const example = join(root, 'examples/target.json');
// Not below /tmp, which may be memory that takes no direct I/O.
const scratch = mkdtempSync(join(root, 'node_modules/.peerlane-target-'));
const DISK = 'nqn.2024-01.org.example:disk';
const HOST = 'nqn.2024-01.org.example:host-a';
const SIZE_BYTES = 1 << 20;

const running = new Set<ChildProcess>();
afterAll(() => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
  rmSync(scratch, { recursive: true, force: true });
});
beforeAll(() => {
  if (!existsSync(join(root, 'dist/cli/main.js'))) {
    throw new Error('dist/ is missing: the program is built by `npm ci` and by `npm run build`');
  }
});

function fileFor(
  name: string,
  path: string,
  more: { addr?: object; hosts?: object; service?: string } = {},
): string {
  const file = join(scratch, `${name}.json`);
  const value = {
    hosts: [{ nqn: HOST, ...more.hosts }],
    ports: [
      {
        portid: 1,
        addr: { traddr: '127.0.0.1', trsvcid: more.service ?? '0', trtype: 'tcp', ...more.addr },
        subsystems: [DISK],
      },
    ],
    subsystems: [
      { nqn: DISK, allowed_hosts: [HOST], namespaces: [{ nsid: 1, enable: 1, device: { path } }] },
    ],
  };
  writeFileSync(file, JSON.stringify(value));
  return file;
}

function imageFor(name: string): string {
  const path = join(scratch, `${name}.img`);
  writeFileSync(path, '');
  truncateSync(path, SIZE_BYTES);
  return path;
}

interface Server {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly port: number;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** @returns when it is ready */
async function serve(file: string, ...options: readonly string[]): Promise<Server> {
  const child = spawn(process.execPath, [program, 'target', 'serve', file, '--json', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const lines: string[] = [];
  let errors = '';
  child.stderr!.on('data', (text) => {
    errors += text;
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('close', (status, signal) => {
      running.delete(child);
      resolve(status ?? signal);
    }),
  );
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      lines.push(line);
      if (line === '{"event":"ready"}') {
        resolve();
      }
    });
    void ended.then(() => reject(new Error(errors)));
  });
  const head = JSON.parse(lines[0]!) as { listening: readonly { port: number }[] };
  return { child, lines, port: head.listening[0]!.port, ended };
}

function connect(port: number, psk: string | null = null): Promise<HostController> {
  return HostController.connect({
    address: {
      host: '127.0.0.1',
      port,
      psk: psk === null ? null : deriveTlsPsk(parsePsk(psk), HOST, DISK, 1),
    },
    hostNqn: HOST,
    subsystemNqn: DISK,
    hostId: new Uint8Array(16).fill(7),
    depth: 32,
    hasHeaderDigest: true,
    hasDataDigest: true,
    proof: null,
  });
}

function io(queue: HostSession, kind: 'read' | 'write', slba: number, blocks: number, data: Uint8Array) {
  return new Promise<number>((resolve, reject) => {
    queue.onDone = (_token, status) => resolve(status);
    queue.onClosed = reject;
    expect(queue[kind](1, slba, blocks, data, 1)).toBe(true);
  });
}

/** Bytes of a block, by the format in use: LBADS of the first. */
async function blockBytesOf(host: HostController): Promise<number> {
  return 2 ** (await host.identify(0, 1))[130]!;
}

const pattern = (lengthBytes: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: lengthBytes }, (_, i) => (i * 7 + (i >> 9)) & 0xff));

describe('target check', () => {
  it('says what the example would serve', async () => {
    const { status, stdout } = await runCli(['target', 'check', example]);
    expect(status).toBe(0);
    expect(stdout).toContain(
      'nqn.2024-01.org.example:scratch  port 1\n  namespace 1  memory  1 GiB\n  any host\n',
    );
    expect(stdout).toContain('port 1  127.0.0.1 port 4420\n');
  });

  it('shows no secret, and says who must prove itself', async () => {
    const secret = formatSecret({ key: new Uint8Array(32).fill(0x5a), transform: null });
    const file = fileFor('secret', 'memory:1M', { hosts: { dhchap_key: secret } });
    const { status, stdout } = await runCli(['target', 'check', file]);
    expect(status).toBe(0);
    expect(stdout).toContain(`${HOST} must prove itself`);
    const document = await runJson(['target', 'check', file]);
    expect(document).toMatchObject({ hosts: [{ nqn: HOST, mustProveItself: true, wantsProof: false }] });
    expect(stdout + JSON.stringify(document)).not.toContain(secret.slice(8, 28));
  });

  it('is one object as JSON', async () => {
    expect(await runJson(['target', 'check', example])).toMatchObject({
      schema: 'peerlane/target/1',
      subsystems: [{ allowAnyHost: true, namespaces: [{ nsid: 1, kind: 'memory', sizeBytes: 1 << 30 }] }],
      ports: [{ portId: 1, address: '127.0.0.1', service: '4420', tls: false }],
    });
  });

  it('refuses files that are none, and machines', async () => {
    await expectRefusal(['target', 'check', join(scratch, 'none.yaml')], 'INPUT_MISSING');
    await expectRefusal(['target', 'check', scratch], 'INPUT_UNREADABLE');
    await expectRefusal(['-m', example, 'target', 'check', example], 'USAGE_MACHINE_NOT_TAKEN');
    const keys = join(scratch, 'keys');
    writeFileSync(keys, '# none\n\nnqn.a nqn.b NVMeTLSkey-1:01:bm90aGluZw==:\n');
    const line = await expectRefusal(
      ['target', 'check', example, '--tls-keys', keys],
      'TARGET_TLS_KEYS',
      'keys:3',
    );
    expect(line).not.toContain('bm90');
  });
});

describe('target serve', () => {
  it.skipIf(!hasFfi())('a file holds what a host wrote when SIGTERM has drained it', async () => {
    const image = imageFor('drained');
    const server = await serve(fileFor('drained', image), '--log');
    const host = await connect(server.port);
    const queue = await host.openQueue(1, 8);
    const blockBytes = await blockBytesOf(host);
    const wanted = pattern(256 << 10);
    const blocks = wanted.length / blockBytes;
    expect(await io(queue, 'write', 16, blocks, wanted)).toBe(0);
    const got = Buffer.alloc(wanted.length);
    expect(await io(queue, 'read', 16, blocks, got)).toBe(0);
    expect(got.equals(wanted)).toBe(true);
    // One more is on its way when the signal comes: it is answered, or the connection ends without an answer.
    const last = io(queue, 'write', 0, 1, wanted.subarray(0, blockBytes)).catch(() => -1);
    server.child.kill('SIGTERM');
    const answered = await last;
    expect(await server.ended).toBe(0);
    const held = readFileSync(image);
    expect(held.subarray(16 * blockBytes, 16 * blockBytes + wanted.length).equals(wanted)).toBe(true);
    if (answered === 0) {
      expect(held.subarray(0, blockBytes).equals(wanted.subarray(0, blockBytes))).toBe(true);
    }
    const events = server.lines.map((line) => JSON.parse(line) as { event?: string });
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['connected', 'log', 'draining']),
    );
    expect(events.at(-1)).toMatchObject({
      event: 'end',
      counters: {
        namespaces: [
          { kind: 'file', counters: { readCommands: 1, readBytes: wanted.length, failedCommands: 0 } },
        ],
      },
    });
  });

  it.each([
    ['SIGTERM', 0],
    ['SIGINT', 130],
  ] as const)('%s ends it with %s, hosts connected or not', async (signal, status) => {
    const server = await serve(fileFor(signal, 'memory:1M'));
    const host = await connect(server.port);
    const ended = new Promise((resolve) => {
      host.admin.onClosed = resolve;
    });
    server.child.kill(signal);
    expect(await server.ended).toBe(status);
    await ended;
  });

  it('over TLS only, with the keys of a file', async () => {
    const psk = formatPsk({ key: new Uint8Array(32).fill(9), transform: 'sha256' });
    const keys = join(scratch, 'good-keys');
    writeFileSync(keys, `${HOST} ${DISK} ${psk}  # ours\n`);
    const file = fileFor('tls', 'memory:1M', { addr: { tsas: 'tls1.3', treq: 'required' } });
    await expectRefusal(['target', 'serve', file], 'TARGET_CONFIG', '--tls-keys');
    const server = await serve(file, '--tls-keys', keys);
    await expect(connect(server.port)).rejects.toThrow();
    const host = await connect(server.port, psk);
    host.close();
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(0);
    expect(server.lines.join('\n')).toContain('"secure":true');
    expect(server.lines.join('\n')).not.toContain(psk.slice(20, 40));
  });

  it('refuses what cannot be served, before anything listens', async () => {
    await expectRefusal(
      ['target', 'serve', fileFor('missing', join(scratch, 'none.img'))],
      'HOST_NO_SUCH_PATH',
    );
    const empty = join(scratch, 'empty.img');
    writeFileSync(empty, '');
    const refused = await runCli(['target', 'serve', fileFor('empty', empty)]);
    expectRefused(refused, hasFfi() ? 'TARGET_BACKEND' : 'HOST_NO_FFI');
  });

  it('is started and failed where a port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    const { status, stderr } = await runCli([
      'target',
      'serve',
      fileFor('taken', 'memory:1M', { service: String(port) }),
    ]);
    other.close();
    expect(status).toBe(3);
    expect(stderr).toContain('NVMETCP_LISTEN');
  });

  it.skipIf(!hasFfi())('serves a file once, whatever it is called', async () => {
    const image = imageFor('twice');
    const file = fileFor('twice', image);
    const value = JSON.parse(readFileSync(file, 'utf8'));
    value.subsystems[0].namespaces.push({
      nsid: 2,
      enable: 1,
      device: { path: `${scratch}/../${scratch.split('/').at(-1)}/twice.img` },
    });
    writeFileSync(file, JSON.stringify(value));
    await expectRefusal(['target', 'serve', file], 'HOST_IN_USE', 'namespace 1');
  });

  it.skipIf(!hasFfi())('claims a block device while it serves it, and lets go of it', async () => {
    const image = imageFor('loop');
    const made = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' });
    if (made.status !== 0) {
      console.log('skipped: no loop devices here (root and losetup make them)');
      return;
    }
    const device = made.stdout.trim();
    try {
      const file = fileFor('loop', device);
      const server = await serve(file);
      await expectRefusal(['target', 'serve', file], 'HOST_IN_USE');
      const host = await connect(server.port);
      const queue = await host.openQueue(1, 8);
      const blockBytes = await blockBytesOf(host);
      const wanted = pattern(64 << 10);
      expect(await io(queue, 'write', 8, wanted.length / blockBytes, wanted)).toBe(0);
      server.child.kill('SIGTERM');
      expect(await server.ended).toBe(0);
      expect(JSON.parse(server.lines.at(-1)!)).toMatchObject({
        counters: { namespaces: [{ kind: 'block' }] },
      });
      const held = readFileSync(device);
      expect(held.subarray(8 * blockBytes, 8 * blockBytes + wanted.length).equals(wanted)).toBe(true);
      const again = await serve(file);
      again.child.kill('SIGTERM');
      expect(await again.ended).toBe(0);
    } finally {
      spawnSync('losetup', ['--detach', device]);
    }
  });

  it.skipIf(!hasFfi() || !existsSync('/proc/self/mountinfo'))(
    'refuses the device of a mounted file system',
    () => {
      const mounted = readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .map((line) => / - \S+ (\/dev\/\S+) /.exec(line)?.[1])
        .find((path) => path !== undefined && existsSync(path));
      if (mounted === undefined) {
        console.log('skipped: no device is mounted here');
        return;
      }
      const ran = spawnSync(process.execPath, [program, 'target', 'serve', fileFor('mounted', mounted)], {
        encoding: 'utf8',
      });
      expect(ran.status).toBe(2);
      expect(ran.stderr).toMatch(/\[HOST_(IN_USE|NO_PERMISSION)\]/);
    },
  );
});

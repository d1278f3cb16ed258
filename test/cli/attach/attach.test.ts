/** The program as people run it: a process of its own, built (`npm run build`), with its thread, sockets and signals. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasFfi } from '../../support/ffi.ts';
import { expectRefused } from '../refusal.ts';
import { runCli } from '../run-cli.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const program = join(root, 'bin/peerlane.js');
const scratch = mkdtempSync(join(tmpdir(), 'peerlane-attach-'));
const lab = join(scratch, 'lab.yaml');
writeFileSync(
  lab,
  'peerlane: lab/1\nmemory: 2G\nbelow: [{nvme: nvme0, cmb: 2M}, {nvme: nvme1}, {memory: card0}]\n',
);

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

interface Server {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

/** @returns when it is ready */
async function attach(dir: string, ...options: readonly string[]): Promise<Server> {
  const child = spawn(process.execPath, [program, 'lab', lab, 'attach', '--dir', dir, '--json', ...options], {
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
  return { child, lines, ended };
}

function control(dir: string, ...words: readonly string[]) {
  return spawnSync(process.execPath, [program, 'control', dir, ...words], { encoding: 'utf8' });
}

describe.skipIf(!hasFfi())('attach', () => {
  it('says what QEMU needs, serves, answers, and ends without a trace when it is told to', async () => {
    const dir = join(scratch, 'told');
    const server = await attach(dir);
    const head = JSON.parse(server.lines[0]!);
    expect(head).toMatchObject({
      schema: 'peerlane/attach/1',
      control: join(dir, 'control.sock'),
      devices: { nvme0: { socket: join(dir, 'nvme0.sock') }, card0: { socket: join(dir, 'card0.sock') } },
    });
    expect(head.args.join(' ')).toContain(join(dir, 'nvme1.sock'));
    expect(head.changes.length).toBeGreaterThan(0);
    expect(readdirSync(dir).sort()).toEqual(['card0.sock', 'control.sock', 'nvme0.sock', 'nvme1.sock']);

    const status = JSON.parse(control(dir, 'status', '--json').stdout);
    expect(status).toMatchObject({
      schema: 'peerlane/control/1',
      pid: server.child.pid,
      logs: [],
      faults: [],
    });
    const rule = '{"device": "nvme0", "do": "drop", "opcode": "read"}';
    expect(JSON.parse(control(dir, 'fault', 'add', rule, '--json').stdout)).toMatchObject({ id: 1 });
    expect(control(dir, 'fault').stdout).toContain('"do":"drop"');
    expect(control(dir, 'fault', 'remove', '1')).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expectRefused(fromSpawn(control(dir, 'fault', 'remove', '1')), 'USAGE_FAULT');
    expectRefused(fromSpawn(control(dir, 'eject', 'nvme7')), 'USAGE_DEVICE', 'nvme0');
    expect(control(dir, 'counters').stdout).toMatch(/^device +state[^\n]*\nnvme0 +waiting/);

    expect(control(dir, 'quit').status).toBe(0);
    expect(await server.ended).toBe(0);
    expect(JSON.parse(server.lines.at(-1)!)).toMatchObject({
      event: 'end',
      counters: { devices: [{}, {}, {}] },
    });
    expect(existsSync(dir)).toBe(false);
    expectRefused(fromSpawn(control(dir, 'status')), 'HOST_NO_SERVER');
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends at %s with its number, sockets gone, whoever is connected', async (signal, status) => {
    const dir = join(scratch, signal);
    const server = await attach(dir);
    // One that says nothing, and one that says nonsense.
    const silent = connect(join(dir, 'nvme0.sock')).on('error', () => {});
    const loud = connect(join(dir, 'nvme1.sock')).on('error', () => {});
    loud.write('nonsense'.repeat(100));
    await new Promise((resolve) => loud.once('close', resolve));
    server.child.kill(signal);
    expect(await server.ended).toBe(status);
    expect(existsSync(dir)).toBe(false);
    silent.destroy();
    expect(server.lines.join('\n')).toContain('"event":"disconnected"');
  });

  it('takes signals that come together for one, as `timeout` and `npx` send them', async () => {
    const dir = join(scratch, 'twice');
    const server = await attach(dir);
    server.child.kill('SIGTERM');
    server.child.kill('SIGINT');
    expect([130, 143]).toContain(await server.ended);
    expect(existsSync(dir)).toBe(false);
  });

  it('takes the place of one that was killed, and of no other', async () => {
    const dir = join(scratch, 'killed');
    const first = await attach(dir);
    const second = spawnSync(process.execPath, [program, 'lab', lab, 'attach', '--dir', dir], {
      encoding: 'utf8',
    });
    expectRefused(fromSpawn(second), 'HOST_ALREADY_SERVED', 'control');
    first.child.kill('SIGKILL');
    expect(await first.ended).toBe('SIGKILL');
    expect(existsSync(join(dir, 'nvme0.sock'))).toBe(true);
    const third = await attach(dir);
    third.child.kill('SIGTERM');
    expect(await third.ended).toBe(143);
    // It was there before.
    expect(readdirSync(dir)).toEqual([]);
  });

  it('ends when its reader goes away, with nothing left', () => {
    const dir = join(scratch, 'pipe');
    const script = `"${process.execPath}" "${program}" lab "${lab}" attach --dir "${dir}" --json --log all | head -1 > "${scratch}/head"; echo "$\{PIPESTATUS[0]}"`;
    const poke = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    running.add(poke);
    return new Promise<void>((resolve, reject) => {
      const timer = setInterval(() => {
        // Something to say, which nobody hears: the program ends at that.
        if (existsSync(join(dir, 'nvme0.sock'))) {
          connect(join(dir, 'nvme0.sock'))
            .on('error', () => {})
            .end('nonsense'.repeat(10));
        }
      }, 50);
      poke.once('close', () => {
        clearInterval(timer);
        running.delete(poke);
        try {
          expect(JSON.parse(readFileSync(join(scratch, 'head'), 'utf8')).schema).toBe('peerlane/attach/1');
          expect(existsSync(join(dir, 'nvme0.sock'))).toBe(false);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  });

  it('writes its log to a file', async () => {
    const dir = join(scratch, 'logged');
    const log = join(scratch, 'registers.log');
    const server = await attach(dir, '--log', 'maps', '--log-file', log, '--devices', 'nvme1');
    expect(readdirSync(dir).sort()).toEqual(['control.sock', 'nvme1.sock']);
    expect(JSON.parse(server.lines[0]!).args.join(' ')).not.toContain('nvme0.sock');
    expect(control(dir, 'log', 'registers,dma').status).toBe(0);
    expect(JSON.parse(control(dir, 'status', '--json').stdout).logs).toEqual(['registers', 'dma']);
    server.child.kill('SIGTERM');
    expect(await server.ended).toBe(143);
    expect(readFileSync(log, 'utf8')).toBe('');
  });
});

describe('attach, vm and control', () => {
  it.each([
    [['attach'], 'USAGE_LAB_ONLY'],
    [['lab', lab, 'attach', '--devices', 'nvme0,nvme9'], 'USAGE_DEVICE'],
    [['lab', lab, 'attach', '--log', 'noise'], 'USAGE_LOG'],
    [['lab', lab, 'attach', '--dir', '/proc/peerlane'], 'HOST_WRITE_FAILED'],
    [['lab', lab, 'attach', '--memory', '0'], '1 or more'],
    [['lab', lab, 'attach', '--patience', '3000000'], 'at most'],
    [['lab', lab, 'attach', '--dir', `/tmp/${'x'.repeat(120)}`], 'USAGE_SOCKET_PATH'],
    [['lab', lab, 'attach', '--dir', lab], 'HOST_WRITE_FAILED'],
    [['lab', lab, 'attach', '--log-file', '/nowhere/log'], 'HOST_WRITE_FAILED'],
    [['lab', lab, 'vm'], 'USAGE_VM_BOOT'],
    [['lab', lab, 'vm', '--disk', lab, '--', 'true'], 'USAGE_VM_COMMAND'],
    [['lab', lab, 'vm', '--kernel', '/nowhere', '--', 'true'], 'USAGE_VM_KERNEL'],
    [['lab', lab, 'vm', '--disk', lab, '--qemu', '/bin/true'], 'HOST_NO_VFIO_USER'],
    [['lab', lab, 'control', scratch], 'USAGE_MACHINE_NOT_TAKEN'],
    [['control', scratch, 'bogus'], 'USAGE_CONTROL'],
    [['control', scratch, 'fault', 'add', 'no json'], 'USAGE_CONTROL'],
    [['control', scratch, 'fault', 'remove', 'x'], 'USAGE_CONTROL'],
    [['control', scratch, 'log'], 'USAGE_CONTROL'],
    [['control', scratch], 'HOST_NO_SERVER'],
  ])('%j is refused', async (args, code) => {
    const result = await runCli(args);
    expectRefused(result, code);
  });
});

function fromSpawn({ status, stdout, stderr }: { status: number | null; stdout: string; stderr: string }) {
  return { status: status ?? -1, stdout, stderr };
}

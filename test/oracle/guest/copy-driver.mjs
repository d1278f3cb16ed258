/**
 * Runs in the guest: the command line in this one process, because starting Node is what takes time on an emulated CPU.
 * Scenarios import it; what they keep goes to the test through $LAB/out.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

const repository = process.env.REPOSITORY;
const out = `${process.env.LAB}/out`;
const { run } = await import(`${repository}dist/cli/program.js`);
export const linux = await import(`${repository}dist/linux/index.js`);
export const orchestrators = await import(`${repository}dist/orchestrators/index.js`);
export const peerlane = `${repository}bin/peerlane.js`;

/** `a` is the drive with peer memory, `b` the other: addresses, and as capitals their devices. */
export function findDrives() {
  const drives = {};
  for (const controller of readdirSync('/sys/class/nvme')) {
    const device = `/sys/class/nvme/${controller}/device`;
    const name = existsSync(`${device}/p2pmem`) ? 'a' : 'b';
    drives[name] = basename(readlinkSync(device));
    drives[name.toUpperCase()] = `/dev/${controller}n1`;
  }
  return drives;
}

export function keep(name, value) {
  writeFileSync(`${out}/${name}`, typeof value === 'string' ? value : JSON.stringify(value));
}

export function available(address) {
  return Number(readFileSync(`/sys/bus/pci/devices/${address}/p2pmem/available`, 'utf8'));
}

/** A command line, with nobody to ask. Keeps and returns its status and what it printed. */
export async function cli(name, ...args) {
  const result = { status: -1, out: '', err: '' };
  result.status = await run(args, '0.0.0-test', {
    out: async (text) => {
      result.out += text;
    },
    err: (text) => {
      result.err += text;
    },
    outIsTerminal: false,
    errIsTerminal: false,
    columns: 100,
    ask: async () => undefined,
  });
  keep(name, result);
  return result;
}

/** Another program, to its end. */
export function sh(command) {
  const { status, stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
  return { status, out: stdout, err: stderr };
}

/** Another program, without waiting for it in this thread: what it does may wait for us. */
export function shLater(command) {
  return new Promise((resolve) => spawn('bash', ['-c', command]).once('exit', resolve));
}

/** Requests that the drives have finished reading. */
function readsDone() {
  const drives = readdirSync('/sys/class/block').filter((name) => /^nvme\d+n1$/.test(name));
  return drives.reduce(
    (sum, name) => sum + Number(readFileSync(`/sys/class/block/${name}/stat`, 'utf8').trim().split(/\s+/)[0]),
    0,
  );
}

/** A command line, and something that happens while it runs: when it has mapped the memory of `provider` and read from it. */
export async function during(name, provider, action, ...args) {
  const before = available(provider);
  let isOver = false;
  const running = cli(name, ...args).finally(() => {
    isOver = true;
  });
  const turn = () => new Promise((resolve) => setTimeout(resolve, 5));
  while (!isOver && available(provider) === before) {
    await turn();
  }
  const start = readsDone();
  while (!isOver && readsDone() - start < 50) {
    await turn();
  }
  await action();
  return running;
}

export function story(action) {
  try {
    action();
    return 'no error';
  } catch (error) {
    return {
      code: error.code,
      message: error.message,
      hint: error.hint,
      exitStatus: error.exitStatus,
      detail: error.detail,
    };
  }
}

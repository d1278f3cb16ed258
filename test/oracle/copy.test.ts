/**
 * Copies through real peer memory: in a virtual machine, with a running Linux kernel between us and the drives, judged by
 * programs that know nothing of peerlane (cmp, sha256sum) and by the drives' images after the machine is gone.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STATUS } from '../../src/access/index.ts';
import { SeededRandom } from '../../src/base/index.ts';
import { labAvailable } from './cache.ts';
import { type MachineSpec, machines } from './machines.ts';
import { type BootResult, bootAndRun } from './vm.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const DRIVE_BYTES = 32 * 1024 * 1024;
const SEED = 20_260_101;

const driver = readFileSync(new URL('guest/copy-driver.mjs', import.meta.url));

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

class GuestRun {
  readonly boot: BootResult;
  readonly a: string;
  readonly b: string;

  constructor(boot: BootResult) {
    this.boot = boot;
    const drives = this.kept('drives') as { a: string; b: string };
    this.a = drives.a;
    this.b = drives.b;
  }

  /** What the scenario kept under a name. */
  kept(name: string): unknown {
    const file = this.boot.files.get(name);
    if (file === undefined) {
      throw new Error(`the guest left no ${name}\n${this.boot.stderr}\n${this.boot.console}`);
    }
    return JSON.parse(file.toString());
  }

  of(name: string): Outcome {
    return this.kept(name) as Outcome;
  }

  json(name: string): Record<string, unknown> {
    const { out, err } = this.of(name);
    try {
      return JSON.parse(out) as Record<string, unknown>;
    } catch {
      throw new Error(`${name} printed no JSON: ${out}\n${err}`);
    }
  }
}

const found = labAvailable();

describe.skipIf(!found.ok)(`copying in a virtual machine${found.ok ? '' : `: ${found.why}`}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'peerlane-copy-'));
  const drives = { a: join(folder, 'a.img'), b: join(folder, 'b.img') };
  const random = new SeededRandom(SEED);
  const content = new Uint8Array(new Uint32Array(DRIVE_BYTES / 4).map(() => random.next32()).buffer);

  /** Boots the machine with fresh drives and runs a scenario in it: a module that has the driver's names in scope. */
  async function run(machine: MachineSpec, scenario: string): Promise<GuestRun> {
    if (!found.ok) {
      return expect.unreachable();
    }
    writeFileSync(drives.a, content);
    writeFileSync(drives.b, new Uint8Array(DRIVE_BYTES));
    const names =
      'available, cli, during, findDrives, keep, linux, orchestrators, peerlane, sh, shLater, story';
    const boot = await bootAndRun({
      lab: found.lab,
      machine,
      drives,
      hostRoot: true,
      files: {
        'copy-driver.mjs': driver,
        'scenario.mjs': `import { ${names} } from './copy-driver.mjs';\nlet { a, b, A, B } = findDrives();\nkeep('drives', { a, b });\n${scenario}`,
      },
      script: `REPOSITORY=${repository} node $LAB/scenario.mjs`,
      hangLimitMs: 600_000,
    });
    expect(boot.status, boot.stderr).toBe(0);
    return new GuestRun(boot);
  }

  beforeAll(() => {
    if (!existsSync(join(repository, 'dist/cli/main.js'))) {
      throw new Error('the package is not built: npm run build');
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  describe('two drives behind one switch', () => {
    let guest: GuestRun;
    beforeAll(async () => {
      guest = await run(
        machines.sharedSwitch,
        `
const before = available(a);
// As a process of its own, as people run it.
keep('copy', sh(\`node \${peerlane} copy \${A} \${B} --verify --yes --json\`));
keep('available', { before, after: available(a) });
keep('cmp', sh(\`cmp \${A} \${B}\`));
keep('sha256', sh(\`sha256sum < \${B}\`));
await cli('back', 'copy', B, A, '--via', a, '--offset', '1M', '--size', '3M', '--chunk', '256k', '--depth', '3', '--yes', '--json');
// By name. Which number the drive got depends on which of the two was probed first.
await cli('text', 'copy', A, B, '--via', A.slice('/dev/'.length, -'n1'.length), '--size', '2M', '--yes');
await cli('bench', 'bench', A, '--block', '64k', '--depth', '4', '--count', '20', '--rounds', '2', '--random', '--json');
`,
      );
    });

    it('copies through the memory of the nearest provider and verifies', () => {
      const result = guest.json('copy');
      expect(guest.of('copy').status).toBe(0);
      expect(result).toMatchObject({
        schema: 'peerlane/copy/1',
        outcome: 'done',
        trust: 'verified',
        copiedBytes: DRIVE_BYTES,
        certainBytes: DRIVE_BYTES,
        isFlushed: true,
        route: { kind: 'peer', provider: guest.a, isFallback: false },
        verify: { outcome: 'equal', comparedBytes: DRIVE_BYTES },
      });
    });

    it('and other programs agree: cmp in the guest, a checksum, and the image afterwards', () => {
      expect(guest.of('cmp')).toEqual({ status: 0, out: '', err: '' });
      expect(guest.of('sha256').out.split(' ')[0]).toBe(createHash('sha256').update(content).digest('hex'));
      expect(Buffer.compare(readFileSync(drives.b), content)).toBe(0);
    });

    it('gives the memory back', () => {
      const { before, after } = guest.kept('available') as { before: number; after: number };
      expect(after).toBe(before);
    });

    it('goes the other way, with a named provider and a range', () => {
      expect(guest.json('back')).toMatchObject({
        outcome: 'done',
        copiedBytes: 3 << 20,
        chunkBytes: 256 << 10,
        depth: 3,
        trust: 'transferred',
      });
    });

    it('measures peer against host memory in alternating rounds', () => {
      const result = guest.json('bench') as {
        ratio: number;
        sides: { rounds: { items: number }[]; latency: { read: { count: number } } }[];
      };
      expect(result).toMatchObject({
        schema: 'peerlane/bench/1',
        outcome: 'done',
        depth: 4,
        route: { provider: guest.a },
      });
      expect(result.sides.map((side) => side.rounds.map((round) => round.items))).toEqual([
        [20, 20],
        [20, 20],
      ]);
      expect(result.ratio).toBeGreaterThan(0);
    });

    it('prints what it did for people', () => {
      const { status, out, err } = guest.of('text');
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(out).toContain(`route: peer memory of ${guest.a} (bus-addr)`);
      expect(out).toContain('trust: transferred');
      expect(out).toMatch(/p99\.9/);
    });
  });

  describe('what can go wrong', () => {
    let guest: GuestRun;
    beforeAll(async () => {
      guest = await run(
        machines.sharedSwitch,
        `
await cli('unasked', 'copy', A, B);
await cli('same', 'copy', A, A, '--yes');
await cli('no_provider', 'copy', A, B, '--via', b, '--yes');

const tree = linux.liveTree();
const free = available(a);
const all = linux.allocatePeerMemory(tree, a, free);
keep('exhausted', {
  free,
  oneMore: story(() => linux.allocatePeerMemory(tree, a, 4096)),
  auto: await cli('auto', 'copy', A, B, '--yes'),
  named: await cli('named', 'copy', A, B, '--via', a, '--yes'),
  after: story(() => { all.close(); all.close(); linux.allocatePeerMemory(tree, a, free).close(); }),
});
const most = linux.allocatePeerMemory(tree, a, free - 3 * 65536);
await cli('small', 'copy', A, B, '--yes', '--json', '--size', '2M', '--chunk', '64k');
most.close();

const look = linux.liveTree;
// Files are judged by the effective user and group.
process.setgroups([65534]);
process.setegid(65534);
process.seteuid(65534);
const withoutRoot = {
  memory: story(() => linux.allocatePeerMemory(look(), a, 4096)),
  device: story(() => linux.openBlockTarget(A, { look })),
};
process.seteuid(0);
process.setegid(0);
keep('not_root', withoutRoot);

const held = linux.openBlockTarget(B, { look, write: true });
await cli('held', 'copy', A, B, '--yes');
await held.close();
sh(\`mkswap \${B} && swapon \${B}\`);
await cli('swap', 'copy', A, B, '--yes');
sh(\`swapoff \${B}\`);

// A partition table with one partition of type 83 from sector 2048 on.
const { openSync, writeSync, fsyncSync, closeSync } = await import('node:fs');
const writeTable = (entry, signature) => {
  const fd = openSync(B, 'r+');
  const sector = Buffer.alloc(512);
  Buffer.from(entry).copy(sector, 446);
  Buffer.from(signature).copy(sector, 510);
  writeSync(fd, sector, 0, 512, 0);
  fsyncSync(fd);
  closeSync(fd);
  sh(\`blockdev --rereadpt \${B}\`);
};
writeTable([0, 0x20, 0x21, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0x40, 0, 0], [0x55, 0xaa]);
await cli('partitions', 'copy', A, B, '--yes');
await cli('partition', 'copy', A, B + 'p1', '--size', '1M', '--yes', '--json');
writeTable([], []);
sh(\`blockdev --setro \${B}\`);
await cli('read_only', 'copy', A, B, '--yes');
sh(\`blockdev --setrw \${B}\`);

const before = available(a);
const slow = ['--chunk', '4k', '--depth', '2', '--yes', '--json'];
await during('interrupted', a, () => process.kill(process.pid, 'SIGINT'), 'copy', A, B, ...slow);
await during('terminated', a, () => process.kill(process.pid, 'SIGTERM'), 'bench', A, '--block', '4k', '--seconds', '600', '--rounds', '1', '--json');
keep('available', { before, after: available(a) });
await during('removed', a, () => shLater(\`echo 1 > /sys/bus/pci/devices/\${b}/remove\`), 'copy', A, B, ...slow);
sh('echo 1 > /sys/bus/pci/rescan; for i in 1 2 3 4 5 6 7 8 9; do [ -e /sys/bus/pci/devices/' + b + '/nvme/*/nvme*n1 ] && break; sleep 0.3; done');
({ a, b, A, B } = findDrives());
await during('unbound', a, async () => keep('unbind', String(await shLater(\`echo \${a} > /sys/bus/pci/drivers/nvme/unbind\`))), 'copy', B, A, '--via', a, ...slow);
`,
      );
    });

    it('without --yes nothing is written in a script', () => {
      const { status, out, err } = guest.of('unasked');
      expect({ status, out }).toEqual({ status: 2, out: '' });
      expect(err).toMatch(/^peerlane: .*COPY_NOT_CONFIRMED\]\n$/);
    });

    it('source and destination must differ', () => {
      expect(guest.of('same')).toMatchObject({
        status: 2,
        err: expect.stringContaining('USAGE_SAME_TARGET'),
      });
    });

    it('a function without peer memory says what it would need', () => {
      const { status, err } = guest.of('no_provider');
      expect(status).toBe(2);
      expect(err).toContain('P2P_NO_PROVIDER');
      expect(err).toContain('CMB');
    });

    it('a pool that is all in use: figures, refusal by auto, and room again after close', () => {
      const answers = guest.kept('exhausted') as Record<string, unknown>;
      const { free } = answers as { free: number };
      expect(free).toBeGreaterThan(60 << 20);
      expect(answers).toMatchObject({
        oneMore: {
          code: 'P2P_POOL_EXHAUSTED',
          exitStatus: 2,
          detail: { askedBytes: 4096, sizeBytes: 64 << 20, availableBytes: 0, errno: 'ENOMEM' },
        },
        auto: { status: 1, err: expect.stringContaining('peer memory is all in use') },
        named: { status: 2, err: expect.stringContaining('P2P_POOL_EXHAUSTED') },
        after: 'no error',
      });
    });

    it('a pool with little room: fewer chunks in flight', () => {
      expect(guest.json('small')).toMatchObject({ outcome: 'done', chunkBytes: 65536, depth: 3 });
    });

    it('without root', () => {
      expect(guest.kept('not_root')).toMatchObject({
        memory: { code: 'P2P_NO_PERMISSION', exitStatus: 2, hint: expect.stringContaining('run as root') },
        device: { code: 'HOST_NO_PERMISSION', exitStatus: 2, hint: 'run as root' },
      });
    });

    it.each([
      ['held', 'HOST_IN_USE'],
      ['swap', 'is swap space'],
      ['partitions', 'HOST_HAS_PARTITIONS'],
      ['read_only', 'HOST_READ_ONLY'],
    ])('a destination that must not be written (%s) is refused', (name, text) => {
      const { status, err } = guest.of(name);
      expect(status).toBe(2);
      expect(err).toContain(text);
      expect(err.trim().split('\n')).toHaveLength(1);
    });

    it('a partition is a destination', () => {
      expect(guest.json('partition')).toMatchObject({ outcome: 'done', copiedBytes: 1 << 20 });
    });

    it('a signal: the summary is printed, the status is 128 + n, the memory is given back', () => {
      expect(guest.of('interrupted').status).toBe(130);
      const result = guest.json('interrupted') as { certainBytes: number; copiedBytes: number };
      expect(result).toMatchObject({ outcome: 'stopped', isFlushed: true, exitStatus: 130 });
      expect(result.copiedBytes).toBe(result.certainBytes);
      expect(result.copiedBytes).toBeGreaterThan(0);
      expect(result.copiedBytes).toBeLessThan(DRIVE_BYTES);
      expect(guest.of('terminated').status).toBe(143);
      expect(guest.json('terminated')).toMatchObject({ outcome: 'stopped' });
      const { before, after } = guest.kept('available') as { before: number; after: number };
      expect(after).toBe(before);
    });

    it.each(['removed', 'unbound'])(
      'a device that goes in mid-copy (%s): what was copied is told, exit 3, no crash',
      (name) => {
        const { status, err } = guest.of(name);
        expect({ status, err }).toMatchObject({ status: 3, err: expect.stringContaining('COPY_FAILED') });
        const result = guest.json(name) as {
          certainBytes: number;
          copiedBytes: number;
          failure: { status: string };
        };
        expect(result).toMatchObject({ outcome: 'failed', trust: 'transferred' });
        expect(result.failure).toMatchObject({ status: 'gone' });
        expect(result.copiedBytes).toBeGreaterThanOrEqual(result.certainBytes);
        expect(result.certainBytes).toBeGreaterThan(0);
        expect(result.copiedBytes).toBeLessThan(DRIVE_BYTES);
      },
    );

    it('the driver can be unbound although its memory was mapped', () => {
      expect(guest.kept('unbind')).toBe(0);
    });
  });

  describe('two drives below different root ports', () => {
    it('Intel: refused with the right reasons; host memory only with --fallback; the kernel says the same', async () => {
      const guest = await run(
        machines.separateRootPortsIntel,
        `
await cli('auto', 'copy', A, B, '--yes');
await cli('named', 'copy', A, B, '--via', a, '--yes');
await cli('bench', 'bench', B, '--via', a, '--count', '1');
await cli('fallback', 'copy', A, B, '--fallback', '--verify', '--yes', '--json');
keep('cmp', sh(\`cmp \${A} \${B}\`));
sh(\`dd if=/dev/zero of=\${B} bs=1M count=1 conv=fsync,notrunc\`);
const look = linux.liveTree;
const source = linux.openBlockTarget(A, { look });
const target = linux.openBlockTarget(B, { look, write: true });
const span = linux.allocatePeerMemory(look(), a, 65536);
const copy = new orchestrators.Copy({
  source, target, span, sourceOffsetBytes: 0, targetOffsetBytes: 0, lengthBytes: 65536, chunkBytes: 65536, depth: 1,
  nowNs: () => performance.now() * 1e6,
});
keep('kernel', await copy.run());
await source.close();
await target.close();
span.close();
`,
      );
      for (const name of ['auto', 'named', 'bench']) {
        const { status, out, err } = guest.of(name);
        expect({ name, status, out }).toEqual({ name, status: 1, out: '' });
        expect(err).toContain('RC_NOT_LISTED');
        expect(err).toContain('8086:29c0');
        expect(err).toContain('COPY_NO_ROUTE');
      }
      expect(guest.of('fallback').status).toBe(0);
      expect(guest.json('fallback')).toMatchObject({
        outcome: 'done',
        trust: 'verified',
        route: { kind: 'host', isFallback: true },
      });
      expect(guest.of('cmp').status).toBe(0);
      // Asked directly, the kernel refuses the leg to the drive that cannot reach the memory, and nothing is written.
      expect(guest.kept('kernel')).toMatchObject({
        outcome: 'failed',
        copiedBytes: 0,
        failure: { phase: 'write', status: STATUS.UNREACHABLE, code: 'EINVAL' },
      });
      expect(
        readFileSync(drives.b)
          .subarray(0, 65536)
          .every((byte) => byte === 0),
      ).toBe(true);
    });

    it('AMD: copies through the host bridge', async () => {
      const guest = await run(
        machines.separateRootPortsAmd,
        `await cli('copy', 'copy', A, B, '--verify', '--yes', '--json');`,
      );
      expect(guest.of('copy').err).toBe('');
      expect(guest.json('copy')).toMatchObject({
        outcome: 'done',
        trust: 'verified',
        route: {
          kind: 'peer',
          provider: guest.a,
          mapTypes: [{ client: guest.a }, { client: guest.b, mapType: 'thru-host-bridge', distance: 4 }],
        },
      });
      expect(Buffer.compare(readFileSync(drives.b), content)).toBe(0);
    });
  });
});

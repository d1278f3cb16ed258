import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { bootOf, vmArguments } from '../../../src/cli/vm/vm-options.ts';
import { parseLab, qemuCommand } from '../../../src/lab/index.ts';

const scratch = mkdtempSync(join(tmpdir(), 'peerlane-vm-options-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const file = (name: string, text = ''): string => {
  writeFileSync(join(scratch, name), text);
  return join(scratch, name);
};
const kernel = file('vmlinuz');
const initrd = file('initrd');
const raw = file('raw.img', 'raw');
const qcow2 = file('disk.qcow2', '');
writeFileSync(qcow2, Buffer.from('QFI\xfb....', 'latin1'));

const lab = parseLab('peerlane: lab/1\nmemory: 2G\nbelow: [{nvme: nvme0}]\n', 'lab.yaml');
const command = qemuCommand(lab, { served: new Map([['nvme0', '/run/vm/nvme0.sock']]), memoryMb: 512 });

describe('what is booted', () => {
  it.each([
    ['nothing', {}, [], 'USAGE_VM_BOOT'],
    ['an initrd alone', { initrd }, [], 'USAGE_VM_BOOT'],
    ['an initrd with a disk, without a kernel', { initrd, disk: raw }, [], 'USAGE_VM_BOOT'],
    ['a kernel with nothing to run', { kernel }, [], 'USAGE_VM_BOOT'],
    ['a command on a disk', { disk: raw }, ['true'], 'USAGE_VM_COMMAND'],
    ['a kernel that is not there', { kernel: '/nowhere' }, ['true'], 'USAGE_VM_KERNEL'],
    ['a folder for a kernel', { kernel: scratch }, ['true'], 'USAGE_VM_KERNEL'],
  ])('%s is refused', (_what, options, words, code) => {
    expect(() => bootOf(options, words)).toThrow(expect.objectContaining({ code, hint: expect.any(String) }));
  });

  it('is a kernel with a command, with an initrd, or a disk', () => {
    expect(bootOf({ kernel }, ['true'])).toEqual({ kind: 'kernel', kernel, initrd: null, disk: null });
    expect(bootOf({ kernel, initrd }, [])).toEqual({ kind: 'kernel', kernel, initrd, disk: null });
    expect(bootOf({ disk: raw }, [])).toEqual({ kind: 'disk', disk: raw });
  });
});

describe('the arguments of QEMU', () => {
  const words = (args: readonly string[]): string => args.join(' ');

  it('have the machine of the lab, its served device, and the folders that a command needs', () => {
    const boot = bootOf({ kernel }, ['true']);
    const text = words(
      vmArguments(
        command,
        boot,
        { append: 'quiet nvme.poll_queues=1' },
        {
          initrd: '/tmp/a,b/initrd',
          share: '/tmp/a,b/share',
          root: 'host',
          console: '/tmp/a,b/console',
        },
        'tcg',
      ),
    );
    expect(text).toMatch(/^-M q35,memory-backend=\S+ -accel tcg -cpu \S.* -m 512 /);
    expect(text).toContain('/run/vm/nvme0.sock');
    expect(text).toContain('-initrd /tmp/a,b/initrd');
    // In lists of options a comma ends a value.
    expect(text).toContain('-serial file:/tmp/a,,b/console');
    expect(text).toContain('local,id=share,path=/tmp/a,,b/share,security_model=none');
    expect(text).toMatch(/local,id=host,path=\/,security_model=none,readonly=on/);
    expect(text).toContain('rdinit=/peerlane/init');
    expect(text).toContain('nvme.poll_queues=1');
    expect(text).toContain('-no-reboot');
  });

  it('without a command leave the kernel to itself, on this terminal', () => {
    const text = words(
      vmArguments(
        command,
        bootOf({ kernel, initrd }, []),
        { cpu: 'host' },
        {
          initrd,
          share: null,
          root: 'initrd',
          console: null,
        },
        'kvm',
      ),
    );
    expect(text).toContain('-accel kvm -cpu host');
    expect(text).toContain('-serial mon:stdio');
    expect(text).not.toMatch(/rdinit|9p|-no-reboot/);
  });

  it('do not change a disk unless that is asked for, and know its format', () => {
    const files = { initrd: null, share: null, root: 'host', console: null } as const;
    const of = (disk: string, writeDisk: boolean): string =>
      words(
        vmArguments(command, bootOf({ disk }, []), { writeDisk, qemuArg: ['-nic', 'user'] }, files, 'tcg'),
      );
    expect(of(raw, false)).toContain(`format=raw,file=${raw},snapshot=on`);
    expect(of(qcow2, true)).toMatch(new RegExp(`format=qcow2,file=${qcow2} `));
    expect(of(raw, false)).toMatch(/bootindex=0 -nic user$/);
    expect(of(raw, false)).not.toContain('-kernel');
  });
});

/** What a person asks of a virtual machine, and the arguments of QEMU that make it so. */
import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { UsageError } from '../../base/index.ts';
import type { QemuCommand } from '../../lab/index.ts';
import type { GuestRoot } from './guest-command.ts';
import { INIT_PARAMETER } from './initramfs.ts';

export interface VmOptions {
  readonly qemu?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly disk?: string;
  /** What the guest writes to the disk's image stays there. */
  readonly writeDisk?: boolean;
  readonly append?: string;
  /** Of kernel modules. */
  readonly modules?: string;
  /** MiB. */
  readonly memory?: number;
  readonly cpu?: string;
  readonly accel?: string;
  /** File for what the console shows. */
  readonly console?: string;
  readonly qemuArg?: readonly string[];
  /** Seconds. */
  readonly limit?: number;
}

/** What is booted. */
export type Boot =
  | { readonly kind: 'disk'; readonly disk: string }
  | {
      readonly kind: 'kernel';
      readonly kernel: string;
      readonly initrd: string | null;
      readonly disk: string | null;
    };

/** @throws {UsageError} USAGE_VM_BOOT, USAGE_VM_COMMAND, USAGE_VM_KERNEL */
export function bootOf(options: VmOptions, command: readonly string[]): Boot {
  const { kernel, initrd, disk } = options;
  for (const path of [kernel, initrd, disk]) {
    if (path !== undefined) {
      refuseNoFile(path);
    }
  }
  if (kernel === undefined) {
    if (disk === undefined || initrd !== undefined) {
      throw new UsageError('USAGE_VM_BOOT', {
        message: 'nothing says what the virtual machine boots',
        hint: '--kernel FILE, with --initrd FILE or `-- COMMAND`; or --disk IMAGE with a system on it',
      });
    }
    if (command.length > 0) {
      throw new UsageError('USAGE_VM_COMMAND', {
        message: 'a disk boots its own system, and nothing in it would run the command',
        hint: 'with --kernel FILE the command runs, on the files of this computer; or log in on the console',
      });
    }
    return { kind: 'disk', disk };
  }
  if (initrd === undefined && disk === undefined && command.length === 0) {
    throw new UsageError('USAGE_VM_BOOT', {
      message: 'a kernel alone has nothing to run',
      hint: 'add --initrd FILE, or `-- COMMAND`, such as `-- nvme list`',
    });
  }
  return { kind: 'kernel', kernel, initrd: initrd ?? null, disk: disk ?? null };
}

/** What runs the guest's code: as it was asked for; else by KVM where that can be used, and if that fails by emulation. */
export function acceleratorsOf({ accel }: VmOptions): readonly [string, string?] {
  if (accel !== undefined) {
    return [accel];
  }
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return ['kvm', 'tcg'];
  } catch {
    return ['tcg'];
  }
}

export interface GuestFiles {
  /** What the kernel gets as its initrd; null: none. */
  readonly initrd: string | null;
  /** The folder that guest and host share; null: there is no command. */
  readonly share: string | null;
  readonly root: GuestRoot;
  /** Where the console goes; null: this terminal. */
  readonly console: string | null;
}

/** Behind the name of the program. */
export function vmArguments(
  command: QemuCommand,
  boot: Boot,
  options: VmOptions,
  files: GuestFiles,
  accel: string,
): readonly string[] {
  const cpu = options.cpu ?? command.cpu;
  const args = ['-M', command.machine, '-accel', accel, '-cpu', cpu, '-m', String(command.memoryMb)];
  args.push('-nodefaults', '-no-user-config', '-display', 'none');
  args.push('-serial', files.console === null ? 'mon:stdio' : `file:${quoted(files.console)}`);
  if (files.share !== null) {
    args.push('-no-reboot');
  }
  if (boot.kind === 'kernel') {
    args.push('-kernel', boot.kernel, ...(files.initrd === null ? [] : ['-initrd', files.initrd]));
    args.push('-append', kernelWords(command, options, files).join(' '));
  }
  args.push(...command.machineArguments);
  // At fixed places at the end of the root bus, which exported labs keep free.
  if (files.share !== null) {
    args.push(...shared('share', files.share, '1e.0', ''));
    if (files.root === 'host') {
      args.push(...shared('host', '/', '1d.0', ',readonly=on,multidevs=remap'));
    }
  } else if (boot.disk !== null) {
    const snapshot = options.writeDisk === true ? '' : ',snapshot=on';
    args.push(
      '-drive',
      `id=disk,if=none,format=${imageFormat(boot.disk)},file=${quoted(boot.disk)}${snapshot}`,
    );
    args.push('-device', 'virtio-blk-pci,drive=disk,bus=pcie.0,addr=1d.0,bootindex=0');
  }
  return [...args, ...(options.qemuArg ?? [])];
}

function kernelWords(command: QemuCommand, options: VmOptions, files: GuestFiles): readonly string[] {
  return [
    'console=ttyS0',
    ...(files.share === null ? [] : [INIT_PARAMETER, 'panic=-1', 'quiet', 'loglevel=4']),
    ...command.append,
    ...(options.append === undefined ? [] : [options.append]),
  ];
}

function shared(tag: string, path: string, address: string, more: string): readonly string[] {
  return [
    '-fsdev',
    `local,id=${tag},path=${quoted(path)},security_model=none${more}`,
    '-device',
    `virtio-9p-pci,fsdev=${tag},mount_tag=${tag},bus=pcie.0,addr=${address}`,
  ];
}

/** Two formats are told apart by their first bytes. QEMU docs/interop/qcow2.txt. */
function imageFormat(path: string): 'qcow2' | 'raw' {
  const head = new Uint8Array(4);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, head, 0, 4, 0);
  } finally {
    closeSync(fd);
  }
  return Buffer.from(head).toString('latin1') === 'QFI\xfb' ? 'qcow2' : 'raw';
}

function refuseNoFile(path: string): void {
  try {
    if (!statSync(path).isDirectory()) {
      accessSync(path, constants.R_OK);
      return;
    }
  } catch {
    // Told below.
  }
  throw new UsageError('USAGE_VM_KERNEL', {
    message: `${path}: no file that can be read`,
    hint: '--kernel, --initrd and --disk name files',
    detail: { path },
  });
}

/** QEMU ends a value at a comma, which two of them stand for. */
function quoted(text: string): string {
  return text.replaceAll(',', ',,');
}

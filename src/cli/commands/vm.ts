/** `peerlane lab FILE vm`: a virtual machine with the devices of a lab, and perhaps a command in it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HostError, UsageError } from '../../base/index.ts';
import { qemuCommand } from '../../lab/index.ts';
import type { ServerEvent } from '../attach/messages.ts';
import { labToServe, type ServeOptions, ServeSession } from '../attach/session.ts';
import type { Io } from '../io.ts';
import { findQemu } from '../qemu/find-qemu.ts';
import { eventLine } from '../render/attach.ts';
import { printable } from '../render/style.ts';
import { watchSignals } from '../transfer/signals.ts';
import { GuestCommand, type GuestRoot } from '../vm/guest-command.ts';
import { guestInitramfs } from '../vm/initramfs.ts';
import { modulesFolder } from '../vm/modules.ts';
import { type QemuEnd, QemuProcess } from '../vm/qemu-process.ts';
import { acceleratorsOf, type Boot, bootOf, type VmOptions, vmArguments } from '../vm/vm-options.ts';

export interface VmCommandOptions extends ServeOptions, VmOptions {}

/** A guest that has ended. */
interface GuestRun {
  readonly machine: QemuProcess;
  readonly end: QemuEnd;
  readonly isHung: boolean;
  /** Of its command: null when that has not ended; 0 without one. */
  readonly status: number | null;
}

/** Enough for every line that a kernel prints before it gives up. */
const TAIL_LINES = 12;
/** QEMU says so of every processor that is not the host's, and of every device without an error interrupt. */
const NOISE = /warning: (TCG|host) doesn't support|Could not enable error recovery/;

/**
 * Serves the devices, starts QEMU with them, and ends when it ends.
 * @param words  runs in the guest; empty: the guest does what it does by itself
 * @returns the status of the command; without one 0; 128 + n for signal n
 * @throws {UsageError}; {LabError}; {HostError} HOST_NO_VFIO_USER, HOST_GUEST_ENDED, HOST_GUEST_HUNG, HOST_QEMU_FAILED, and as `attach`
 */
export async function vm(words: readonly string[], options: VmCommandOptions, io: Io): Promise<number> {
  const toServe = await labToServe('vm', options);
  const boot = bootOf(options, words);
  const qemu = options.qemu === undefined ? findQemu() : findQemu([options.qemu]);
  const root: GuestRoot = boot.kind === 'kernel' && boot.initrd !== null ? 'initrd' : 'host';
  const guest = words.length === 0 ? null : new GuestCommand(words, root, io);
  try {
    const initrd = guest === null ? initrdOf(boot) : guestInitrd(boot, options, guest);
    const folder = await ServeSession.folderFor(toServe, options);
    let stop: () => void = () => {};
    const signals = watchSignals(() => stop());
    try {
      const session = await ServeSession.open(toServe, folder, options, (events) =>
        tell(events, options, io),
      );
      try {
        const command = qemuCommand(toServe.lab, {
          served: session.sockets,
          ...(options.memory === undefined ? {} : { memoryMb: options.memory }),
        });
        const console = options.console ?? (guest === null ? null : join(guest.folder, 'console'));
        const files = { initrd, share: guest?.share ?? null, root, console };
        const runWith = async (accel: string): Promise<GuestRun> => {
          const args = vmArguments(command, boot, options, files, accel);
          const machine = new QemuProcess(qemu.path, args, console === null, (text) => {
            if (guest === null) {
              io.err(text);
            }
          });
          stop = () => machine.stop();
          if (signals.exitStatus() !== undefined) {
            machine.stop();
          }
          guest?.follow();
          const { end, isHung } = await runToEnd(machine, session, options.limit);
          return { machine, end, isHung, status: guest === null ? 0 : guest.finish() };
        };
        const [accel, otherwise] = acceleratorsOf(options);
        let run = await runWith(accel);
        if (run.machine.isKvmBroken && otherwise !== undefined && signals.exitStatus() === undefined) {
          io.err(`peerlane: warning: ${KVM_BROKEN}; it is emulated instead, as with --accel tcg\n`);
          run = await runWith(otherwise);
        }
        return signals.exitStatus() ?? statusOf(run, options, console);
      } finally {
        session.end();
        await session.ended;
      }
    } finally {
      signals.end();
    }
  } finally {
    guest?.close();
  }
}

/** Neither outlives the other: a guest without its devices is no machine. @throws what ended the server */
async function runToEnd(
  machine: QemuProcess,
  session: ServeSession,
  limitSeconds: number | undefined,
): Promise<{ readonly end: QemuEnd; readonly isHung: boolean }> {
  let isHung = false;
  const limit =
    limitSeconds === undefined
      ? undefined
      : setTimeout(() => {
          isHung = true;
          machine.stop();
        }, limitSeconds * 1000);
  try {
    let lost: Error | null = null;
    void session.ended.then(({ error }) => {
      lost = error;
      machine.stop();
    });
    const end = await machine.ended;
    if (lost !== null) {
      throw lost;
    }
    return { end, isHung };
  } finally {
    clearTimeout(limit);
  }
}

function initrdOf(boot: Boot): string | null {
  return boot.kind === 'kernel' ? boot.initrd : null;
}

/** The kernel unpacks one archive behind the other; zeros between them do no harm. */
const ARCHIVE_ALIGNMENT = 4;

/** @returns path of what the kernel gets: the initrd that was given, if one was, and behind it what runs the command */
function guestInitrd(boot: Boot, options: VmCommandOptions, guest: GuestCommand): string {
  if (boot.kind !== 'kernel') {
    throw new UsageError('USAGE_VM_COMMAND', {
      message: 'a command in the guest needs a kernel',
      hint: 'add --kernel FILE',
    });
  }
  const own = guestInitramfs(modulesFolder(boot.kernel, options.modules));
  const given = boot.initrd === null ? Buffer.alloc(0) : readFileSync(boot.initrd);
  const gap = (ARCHIVE_ALIGNMENT - (given.length % ARCHIVE_ALIGNMENT)) % ARCHIVE_ALIGNMENT;
  const path = join(guest.folder, 'initrd');
  writeFileSync(path, Buffer.concat([given, Buffer.alloc(gap), own]));
  return path;
}

/** Logs that were asked for, and what is lost of them; nothing else mixes with what the guest prints. */
async function tell(events: readonly ServerEvent[], { log, logFile }: ServeOptions, io: Io): Promise<void> {
  const told = log !== undefined && logFile === undefined ? events : events.filter(isLoss);
  io.err(told.map((event) => `${eventLine(event)}\n`).join(''));
}

function isLoss({ event }: ServerEvent): boolean {
  return event === 'lost';
}

const KVM_BROKEN = 'KVM of this computer cannot run the guest';

/** @throws {HostError} where a guest has ended without one */
function statusOf(
  { machine, end, isHung, status }: GuestRun,
  { limit }: VmOptions,
  console: string | null,
): number {
  const clues = `${lastLines(machine.told)}${lastLines(textOf(console))}`;
  if (machine.isKvmBroken) {
    throw new HostError('HOST_QEMU_FAILED', {
      message: KVM_BROKEN,
      hint: '--accel tcg emulates it',
      exitStatus: 3,
    });
  }
  if (isHung) {
    throw new HostError('HOST_GUEST_HUNG', {
      message: `the guest did not end within ${limit} s${clues}`,
      hint: 'a longer --limit; --console FILE keeps what it printed',
      exitStatus: 3,
    });
  }
  if (status !== null && (status !== 0 || end.status === 0)) {
    return status;
  }
  const how = end.signal === null ? `status ${end.status}` : end.signal;
  throw new HostError('HOST_GUEST_ENDED', {
    message: `the guest ended before it was done (QEMU: ${how})${clues}`,
    hint: 'a command needs 9p, virtio and the serial console in the kernel, built in or with --modules; --console FILE keeps what the guest printed',
    exitStatus: 3,
    detail: { status: end.status, signal: end.signal },
  });
}

function textOf(path: string | null): string {
  return path !== null && existsSync(path) ? readFileSync(path, 'latin1') : '';
}

/** As a part of a message that is one line. */
function lastLines(text: string): string {
  const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '' && !NOISE.test(line));
  return lines.length === 0 ? '' : `: ${printable(lines.slice(-TAIL_LINES).join(' | '))}`;
}

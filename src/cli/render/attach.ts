/** A server of devices for people: what to give QEMU, and what is counted meanwhile. */
import type { QemuCommand } from '../../lab/index.ts';
import type { DataCounts, DeviceCounters, LinkCounters, ServerCounters } from '../attach/counters.ts';
import type { ServerEvent } from '../attach/messages.ts';
import type { FaultStatus, ServerStatus } from '../attach/status.ts';
import type { Io } from '../io.ts';
import { shellLines } from './shell.ts';
import { formatBytes, padEnd, printable, type Style } from './style.ts';

/** What is printed before serving begins. */
export function* attachLines(
  command: Pick<QemuCommand, 'args' | 'append' | 'changes'>,
  style: Style,
): Generator<string> {
  yield shellLines('qemu-system-x86_64', command.args);
  if (command.append.length > 0) {
    yield '';
    yield `${style.bold('The kernel needs')}: ${printable(command.append.join(' '))}`;
  }
  if (command.changes.length > 0) {
    yield '';
    yield style.bold('What QEMU changes');
    for (const change of command.changes) {
      yield `  - ${printable(change)}`;
    }
  }
}

const HEAD = [
  'device',
  'state',
  'accesses',
  'commands',
  'guest memory',
  'peers',
  'messages',
  'interrupts',
] as const;

/**
 * One line a device, and one for each link that command data crossed. Bytes are of command data, as a device reads and writes them.
 * @param before  a second or so earlier: then accesses and commands are those of a second
 */
export function counterLines(counters: ServerCounters, before: ServerCounters | null): readonly string[] {
  const seconds = before === null ? 0 : counters.atS - before.atS;
  const rows = counters.devices.map((device, index) => {
    const earlier = before?.devices[index];
    return [
      printable(device.name),
      device.isConnected ? 'connected' : 'waiting',
      amount(device, earlier, seconds, 'accesses'),
      amount(device, earlier, seconds, 'commands'),
      moved(device.guestMemory),
      moved(device.peers),
      moved(device.messages),
      String(device.interrupts),
    ];
  });
  const widths = HEAD.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => padEnd(cell, widths[column]!))
      .join('  ')
      .trimEnd();
  return [
    line(HEAD),
    ...rows.map(line),
    ...counters.links.filter(({ up, down }) => up.dataBytes + down.dataBytes > 0).map(linkLine),
  ];
}

function linkLine({ port, to, up, down }: LinkCounters): string {
  const name = to === null ? `what is below ${port}` : printable(to);
  return `link to ${name}: ${formatBytes(up.dataBytes)} up, ${formatBytes(down.dataBytes)} down`;
}

function amount(
  device: DeviceCounters,
  earlier: DeviceCounters | undefined,
  seconds: number,
  what: 'accesses' | 'commands',
): string {
  return earlier === undefined || seconds <= 0
    ? String(device[what])
    : `${Math.round((device[what] - earlier[what]) / seconds)}/s`;
}

function moved({ read, written }: { readonly read: DataCounts; readonly written: DataCounts }): string {
  return read.dataBytes + written.dataBytes === 0
    ? '-'
    : `${formatBytes(read.dataBytes)} read, ${formatBytes(written.dataBytes)} written`;
}

/** `[   12.345678] nvme0: QEMU has connected`. */
export function eventLine(event: ServerEvent): string {
  const at = `[${event.atS.toFixed(6).padStart(12)}]`;
  switch (event.event) {
    case 'connected':
      return `${at} ${printable(event.device)}: a guest has connected`;
    case 'disconnected':
      return `${at} ${printable(event.device)}: the guest is gone: ${printable(event.why)}`;
    case 'refused':
      return `${at} ${printable(event.device)}: a guest was refused: ${printable(event.why)}`;
    case 'reset':
      return `${at} ${printable(event.device)}: ${printable(event.kind)}`;
    case 'fault':
      return `${at} fault ${event.fault}: ${printable(event.text)}`;
    case 'log':
      return `${at} ${printable(event.line)}`;
    case 'lost':
      return `${at} ${event.lines} lines of the log are lost: nobody took them in time, or the disk did not`;
  }
}

export function* statusLines(status: ServerStatus): Generator<string> {
  yield `${printable(status.lab)}, served for ${Math.round(status.atS)} s by process ${status.pid}`;
  for (const { name, isConnected, isEjected, phase, bars, socket } of status.devices) {
    const state = isEjected ? 'ejected' : isConnected ? 'connected' : 'waiting';
    const controller = phase === null ? '' : `, controller ${phase}`;
    const places = bars.map(({ bar, address }) => `, BAR${bar} at 0x${address.toString(16)}`).join('');
    yield `${printable(name)}: ${state}${controller}${places}; ${printable(socket)}`;
  }
  yield `logs: ${status.logs.length === 0 ? 'none' : status.logs.join(', ')}`;
  yield* faultLines(status.faults);
}

export function faultLines(faults: readonly FaultStatus[]): readonly string[] {
  return faults.length === 0
    ? ['faults: none']
    : faults.map(
        ({ id, rule, acted }) => `fault ${id}: ${printable(JSON.stringify(rule))}, acted ${acted} times`,
      );
}

/** Some lines at the bottom of a terminal, drawn again in place. Nothing where there is no terminal. */
export class LiveLines {
  readonly #io: Io;
  #count = 0;

  constructor(io: Io) {
    this.#io = io;
  }

  draw(lines: readonly string[]): void {
    if (this.#io.errIsTerminal) {
      this.clear();
      // A line that wraps would take two.
      const cut = lines.map((line) => line.slice(0, Math.max(1, this.#io.columns - 1)));
      this.#io.err(cut.map((line) => `${line}\n`).join(''));
      this.#count = cut.length;
    }
  }

  /** Makes room for lines that stay. */
  clear(): void {
    if (this.#count > 0) {
      this.#io.err(`\u001b[${this.#count}A\u001b[J`);
      this.#count = 0;
    }
  }
}

/**
 * What of the server, its devices and their DMA becomes a line. Levels are turned on and off while devices are served; one that is
 * off is not listened to at all.
 */
import { NvmeController } from '../../devices/index.ts';
import type { FabricFunction, RemoteMemory, SystemMemory } from '../../fabric/index.ts';
import type { GuestMachine } from '../../lab/index.ts';
import type { ServedDevice, ServeListener } from '../../serve/index.ts';
import { VFIO_IRQ, VFIO_USER_COMMAND } from '../../spec/vfio-user/index.ts';
import type { EventSink } from './event-sink.ts';
import { BarLog } from './log/bar-log.ts';
import { CommandLog } from './log/command-log.ts';
import { ConfigLog } from './log/config-log.ts';
import { DmaLog } from './log/dma-log.ts';
import type { LogLevel } from './log/levels.ts';
import { Places } from './log/places.ts';
import type { ServedEndpoint } from './served-endpoint.ts';

const IRQ_NAMES = namesOf(VFIO_IRQ);
const COMMAND_NAMES = namesOf(VFIO_USER_COMMAND);

interface DeviceLogs {
  bars: BarLog;
  config: ConfigLog;
  commands: CommandLog | null;
}

export class ServerLog {
  /** For the server; its methods come and go with the levels. */
  readonly listener: Mutable<ServeListener> = {};
  readonly #machine: GuestMachine;
  readonly #devices: readonly ServedEndpoint[];
  readonly #sink: EventSink;
  readonly #places: Places;
  readonly #nowNs: () => number;
  readonly #logs = new Map<string, DeviceLogs>();
  #levels: readonly LogLevel[] = [];

  constructor(
    machine: GuestMachine,
    devices: readonly ServedEndpoint[],
    memory: SystemMemory,
    remote: RemoteMemory,
    sink: EventSink,
    nowNs: () => number,
  ) {
    this.#machine = machine;
    this.#devices = devices;
    this.#sink = sink;
    this.#nowNs = nowNs;
    this.#places = new Places(machine.endpoints, switchNames(machine), memory, remote);
    this.#listenToConnections();
  }

  get levels(): readonly LogLevel[] {
    return this.#levels;
  }

  set levels(levels: readonly LogLevel[]) {
    this.#levels = levels;
    this.#logs.clear();
    this.#listenToRegisters(levels.includes('registers'));
    this.#listenToMaps(levels.includes('maps'));
    for (const device of this.#devices) {
      const { fn, model, name } = device;
      const { commands } = this.#logsOf(device);
      if (model instanceof NvmeController) {
        model.commandListener = levels.includes('commands') ? commands : null;
      }
      const dma = levels.includes('dma')
        ? new DmaLog(name, fn, this.#places, (line) => this.#sink.line(line))
        : null;
      this.#machine.faults.watchDma(fn, dma);
    }
  }

  #listenToConnections(): void {
    const { listener } = this;
    const sink = this.#sink;
    listener.onConnect = ({ name }) => sink.add({ event: 'connected', device: name });
    listener.onDisconnect = ({ name }, reason, detail) =>
      sink.add({ event: 'disconnected', device: name, why: detail === '' ? reason : `${reason}: ${detail}` });
    listener.onTurnedAway = ({ name }) =>
      sink.add({ event: 'refused', device: name, why: 'another guest has it' });
    listener.onReset = (device, cause) => {
      const logs = this.#logs.get(device.name);
      logs?.bars.forget();
      logs?.config.forget();
      logs?.commands?.forget();
      // A guest that has gone is told of already.
      if (cause === 'message') {
        sink.add({ event: 'reset', device: device.name, kind: 'reset by the guest’s machine' });
      }
    };
  }

  #listenToRegisters(isOn: boolean): void {
    const { listener } = this;
    if (!isOn) {
      delete listener.onBarRead;
      delete listener.onBarWrite;
      delete listener.onConfigWrite;
      return;
    }
    const access =
      (isWrite: boolean): NonNullable<ServeListener['onBarRead']> =>
      (device, bar, offset, lengthBytes, bytes, at) => {
        // Longer ones are memory of a BAR, which holds no registers.
        if (lengthBytes <= 8) {
          const value = numberAt(bytes, at, lengthBytes);
          this.#sink.line(this.#logsOf(device).bars.line(isWrite, bar, offset, lengthBytes, value));
        }
      };
    listener.onBarRead = access(false);
    listener.onBarWrite = access(true);
    listener.onConfigWrite = (device, offset, lengthBytes, bytes, at) => {
      const value = numberAt(bytes, at, lengthBytes);
      for (const line of this.#logsOf(device).config.lines(offset, lengthBytes, value)) {
        this.#sink.line(line);
      }
    };
  }

  #listenToMaps(isOn: boolean): void {
    const { listener } = this;
    const sink = this.#sink;
    if (!isOn) {
      delete listener.onMap;
      delete listener.onUnmap;
      delete listener.onVectors;
      delete listener.onRefusal;
      return;
    }
    listener.onMap = ({ name }, addr, sizeBytes, isReadOnly, refusal) => {
      const how = refusal === null ? '' : ` by messages (${refusal})`;
      sink.line(`${name} map ${range(addr, sizeBytes)}${isReadOnly ? ' read-only' : ''}${how}`);
    };
    listener.onUnmap = ({ name }, addr, sizeBytes) => sink.line(`${name} unmap ${range(addr, sizeBytes)}`);
    listener.onVectors = ({ name }, index, start, count, isAttached) => {
      const vectors = count === 0 ? 'all vectors' : `vectors ${start}..${start + count - 1}`;
      sink.line(
        `${name} ${IRQ_NAMES.get(index) ?? index} ${vectors} ${isAttached ? 'connected' : 'disconnected'}`,
      );
    };
    listener.onRefusal = ({ name }, command, errno) =>
      sink.line(`${name} refused ${COMMAND_NAMES.get(command) ?? `command ${command}`} with errno ${errno}`);
  }

  #logsOf(device: Pick<ServedDevice, 'name' | 'fn'>): DeviceLogs {
    const { name, fn } = device;
    let logs = this.#logs.get(name);
    if (logs === undefined) {
      logs = {
        bars: new BarLog(name, fn.model),
        config: new ConfigLog(name, fn.config.bytes),
        commands: new CommandLog(name, fn, this.#places, {
          nowNs: this.#nowNs,
          write: (line) => this.#sink.line(line),
        }),
      };
      this.#logs.set(name, logs);
    }
    return logs;
  }
}

type Mutable<Of> = { -readonly [Key in keyof Of]: Of[Key] };

/** All ports of a switch go by its name, which its upstream port has. */
function switchNames({ bridges }: GuestMachine): ReadonlyMap<FabricFunction, string> {
  const names = new Map<FabricFunction, string>();
  for (const { name, fn } of bridges) {
    const above = fn.device.bus.bridge;
    const shown = fn.kind === 'switch-downstream' && above !== null ? names.get(above) : name;
    if (shown != null) {
      names.set(fn, shown);
    }
  }
  return names;
}

function range(addr: number, sizeBytes: number): string {
  return `0x${addr.toString(16)} + 0x${sizeBytes.toString(16)}`;
}

function numberAt(bytes: Uint8Array, at: number, lengthBytes: number): number {
  let value = 0;
  for (let i = lengthBytes - 1; i >= 0; i--) {
    value = value * 256 + bytes[at + i]!;
  }
  return value;
}

function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, value]) => [value, name]));
}

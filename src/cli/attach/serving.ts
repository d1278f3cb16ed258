/** Devices of a lab while they are served: the machine, its server, logs and faults. All of it belongs to one thread. */
import { UsageError } from '../../base/index.ts';
import { NvmeController } from '../../devices/index.ts';
import { type GuestEndpoint, GuestMachine, parseLab, readFault } from '../../lab/index.ts';
import { GuestMemory, RemoteDma, VfioUserServer } from '../../serve/index.ts';
import { Images } from '../lab/images.ts';
import type { ControlRequest } from './control-protocol.ts';
import type { DataCounts, DeviceCounters, ServerCounters } from './counters.ts';
import { EventSink } from './event-sink.ts';
import type { ServerEvent, ServeSetup } from './messages.ts';
import { ServedEndpoint, SharedBars } from './served-endpoint.ts';
import { ServerLog } from './server-log.ts';
import type { DeviceStatus, FaultStatus, ServerStatus } from './status.ts';

const PS_PER_NS = 1000;

/**
 * A guest takes completions while further commands are under way; each interrupt costs it and us some ten microseconds.
 * Bench: vfio-user.
 */
const FLUSH_NS = 60_000;

/** @returns whether so much time has passed since it last said so; the first command after a pause is not kept waiting */
function flushEvery(intervalNs: number, nowNs: () => number): () => boolean {
  let lastNs = nowNs();
  return () => {
    const now = nowNs();
    if (now - lastNs < intervalNs) {
      return false;
    }
    lastNs = now;
    return true;
  };
}

export interface ServingHost {
  /** Of this computer; never less than before. */
  readonly nowNs: () => number;
  /** Hands events on; `taken` is to be told when they are out of the way. */
  readonly post: (events: readonly ServerEvent[]) => void;
}

export class Serving {
  readonly machine: GuestMachine;
  readonly #setup: ServeSetup;
  readonly #images: Images;
  readonly #shared = new SharedBars();
  readonly #devices: readonly ServedEndpoint[];
  readonly #server: VfioUserServer;
  readonly #sink: EventSink;
  readonly #log: ServerLog;

  /**
   * Every socket listens when it is made.
   * @throws {LabError}, {ServeError}; {HostError} images, sockets, HOST_NO_FFI
   */
  constructor(setup: ServeSetup, { nowNs, post }: ServingHost) {
    this.#setup = setup;
    this.#sink = new EventSink(nowNs, setup.logFd, post);
    const memory = new GuestMemory();
    const remote = new RemoteDma();
    this.#images = new Images(setup.labPath, setup.writesImages ? 'write' : 'copy-on-write');
    try {
      this.machine = new GuestMachine(parseLab(setup.labText, setup.labPath), {
        openImage: this.#images.open,
        codec: null,
        memory,
        remote,
        ...(setup.isTrapped ? {} : { shareMemory: this.#shared.make }),
      });
      this.#devices = this.machine.endpoints.flatMap((endpoint) => {
        const socket = setup.sockets.get(endpoint.name);
        return socket === undefined
          ? []
          : [new ServedEndpoint(this.machine, endpoint, socket, this.#shared.barsOf(endpoint))];
      });
      this.#log = new ServerLog(this.machine, this.#devices, memory, remote, this.#sink, nowNs);
      this.#log.levels = setup.logs;
      this.machine.faults.onActed = (fault, { device, action }) =>
        this.#sink.add({ event: 'fault', fault, text: `${device} ${action}` });
      const startNs = nowNs();
      for (const { model } of this.machine.endpoints) {
        if (model instanceof NvmeController) {
          model.engine.isFlushDue = flushEvery(FLUSH_NS, nowNs);
        }
      }
      this.#server = new VfioUserServer({
        devices: this.#devices,
        queue: this.machine.queue,
        memory,
        remote,
        log: this.#log.listener,
        nowPs: () => (nowNs() - startNs) * PS_PER_NS,
      });
      this.#server.open();
    } catch (error) {
      this.#shared.close();
      this.#images.close();
      throw error;
    }
  }

  /** An eventfd: whoever adds to it ends the wait of `step`. */
  get wakeFd(): number {
    return this.#server.wakeFd;
  }

  /** Waits, serves, hands events on. @param timeoutMs -1: without end. @returns whether somebody has added to `wakeFd` */
  step(timeoutMs: number): boolean {
    const isWoken = this.#server.step(timeoutMs);
    this.#sink.flush();
    return isWoken;
  }

  /** So many events that were handed on are out of the way. */
  taken(events: number): void {
    this.#sink.taken(events);
  }

  /** @throws {UsageError} USAGE_DEVICE, USAGE_FAULT; {LabError} a rule that is none */
  handle(request: Exclude<ControlRequest, { readonly do: 'quit' }>): unknown {
    switch (request.do) {
      case 'status':
        return this.#status();
      case 'counters':
        return this.counters();
      case 'fault-list':
        return { faults: this.#faults() };
      case 'fault-add':
        return { id: this.machine.faults.add(readFault(request.rule, this.machine.lab)) };
      case 'fault-remove':
        return this.#removeFault(request.fault);
      case 'log':
        this.#log.levels = request.levels;
        return { logs: request.levels };
      case 'eject':
      case 'restore':
        this.machine.setAbsent(this.#endpoint(request.device).name, request.do === 'eject');
        return {};
    }
  }

  counters(): ServerCounters {
    const { fabric } = this.machine;
    const { links } = fabric.counters.read();
    return {
      atS: this.#sink.atS,
      devices: this.#devices.map((device) => this.#countersOf(device)),
      links: links.map(({ port, bdf, up, down }) => ({
        port: bdf,
        to: this.#nameBelow(port),
        up: dataCounts(up),
        down: dataCounts(down),
      })),
    };
  }

  /** Sockets are gone, and what the guests have written is where it belongs. @returns the last counters */
  close(): ServerCounters {
    const counters = this.counters();
    this.#server.close();
    for (const { model } of this.machine.endpoints) {
      if (model instanceof NvmeController) {
        model.flush();
      }
    }
    this.#shared.close();
    this.#images.close();
    this.#sink.close();
    return counters;
  }

  #countersOf({ name, fn, model }: ServedEndpoint): DeviceCounters {
    const served = this.#server.counters().get(name)!;
    const { dram, functions, remote } = this.machine.fabric.counters.of(fn);
    return {
      name,
      isConnected: this.#server.isConnected(name),
      accesses: served.configReads + served.configWrites + served.barReads + served.barWrites,
      commands: model instanceof NvmeController ? model.engine.counts.commands : 0,
      guestMemory: dram,
      peers: functions,
      messages: remote,
      interrupts: served.interrupts,
    };
  }

  #nameBelow(port: GuestEndpoint['fn']): string | null {
    const below = port.secondaryBus?.devices[0]?.functions.get(0);
    const named = [...this.machine.endpoints, ...this.machine.bridges].find(({ fn }) => fn === below);
    return named?.name ?? null;
  }

  #status(): ServerStatus {
    return {
      atS: this.#sink.atS,
      lab: this.#setup.labPath,
      pid: process.pid,
      devices: this.#devices.map(({ name, socketPath, fn, model }): DeviceStatus => {
        return {
          name,
          socket: socketPath,
          isConnected: this.#server.isConnected(name),
          isEjected: fn.isGone,
          phase: model instanceof NvmeController ? model.phase : null,
          bars: fn.isGone
            ? []
            : fn.state.bars.map(({ index, start, end }) => ({
                bar: index,
                address: start,
                lengthBytes: end - start,
              })),
        };
      }),
      faults: this.#faults(),
      logs: this.#log.levels,
    };
  }

  #faults(): readonly FaultStatus[] {
    return this.machine.faults.list();
  }

  #removeFault(id: number): unknown {
    if (!this.machine.faults.remove(id)) {
      throw new UsageError('USAGE_FAULT', {
        message: `there is no fault ${id}`,
        hint: 'fault-list shows those that there are',
      });
    }
    return {};
  }

  #endpoint(name: string): ServedEndpoint {
    const device = this.#devices.find((one) => one.name === name);
    if (device === undefined) {
      throw new UsageError('USAGE_DEVICE', {
        message: `no device '${name}' is served`,
        hint: `those that are: ${this.#devices.map((one) => one.name).join(', ')}`,
      });
    }
    return device;
  }
}

function dataCounts({ dataBytes, controlBytes }: DataCounts): DataCounts {
  return { dataBytes, controlBytes };
}

/**
 * The simulated machine's PCI Express part: owns host bridges and everything below them, routes configuration requests,
 * hands device models their ports, and knows when routes have to be found anew.
 *
 * Build it (`addHostBridge`, then the buses' `addRootPort`, `addSwitch`, `plug`, `addFunction`), let firmware enumerate it
 * through `configRead` and `configWrite`, and it carries requests. Read `bus.ts` next, then `../routing/climb.ts`.
 */
import type { MmioReader } from '../../access/index.ts';
import { assert, type Bdf, bdfParts } from '../../base/index.ts';
import { BRIDGE_CONTROL } from '../../spec/pci/index.ts';
import type { ConfigChange } from '../config/index.ts';
import { FabricCounters } from '../counters.ts';
import type { EventQueue } from '../event-queue.ts';
import { type ResetKind, TRAFFIC, type Traffic } from '../model.ts';
import type { RemoteMemory, SystemMemory } from '../outside.ts';
import type { Fault } from '../routing/completer.ts';
import type { RootComplex } from '../routing/root-complex.ts';
import type { Translator } from '../routing/translator.ts';
import { FabricTiming, type FabricTimingOptions } from '../timing/fabric-timing.ts';
import type { TlpListener } from '../tlp/trace.ts';
import { checkHostBridge } from './check-host-bridge.ts';
import { type ConfigTarget, countConfigRequest, findConfigTarget } from './config-access.ts';
import { Cpu } from './cpu.ts';
import type { FabricFunction } from './fabric-function.ts';
import { HostBridge, type HostBridgeOptions } from './host-bridge.ts';
import { linkControlChanged, slotChanged, surpriseRemove } from './hot-plug.ts';
import { InFlight } from './in-flight.ts';
import { InterruptWires, type IntxSink } from './interrupt-wires.ts';
import { flushMessages, updateIntx } from './interrupts.ts';
import { Invalidations } from './invalidations.ts';
import { RemoteRequests } from './remote-requests.ts';
import type { Requester } from './requester.ts';
import { functionLevelReset, resetBelow, resetFunction } from './resets.ts';
import { sriovChanged } from './sriov.ts';

export interface FabricOptions {
  readonly queue: EventQueue;
  readonly dram: SystemMemory;
  /**
   * Who answers addresses that neither memory nor a device here claims; missing or null: nobody. Only where requests are not
   * delayed.
   */
  readonly remote?: RemoteMemory | null;
  /** The IOMMU of host bridges that name none; missing or null: none. */
  readonly translator?: Translator | null;
  /** What things cost, in a machine whose queue is timed. Missing: the machine has no time. */
  readonly timing?: FabricTimingOptions;
}

/** Takes interrupt messages: PCI domain, requester ID, address and data as written. */
export type InterruptSink = (domain: number, requesterId: number, addr: number, data: number) => void;

const TAGS = 1024;

export class Fabric implements RootComplex {
  readonly queue: EventQueue;
  readonly dram: SystemMemory;
  readonly remote: RemoteMemory | null;
  readonly hostBridges: HostBridge[] = [];
  /** Injected faults of ranges of DRAM; change through `injectFault`. */
  readonly faults: Fault[] = [];
  readonly requesters = new Set<Requester>();
  readonly counters: FabricCounters;
  readonly inFlight: InFlight;
  readonly remoteRequests: RemoteRequests;
  readonly cpu: Cpu;
  readonly wires: InterruptWires;
  /** Null in a machine without time. */
  readonly timing: FabricTiming | null;
  /** In a machine with time, translation requests are sent, and counted, one by one. */
  readonly countsTranslations: boolean;
  /** Whether requests are answered later. */
  readonly isDelaying: boolean;
  /** Grows when anything changes that routing depends on. */
  epoch = 0;
  /** Software has looked at it: what is plugged in from now on is a hot plug. */
  isRunning = false;
  /** Register writes that are being carried out inside each other. */
  nesting = 0;
  /** Hears every packet; null costs nothing. */
  listener: TlpListener | null = null;

  /** Set by the platform: where interrupt messages end. Called within the request that carries the message. */
  interruptSink: InterruptSink = () => {};
  /** Set by the platform: levels of interrupt wires at the root. */
  intxSink: IntxSink = () => {};
  /** Set by the platform: a function has come or gone. */
  onPresence: (fn: FabricFunction, isPresent: boolean) => void = () => {};

  readonly #translator: Translator | null;
  readonly #invalidations: Invalidations;
  #tag = 0;

  constructor(options: FabricOptions) {
    this.#invalidations = new Invalidations(this);
    this.queue = options.queue;
    this.dram = options.dram;
    this.remote = options.remote ?? null;
    assert(this.remote === null || !options.queue.isDelaying, 'memory beyond a fabric that delays requests');
    this.#translator = options.translator ?? null;
    this.isDelaying = options.queue.isDelaying;
    this.counters = new FabricCounters(this);
    this.inFlight = new InFlight(options.queue);
    this.remoteRequests = new RemoteRequests(this.remote);
    this.cpu = new Cpu(this);
    this.wires = new InterruptWires((...wire) => this.intxSink(...wire));
    this.countsTranslations = options.timing !== undefined;
    this.timing = options.timing === undefined ? null : new FabricTiming(this, options.timing);
  }

  /** @throws {FabricError} FABRIC_BUS_OVERLAP, FABRIC_WINDOW_OVERLAP, FABRIC_BAD_ADDRESS */
  addHostBridge(options: HostBridgeOptions): HostBridge {
    checkHostBridge(options, this.hostBridges, this.dram);
    const translator = options.translator === undefined ? this.#translator : options.translator;
    const hostBridge = new HostBridge(this, options, translator);
    if (translator !== null) {
      translator.onUnmap = this.#invalidations.onUnmap;
    }
    this.hostBridges.push(hostBridge);
    this.touch();
    return hostBridge;
  }

  /** A software load from config space, routed by bus numbers; all ones when nothing answers. Offsets are aligned. */
  configRead(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: 1 | 2 | 4,
  ): number {
    const target = this.#configTarget(domain, bus, device, fn);
    if (target === undefined) {
      return 2 ** (8 * lengthBytes) - 1;
    }
    countConfigRequest(this, target, offset, lengthBytes, false);
    return target.fn.config.read(offset, lengthBytes);
  }

  /** A software store to config space; lost when nothing answers. */
  configWrite(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    lengthBytes: 1 | 2 | 4,
    value: number,
  ): void {
    const target = this.#configTarget(domain, bus, device, fn);
    if (target === undefined) {
      return;
    }
    countConfigRequest(this, target, offset, lengthBytes, true);
    if (target.isTypeZero && target.fn.device.capturedBus !== bus) {
      target.fn.device.capturedBus = bus;
      this.touch();
    }
    target.fn.config.write(offset, lengthBytes, value);
  }

  /** The function that answers at an address now. */
  functionAt(bdf: Bdf): FabricFunction | undefined {
    const { domain, bus, device, function: fn } = bdfParts(bdf);
    return findConfigTarget(this.hostBridges, domain, bus, (device << 3) | fn)?.fn;
  }

  /** Every function there is, in the order of the tree. */
  functions(): readonly FabricFunction[] {
    const found: FabricFunction[] = [];
    const visit = (fn: FabricFunction): void => {
      found.push(fn);
      for (const device of fn.secondaryBus?.devices ?? []) {
        for (const below of device.functions.values()) {
          visit(below);
        }
      }
    };
    for (const { rootBus } of this.hostBridges) {
      for (const device of rootBus.devices) {
        for (const fn of device.functions.values()) {
          visit(fn);
        }
      }
    }
    return found;
  }

  /** A load of the CPU: 1, 2 or 4 aligned bytes. @returns the value, or MMIO_PENDING, then `reader.deliver` is called */
  cpuRead(phys: number, lengthBytes: number, reader: MmioReader): number {
    return this.cpu.read(phys, lengthBytes, reader);
  }

  /** A store of the CPU: 1, 2 or 4 aligned bytes. */
  cpuWrite(phys: number, lengthBytes: number, value: number): void {
    this.cpu.write(phys, lengthBytes, value);
  }

  /** Stores of the CPU in ascending order. */
  cpuWriteBytes(
    phys: number,
    from: Uint8Array,
    fromOffset: number,
    lengthBytes: number,
    traffic: Traffic = TRAFFIC.CONTROL,
  ): void {
    this.cpu.writeBytes(phys, from, fromOffset, lengthBytes, traffic);
  }

  /** Loads of the CPU in ascending order, at once; where requests are delayed, load dwords with `cpuRead`. */
  cpuReadBytes(
    phys: number,
    into: Uint8Array,
    intoOffset: number,
    lengthBytes: number,
    traffic: Traffic = TRAFFIC.CONTROL,
  ): void {
    this.cpu.readBytes(phys, into, intoOffset, lengthBytes, traffic);
  }

  /** Resets one function and nothing around it: `power` puts all its registers back to what they were at power on. */
  resetFunction(fn: FabricFunction, kind: ResetKind): void {
    resetFunction(fn, kind);
    this.touch();
  }

  /** Pulls out what is below a port, without notice. */
  surpriseRemove(port: FabricFunction): void {
    surpriseRemove(port.secondaryBus!);
  }

  /** Makes a range of a BAR, or of DRAM when `fn` is null, misbehave. */
  injectFault(fn: FabricFunction | null, fault: Fault): void {
    (fn === null ? this.faults : fn.faults).push(fault);
    this.touch();
  }

  /** Takes one injected fault away. */
  removeFault(fn: FabricFunction | null, fault: Fault): void {
    const faults = fn === null ? this.faults : fn.faults;
    const index = faults.indexOf(fault);
    if (index >= 0) {
      faults.splice(index, 1);
      this.touch();
    }
  }

  /**
   * A function does not answer any more, nor send, as if it had been pulled out; and when it is there again it has just been
   * switched on. It stays in the tree, so that its place is still its own.
   */
  setAbsent(fn: FabricFunction, isAbsent: boolean): void {
    if (fn.isGone !== isAbsent) {
      resetFunction(fn, 'power');
      fn.isGone = isAbsent;
      this.touch();
    }
  }

  /** Takes injected faults away. */
  clearFaults(fn: FabricFunction | null): void {
    (fn === null ? this.faults : fn.faults).length = 0;
    this.touch();
  }

  /** Routes are found anew from here on. */
  touch(): void {
    this.epoch++;
  }

  /** The tag of the next non-posted request, for the trace. */
  nextTag(): number {
    this.#tag = (this.#tag + 1) % TAGS;
    return this.#tag;
  }

  /** A function is in the tree: its registers are listened to. For the builders in this folder. */
  adopt(fn: FabricFunction): void {
    fn.config.onChange = (what, offset) => this.#onConfigChange(fn, what, offset);
    this.touch();
    this.onPresence(fn, true);
  }

  /** A function is no longer in the tree. */
  dismiss(fn: FabricFunction): void {
    fn.config.onChange = () => {};
    this.requesters.delete(fn.requester);
    this.touch();
    this.onPresence(fn, false);
  }

  #onConfigChange(fn: FabricFunction, what: ConfigChange, _offset: number): void {
    const hadEcrc = fn.state.generatesEcrc;
    fn.forgetState();
    switch (what) {
      case 'errors':
        // Nothing that a request depends on, but for the size of its packets.
        if (fn.state.generatesEcrc !== hadEcrc) {
          this.touch();
        }
        return;
      case 'ats':
        this.touch();
        this.#invalidations.changed(fn);
        break;
      case 'msi':
      case 'msix':
        flushMessages(fn);
        updateIntx(fn);
        break;
      case 'command':
        this.touch();
        updateIntx(fn);
        break;
      case 'bridge-control':
        this.touch();
        if (fn.secondaryBus !== null && BRIDGE_CONTROL.Secondary_Bus_Reset.read(fn.config.view) === 1) {
          resetBelow(fn, 'bus');
        }
        break;
      case 'sriov':
        this.touch();
        sriovChanged(fn);
        break;
      case 'slot':
        slotChanged(fn);
        break;
      case 'link-control':
        this.touch();
        if (fn.kind === 'root-port' || fn.kind === 'switch-downstream') {
          linkControlChanged(fn);
        }
        break;
      case 'function-reset':
        functionLevelReset(fn);
        return;
      default:
        this.touch();
        break;
    }
    fn.model?.onConfigChange?.();
  }

  #configTarget(domain: number, bus: number, device: number, fn: number): ConfigTarget | undefined {
    this.isRunning = true;
    return findConfigTarget(this.hostBridges, domain, bus, (device << 3) | fn);
  }
}

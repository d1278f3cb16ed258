/**
 * A lab machine that runs: fabric, firmware, operating system and drivers, brought up from a lab file.
 *
 * `boot` does what happens when a computer is switched on, in that order. Afterwards there are functions to look at
 * (`machine()`, the same `Machine` that a real computer gives), drives to open by name, peer memory to allocate, and the
 * fabric's counters.
 */
import { type EventHandler, type Span, startTask, type Task } from '../../access/index.ts';
import { type AcsBeforeParameters, acsAtBoot } from '../../advice/index.ts';
import { assert, type Bdf, bdfParts, SeededRandom } from '../../base/index.ts';
import { type EthernetWire, NvmeController as NvmeModel } from '../../devices/index.ts';
import {
  type AcsFacts,
  assignHotAdded,
  Dram,
  type EngineName,
  EventQueue,
  type EventQueueOptions,
  enumerate,
  Fabric,
  type FabricFunction,
  type FabricPciFunction,
  type FirmwareFunction,
  type FirmwareReport,
  Iommu,
  Platform,
  setLink,
  wireName,
} from '../../fabric/index.ts';
import { acsKernelDefault, type KernelLog, P2pdma } from '../../p2pdma/index.ts';
import { type FileTree, type Machine, MachineIndex, readSysfs } from '../../topology/index.ts';
import { FaultInjector } from '../faults/index.ts';
import type { LabEndpoint, LabFile, LabLink } from '../file/index.ts';
import {
  type FunctionState,
  measureFunction,
  type SizedResource,
  type SysfsState,
  sysfsTree,
} from '../sysfs/index.ts';
import { setAcs } from './acs-words.ts';
import { type BuiltFunction, type BuiltTree, buildTree, windowWishes } from './build.ts';
import { type Bound, bindDriver } from './drivers.ts';
import { isAtsDisabled, switchFeaturesOn } from './features.ts';
import { type BoundDisk, bindDisk } from './iopmem-disks.ts';
import { type ModelOptions, nameSeed, type Storage } from './models.ts';
import { withLabNames } from './names.ts';
import { physicalMap } from './physical-map.ts';
import { fabricTiming } from './timing.ts';
import { linkSpeedGTs } from './words.ts';

export interface BootOptions {
  /** For messages: the path of the lab file. */
  readonly label: string;
  /** Default `extents`. */
  readonly storage?: Storage;
  /** Needed by labs that name images. @throws PeerlaneError when it cannot be opened */
  readonly openImage?: ModelOptions['openImage'];
  /** What accelerators compress with: zlib at the edge. */
  readonly codec?: ModelOptions['codec'];
  /** Everything takes the time that it takes; by which engine requests travel. Missing: the machine has no time. */
  readonly timing?: { readonly engine: EngineName };
  /** Delays everything at random; for contract suites. */
  readonly jitter?: EventQueueOptions['jitter'];
  readonly turn?: EventQueueOptions['turn'];
  /** What the kernel prints about peer-to-peer DMA. */
  readonly log?: KernelLog;
}

/** A function of the lab file in the machine that runs. */
export interface LabMember extends BuiltFunction {
  readonly bdf: Bdf;
  /** What the operating system has of it. */
  readonly platform: FabricPciFunction;
}

export class LabMachine implements EventHandler {
  readonly lab: LabFile;
  readonly label: string;
  readonly queue: EventQueue;
  readonly fabric: Fabric;
  readonly dram: Dram;
  readonly iommu: Iommu;
  readonly platform: Platform;
  readonly p2pdma: P2pdma;
  readonly firmware: FirmwareReport;
  readonly storage: Storage;
  /** Between RDMA NICs, by the name that the file gives. */
  readonly wires: ReadonlyMap<string, EthernetWire>;
  /** In the order of the file; devices and bridges. */
  readonly members: readonly LabMember[];
  /** The faults of the lab, from when drivers are bound, and those that are added. */
  readonly faults: FaultInjector;
  readonly #tree: BuiltTree;
  readonly #resources: Map<Bdf, readonly SizedResource[]>;
  readonly #bound = new Map<Bdf, Bound>();
  readonly #disks: BoundDisk[] = [];
  /** Ports below which something was plugged in, and which has no addresses yet. */
  readonly #pluggedPorts = new Set<FabricFunction>();
  #isRescanDue = false;
  #machine: Machine | undefined;
  #machineEpoch = -1;

  /** Firmware and enumeration; drivers are bound by `boot`. @throws {LabError}, {FabricError}, {DeviceError} */
  constructor(lab: LabFile, options: BootOptions) {
    this.lab = lab;
    this.label = options.label;
    this.storage = options.storage ?? 'extents';
    this.queue = new EventQueue({
      ...(options.jitter === undefined ? {} : { jitter: options.jitter }),
      timed: options.timing !== undefined,
      ...(options.turn === undefined ? {} : { turn: options.turn }),
    });
    const map = physicalMap(lab.memory, windowWishes(lab));
    this.dram = new Dram(map.dram);
    this.iommu = new Iommu(lab.iommu.mode);
    const built = new Map<FabricFunction, BuiltFunction>();
    this.fabric = new Fabric({
      queue: this.queue,
      dram: this.dram,
      translator: this.iommu,
      ...(options.timing === undefined ? {} : { timing: fabricTiming(lab, options.timing.engine, built) }),
    });
    const wires = new Map<string, EthernetWire>();
    this.wires = wires;
    this.#tree = buildTree(lab, this.fabric, map.windows, {
      storage: this.storage,
      seed: lab.seed,
      openImage: options.openImage ?? refuseImage,
      codec: options.codec ?? null,
      isTimed: options.timing !== undefined,
      wires,
    });
    for (const one of this.#tree.functions) {
      built.set(one.fn, one);
    }
    this.platform = new Platform(this.fabric, this.dram, this.iommu);
    this.fabric.interruptSink = (_domain, _requester, _addr, data) => this.platform.interrupts.message(data);
    this.fabric.intxSink = ({ domain, rootBusNumber }, pin, isAsserted) =>
      this.platform.interrupts.setWire(wireName(domain, rootBusNumber, pin), isAsserted);
    const acs = new Map<Bdf, AcsBeforeParameters>();
    this.firmware = this.#runFirmware(acs);
    this.#trainLinks();
    this.#resources = new Map(this.platform.rescan().map(({ bdf, found }) => [bdf, measureFunction(found)]));
    this.members = this.#tree.functions.map((built) => {
      const { bdf } = built.fn;
      return { ...built, bdf, platform: this.platform.functionAt(bdf)! };
    });
    this.faults = new FaultInjector(
      {
        queue: this.queue,
        fabric: this.fabric,
        endpoints: this.#tree.functions.flatMap(({ node, fn, model }) =>
          model === null || node.kind === 'vmd'
            ? []
            : [{ name: node.name!, node: node as LabEndpoint, fn, model }],
        ),
        setAbsent: null,
      },
      nameSeed(lab.seed, 'faults'),
    );
    this.p2pdma = new P2pdma({
      machine: () => this.machine(),
      rules: lab.kernel.release,
      random: new SeededRandom(nameSeed(lab.seed, 'p2pdma')),
      ...(options.log === undefined ? {} : { log: options.log }),
      platform: {
        ram: map.dram.map(({ start, lengthBytes }) => ({ first: start, last: start + lengthBytes - 1 })),
      },
    });
    setAcs(this.members, acsAtBoot(new MachineIndex(this.machine()), acs));
    this.#switchFeaturesOn(this.platform.functions);
  }

  /**
   * Switches a machine on and binds its drivers, at once: nothing outside is awaited while a machine boots.
   * @throws as the constructor
   */
  static boot(lab: LabFile, options: BootOptions): LabMachine {
    const machine = new LabMachine(lab, options);
    for (const member of machine.members) {
      machine.run(machine.#bind(member));
    }
    machine.#bindDisks();
    machine.fabric.onPresence = (fn, isPresent) => machine.#presenceChanged(fn, isPresent);
    for (const fault of lab.faults) {
      machine.faults.add(fault);
    }
    return machine;
  }

  /**
   * Runs a task and everything it waits for, without a turn of the host's event loop.
   * @throws what the task throws; {AssertionFailure} when it waits for something that never comes
   */
  run<Result>(task: Task<Result>): Result {
    let outcome: { readonly result: Result } | { readonly error: unknown } | undefined;
    startTask(
      task,
      (result) => {
        outcome = { result };
      },
      (error) => {
        outcome = { error };
      },
    );
    while (outcome === undefined && this.queue.runUntilIdle(1) > 0) {}
    assert(outcome !== undefined, 'a task waits for something that never comes');
    if ('error' in outcome) {
      throw outcome.error;
    }
    return outcome.result;
  }

  /** Devices with their drivers, in the order of the file. */
  get bound(): readonly Bound[] {
    return [...this.#bound.values()];
  }

  /** Block devices over BARs, in the order of the file. */
  get disks(): readonly BoundDisk[] {
    return this.#disks;
  }

  /** The member that a name of the lab file means. */
  member(name: string): LabMember | undefined {
    return this.members.find(({ node }) => node.name === name);
  }

  boundAt(bdf: Bdf): Bound | undefined {
    return this.#bound.get(bdf);
  }

  /** How busy the media of drives were since the last reset; empty in a machine without time. */
  mediaUtilisation(): readonly { readonly what: string; readonly utilisation: number }[] {
    return this.members.flatMap(({ node, model }) => {
      const used = model instanceof NvmeModel ? model.mediaUtilisation() : null;
      return used === null
        ? []
        : [{ what: `media of ${node.name} (${used.busiest.part})`, utilisation: used.busiest.share }];
    });
  }

  resetMediaUtilisation(): void {
    for (const { model } of this.members) {
      if (model instanceof NvmeModel) {
        model.resetMediaCounts();
      }
    }
  }

  /** What a real computer's sysfs would show now. */
  files(): FileTree {
    return sysfsTree(this.#sysfsState());
  }

  /** The machine as every reader gives it; the same object while nothing changed. */
  machine(): Machine {
    if (this.#machine === undefined || this.#machineEpoch !== this.fabric.epoch) {
      const read = readSysfs(this.files(), { kind: 'sysroot', label: this.label });
      this.#machine = {
        ...withLabNames(read, this.members, this.#disks),
        source: { ...read.source, kind: 'lab', label: this.label },
      };
      this.#machineEpoch = this.fabric.epoch;
    }
    return this.#machine;
  }

  /**
   * What the operating system does when something was plugged in or pulled out: gives what is new its addresses, unbinds what
   * is gone and takes its peer memory back from whoever holds it. It happens by itself when the slot's interrupt is served;
   * call it to have it at once. New functions are there to look at; no driver is bound to them.
   * @returns functions that are new, and those that are gone
   */
  rescan(): { readonly added: readonly Bdf[]; readonly gone: readonly Bdf[] } {
    for (const port of this.#pluggedPorts) {
      assignHotAdded(this.fabric, bdfParts(port.bdf), { acsFor: (facts) => this.#acsByDefault(facts) });
    }
    this.#pluggedPorts.clear();
    const fresh = this.platform.rescan();
    // Only what is new: measuring turns decoding off for a moment, and the others work.
    for (const { bdf, found } of fresh) {
      this.#resources.set(bdf, measureFunction(found));
    }
    this.#switchFeaturesOn(fresh);
    const added = fresh.map(({ bdf }) => bdf);
    const gone = [...this.#bound.keys()].filter((bdf) => this.platform.functionAt(bdf) === undefined);
    for (const bdf of gone) {
      this.#bound.delete(bdf);
      if (this.p2pdma.provider(bdf) !== undefined) {
        startTask(
          this.p2pdma.remove(bdf, 'revoke'),
          () => {},
          (error) =>
            assert(false, 'peer memory of a function that is gone was not taken back', { bdf, error }),
        );
      }
    }
    this.forgetMachine();
    return { added, gone };
  }

  /** Peer memory was taken or given back, which `machine()` shows too. */
  forgetMachine(): void {
    this.#machine = undefined;
  }

  /**
   * Host memory of this machine. Stays the caller's.
   * @throws {MappingError} DMA_NO_MEMORY
   */
  allocateHost(lengthBytes: number): Span {
    return this.platform.allocSpan(lengthBytes, this.storage);
  }

  /** Closes every driver. Nothing of the machine works afterwards. */
  *closing(): Task<void> {
    for (const { nvme, fn, queueMemory } of this.#bound.values()) {
      if (nvme !== null) {
        yield* nvme.closing();
      }
      if (queueMemory !== null) {
        this.p2pdma.free(fn.bdf, queueMemory.address, queueMemory.lengthBytes);
      }
    }
  }

  #switchFeaturesOn(functions: readonly FabricPciFunction[]): void {
    const vmdDomains = new Set([...this.#tree.vmds.values()].map(({ domain }) => domain));
    for (const fn of functions) {
      switchFeaturesOn(this.lab, fn, vmdDomains.has(fn.found.hostBridge.domain));
    }
  }

  /** A slot interrupts; whoever serves it comes when what is under way now has had its turn. */
  #presenceChanged(fn: FabricFunction, isPresent: boolean): void {
    const port = fn.device.bus.bridge;
    if (isPresent && port !== null) {
      this.#pluggedPorts.add(port);
    }
    if (!this.#isRescanDue) {
      this.#isRescanDue = true;
      this.queue.after(0, this, 0, 0);
    }
  }

  onEvent(): void {
    this.#isRescanDue = false;
    this.rescan();
  }

  #runFirmware(acs: Map<Bdf, AcsBeforeParameters>): FirmwareReport {
    const { fabric } = this;
    return enumerate(
      {
        configRead: fabric.configRead.bind(fabric),
        configWrite: fabric.configWrite.bind(fabric),
        hostBridges: fabric.hostBridges.map((bridge) => ({
          domain: bridge.domain,
          rootBus: bridge.rootBusNumber,
          lastBus: bridge.lastBus,
          memoryWindows: bridge.windows,
          addressOffset: bridge.addressOffset,
          ioWindows:
            bridge.domain === 0
              ? [ioWindow(fabric.hostBridges.indexOf(bridge), fabric.hostBridges.length)]
              : [],
        })),
      },
      {
        virtualFunctions: (fn) => this.#virtualFunctions(fn),
        acsFor: (facts: AcsFacts) => {
          const kernelDefault = this.#acsByDefault(facts);
          acs.set(facts.bdf as Bdf, { firmware: facts.control, kernelDefault });
          return kernelDefault;
        },
      },
    );
  }

  /** What the lab's kernel makes of firmware's word, before it looks at its command line. */
  #acsByDefault(facts: AcsFacts): number {
    const { iommu, kernel } = this.lab;
    return acsKernelDefault(facts.capability, facts.control, {
      isRequested: iommu.mode !== 'off',
      isExternal: false,
      isAtsDisabled: isAtsDisabled(kernel.commandLine),
    });
  }

  #virtualFunctions(fn: FirmwareFunction): number {
    const built = this.#tree.functions.find((one) => one.fn.bdf === fn.bdf);
    const node = built?.node as LabEndpoint | undefined;
    return node !== undefined && 'sriov' in node ? (node.sriov?.vfs ?? 0) : 0;
  }

  /** Links that came up with less than both ends could. */
  #trainLinks(): void {
    for (const { node, fn } of this.#tree.functions) {
      const trained = 'trained' in node ? (node.trained as LabLink | null) : null;
      const port = fn.device.bus.bridge;
      if (trained !== null && port !== null) {
        const state = { speedGTs: linkSpeedGTs(trained), width: trained.width };
        setLink(fn.config, state);
        setLink(port.config, state);
      }
    }
  }

  *#bind(member: LabMember): Task<void> {
    const { node, platform, model } = member;
    if (model === null || node.kind === 'vmd') {
      return;
    }
    const hasDisk = this.lab.iopmem.some((entry) => entry.function === node.name);
    const bound = yield* bindDriver(
      node as LabEndpoint,
      platform,
      this.p2pdma,
      (span, client) => this.p2pdma.mapSpan(span, client),
      { hasDisk, moduleParameters: this.lab.kernel.moduleParameters },
    );
    this.#bound.set(member.bdf, bound);
    this.forgetMachine();
  }

  #bindDisks(): void {
    for (const entry of this.lab.iopmem) {
      this.#disks.push(bindDisk(entry, this.member(entry.function)!.platform, this.p2pdma));
    }
    this.forgetMachine();
  }

  #sysfsState(): SysfsState {
    const { lab } = this;
    const functions = new Map<Bdf, FunctionState>();
    for (const [bdf, { driver, names, dmaMaskBits }] of this.#bound) {
      const provider = this.p2pdma.provider(bdf);
      functions.set(bdf, {
        driver,
        names,
        dmaMaskBits,
        peerMemory:
          provider === undefined
            ? null
            : {
                sizeBytes: provider.sizeBytes,
                availableBytes: provider.availableBytes,
                isPublished: provider.isPublished,
              },
      });
    }
    return {
      label: this.label,
      side: this.fabric,
      kernel: lab.kernel,
      cpu: lab.cpu,
      iommu: lab.iommu,
      vmds: this.members.flatMap(({ node, bdf }) =>
        node.kind === 'vmd'
          ? [{ domain: (node as unknown as { domain: number }).domain, endpoint: bdf }]
          : [],
      ),
      functions,
      resources: this.#resources,
    };
  }
}

/** The 64 Ki I/O ports behind the legacy ones, in equal pieces of whole bridge windows (4 KiB). */
function ioWindow(index: number, count: number): { readonly start: number; readonly lengthBytes: number } {
  const lengthBytes = Math.floor(15 / count) * 0x1000;
  return { start: 0x1000 + index * lengthBytes, lengthBytes };
}

function refuseImage(name: string): never {
  assert(false, 'a lab with images was booted without a way to open them', { name });
}

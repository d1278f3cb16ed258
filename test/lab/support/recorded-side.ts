// The processor's side of a machine that was recorded: its config spaces, with BARs that can be measured.
import { type Bdf, formatBdf } from '../../../src/base/index.ts';
import { EventQueue, type HostBridgeFacts, type MachineSide } from '../../../src/fabric/index.ts';
import type { SysfsState } from '../../../src/lab/sysfs/index.ts';
import {
  HEADER_LAYOUT,
  TYPE0_BARS,
  TYPE0_ROM,
  TYPE1_BARS,
  TYPE1_ROM,
  VF_BARS,
} from '../../../src/spec/index.ts';
import { factsFromConfig, type Machine, type MachineFunction } from '../../../src/topology/index.ts';

export class RecordedSide implements MachineSide {
  readonly queue = new EventQueue();
  readonly hostBridges: readonly HostBridgeFacts[];
  readonly #spaces = new Map<Bdf, { readonly view: DataView; readonly masks: ReadonlyMap<number, number> }>();

  constructor(machine: Machine, addressOffset = 0) {
    this.hostBridges = machine.hostBridges.map((bridge) => ({
      domain: bridge.domain,
      rootBusNumber: bridge.rootBus!,
      lastBus: 255,
      numaNode: bridge.numaNode ?? null,
      addressOffset,
      windows: [],
    }));
    for (const fn of machine.functions) {
      const bytes = new Uint8Array(4096).fill(0xff);
      bytes.set(fn.config ?? []);
      this.#spaces.set(fn.bdf, { view: new DataView(bytes.buffer), masks: masksOf(fn) });
    }
  }

  configRead(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    length: number,
  ): number {
    const view = this.#spaces.get(formatBdf({ domain, bus, device, function: fn }))?.view;
    if (view === undefined) {
      return 2 ** (8 * length) - 1;
    }
    return length === 4
      ? view.getUint32(offset, true)
      : length === 2
        ? view.getUint16(offset, true)
        : view.getUint8(offset);
  }

  configWrite(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    length: number,
    value: number,
  ): void {
    const space = this.#spaces.get(formatBdf({ domain, bus, device, function: fn }));
    if (space === undefined) {
      return;
    }
    if (length !== 4) {
      (length === 2 ? space.view.setUint16 : space.view.setUint8).call(space.view, offset, value, true);
      return;
    }
    const mask = space.masks.get(offset) ?? 0;
    space.view.setUint32(offset, (value & mask) | (space.view.getUint32(offset, true) & ~mask), true);
  }

  cpuRead(): number {
    return 0xffff_ffff;
  }
  cpuWrite(): void {}
  cpuWriteBytes(): void {}

  cpuReadBytes(): void {
    throw new Error('no memory here');
  }
}

/** Which bits of each address register can be written, from the lengths that the kernel found. */
function masksOf(fn: MachineFunction): Map<number, number> {
  const masks = new Map<number, number>();
  const isBridge = fn.headerType === HEADER_LAYOUT.BRIDGE;
  const bars = isBridge ? TYPE1_BARS : TYPE0_BARS;
  const sriov = fn.config === undefined ? undefined : factsFromConfig(fn.config, { isWhole: true }).sriov;
  for (const bar of fn.physicalFunction == null ? (fn.bars ?? []) : []) {
    const isOfVfs = bar.index > 6;
    const sizeBytes = (bar.sizeBytes ?? 0) / (isOfVfs ? (sriov?.totalVfs ?? 1) : 1);
    const offset = isOfVfs
      ? (sriov?.offset ?? 0) + VF_BARS[bar.index - 7]!.offset
      : bar.index === 6
        ? (isBridge ? TYPE1_ROM : TYPE0_ROM).offset
        : bars[bar.index]!.offset;
    masks.set(offset, sizeBytes >= 2 ** 32 ? 0 : -sizeBytes & (bar.index === 6 ? ~0x7ff : ~3));
    if (bar.is64Bit) {
      masks.set(offset + 4, sizeBytes >= 2 ** 32 ? -(sizeBytes / 2 ** 32) : -1);
    }
  }
  return masks;
}

/** What the operating system knew of it. */
export function recordedState(machine: Machine, addressOffset = 0): SysfsState {
  const { cpu, kernel, iommu } = machine;
  return {
    label: 'recorded',
    side: new RecordedSide(machine, addressOffset),
    kernel: {
      release: kernel.release!,
      commandLine: kernel.commandLine!,
      config: kernel.config ?? {},
      moduleParameters: kernel.moduleParameters,
    },
    cpu: {
      vendor: cpu.vendor as SysfsState['cpu']['vendor'],
      family: cpu.family ?? null,
      model: cpu.model ?? null,
      name: cpu.name!,
      sockets: cpu.sockets!,
      architecture: 'x86',
    },
    iommu: {
      mode: machine.functions.every((fn) => fn.iommuGroup == null)
        ? 'off'
        : iommu.mode === 'passthrough'
          ? 'passthrough'
          : 'translated',
      vendor: 'intel',
      hasAts: true,
      pageBytes: 4096,
    },
    vmds: machine.hostBridges.flatMap(({ domain, behind }) =>
      behind === null ? [] : [{ domain, endpoint: behind }],
    ),
    functions: new Map(
      machine.functions.map((fn) => [
        fn.bdf,
        {
          driver: fn.driver ?? null,
          names: fn.classNames,
          dmaMaskBits: fn.dmaMaskBits ?? 32,
          peerMemory:
            fn.p2pmem == null
              ? null
              : {
                  sizeBytes: fn.p2pmem.sizeBytes!,
                  availableBytes: fn.p2pmem.availableBytes!,
                  isPublished: fn.p2pmem.published!,
                },
        },
      ]),
    ),
    resources: new Map(),
    order: machine.functions.map((fn) => fn.bdf),
  };
}

/**
 * The operating system's part of a simulated machine: it finds functions, gives each its DMA domain and interrupts, and hands
 * them to drivers as `PciFunction`s.
 *
 * Firmware has run before. Leaves out on purpose: what drivers do, and any verdict about peers.
 */
import { type Bdf, MappingError } from '../../base/index.ts';
import type { Dram } from '../dram.ts';
import type { Iommu } from '../iommu/iommu.ts';
import { type IovaRange, IovaSpace } from '../iommu/iova-space.ts';
import { Memory } from '../memory/memory.ts';
import { type DmaDomain, FabricDma } from './dma-view.ts';
import { FabricPciFunction } from './fabric-pci-function.ts';
import { HostSpan } from './host-span.ts';
import { InterruptController } from './interrupt-controller.ts';
import type { MachineSide } from './machine-side.ts';
import { type FoundFunction, scanFunctions } from './scan.ts';

/** x86 keeps the interrupt messages and the chipset below 4 GiB out of every I/O address space. */
const INTERRUPT_RANGE: IovaRange = { start: 0xfee0_0000, end: 0xfef0_0000 };

/** Input address bits of the domains it makes. */
const IOVA_BITS = 48;

export class Platform {
  readonly interrupts: InterruptController;
  readonly dram: Dram;
  readonly iommu: Iommu;
  readonly #side: MachineSide;
  readonly #functions = new Map<Bdf, FabricPciFunction>();
  /** By segment and requester as the IOMMU sees it: functions behind one bridge to conventional PCI share one. */
  readonly #domains = new Map<number, DmaDomain>();

  constructor(side: MachineSide, dram: Dram, iommu: Iommu) {
    this.#side = side;
    this.dram = dram;
    this.iommu = iommu;
    this.interrupts = new InterruptController(side.queue);
  }

  /** Functions found so far, in the order of enumeration. */
  get functions(): readonly FabricPciFunction[] {
    return [...this.#functions.values()];
  }

  functionAt(bdf: Bdf): FabricPciFunction | undefined {
    return this.#functions.get(bdf);
  }

  /**
   * Looks what is there: at boot, and again after hot plug. Functions that went away learn it now.
   * @returns functions that are new
   */
  rescan(): readonly FabricPciFunction[] {
    const found = scanFunctions(this.#side);
    const present = new Set(found.map(({ bdf }) => bdf));
    for (const [bdf, fn] of this.#functions) {
      if (!present.has(bdf) || !fn.isPresent) {
        this.#functions.delete(bdf);
        fn.gone();
      }
    }
    const fresh: FabricPciFunction[] = [];
    for (const entry of found) {
      if (!this.#functions.has(entry.bdf)) {
        const fn = new FabricPciFunction(this.#side, entry, this.interrupts, this.#dmaFor(entry));
        this.#functions.set(entry.bdf, fn);
        fresh.push(fn);
      }
    }
    return fresh;
  }

  /**
   * Host memory for transfers: extents, so that its size costs nothing; `flat` for real bytes.
   * @throws {MappingError} DMA_NO_MEMORY
   */
  allocSpan(
    lengthBytes: number,
    storage: 'flat' | 'extents' = 'extents',
    numaNode: number | null = null,
    startMin = 0,
  ): HostSpan {
    if (!(lengthBytes > 0)) {
      throw new MappingError('DMA_NO_MEMORY', {
        message: `${lengthBytes} bytes of host memory were asked for`,
        hint: 'ask for at least one byte',
      });
    }
    const memory = storage === 'flat' ? Memory.flat(lengthBytes) : Memory.extents(lengthBytes);
    const region = this.dram.allocate(memory, 4096, numaNode, Number.POSITIVE_INFINITY, startMin);
    return new HostSpan(this.dram, region, lengthBytes);
  }

  #dmaFor(found: FoundFunction): FabricDma {
    return new FabricDma({
      label: found.bdf,
      dram: this.dram,
      domain: this.iommu.mode === 'translated' ? this.#domainFor(found) : null,
      numaNode: found.hostBridge.numaNode,
    });
  }

  #domainFor(found: FoundFunction): DmaDomain {
    const segment = found.hostBridge.domain;
    const key = segment * 0x1_0000 + found.aliasId;
    let entry = this.#domains.get(key);
    if (entry === undefined) {
      const windows = this.#side.hostBridges.flatMap((bridge) =>
        bridge.windows.map(({ start, lengthBytes }) => ({
          start: start - bridge.addressOffset,
          end: start - bridge.addressOffset + lengthBytes,
        })),
      );
      entry = {
        domain: this.iommu.createDomain(found.bdf),
        space: new IovaSpace(IOVA_BITS, [INTERRUPT_RANGE, ...windows]),
      };
      this.#domains.set(key, entry);
      this.iommu.attach(segment, found.aliasId, entry.domain);
    }
    return entry;
  }
}

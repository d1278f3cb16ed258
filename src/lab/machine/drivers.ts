/**
 * What the lab's kernel binds to its devices: the NVMe driver and what it makes of controller memory, the driver of memory
 * endpoints, and the names that a person uses for all of them.
 */
import type { PciFunction, Task } from '../../access/index.ts';
import { PeerlaneError, type PhysAddr } from '../../base/index.ts';
import { NvmeController, type SpanMapper } from '../../drivers/index.ts';
import type { P2pdma } from '../../p2pdma/index.ts';
import type { ClassName } from '../../topology/index.ts';
import type { LabEndpoint, LabNvmeBase } from '../file/index.ts';

/** One device with the driver that has it. */
export interface Bound {
  readonly node: LabEndpoint;
  readonly fn: PciFunction;
  /** As Linux calls it; null when nothing drives the device here. */
  readonly driver: string | null;
  readonly names: readonly ClassName[];
  readonly dmaMaskBits: number;
  readonly nvme: NvmeController | null;
  /** What submission queues have of the controller memory, taken from the pool. */
  readonly queueMemory: { readonly address: PhysAddr; readonly lengthBytes: number } | null;
  /** Why the driver gave up, or registered no peer memory: one line each, as the kernel's log would have them. */
  readonly notes: readonly string[];
}

export interface BindOptions {
  /** A block device is laid over one of its BARs: that driver has the function, and nobody publishes its memory. */
  readonly hasDisk: boolean;
  /** Of the kernel's modules, by `module.parameter`. */
  readonly moduleParameters: Readonly<Record<string, string>>;
}

const UNBOUND_DMA_BITS = 32;
const IOPMEM = 'iopmem';

/**
 * Brings one device up. Never throws for what the device does: a driver that gives up says so in `notes`.
 */
export function* bindDriver(
  node: LabEndpoint,
  fn: PciFunction,
  p2pdma: P2pdma,
  mapPeer: SpanMapper,
  options: BindOptions,
): Task<Bound> {
  switch (node.kind) {
    case 'nvme':
    case 'accelerator':
      return yield* bindNvme(node, fn, p2pdma, mapPeer, options);
    case 'memory':
      return bindMemory(node, fn, p2pdma, options.hasDisk);
    default:
      return {
        node,
        fn,
        driver: options.hasDisk ? IOPMEM : null,
        names: classNames(node),
        dmaMaskBits: UNBOUND_DMA_BITS,
        nvme: null,
        queueMemory: null,
        notes: [],
      };
  }
}

function* bindNvme(
  node: LabNvmeBase & LabEndpoint,
  fn: PciFunction,
  p2pdma: P2pdma,
  mapPeer: SpanMapper,
  options: BindOptions,
): Task<Bound> {
  const notes: string[] = [];
  fn.dma.setAddressBits(node.addressBits);
  const nvme = new NvmeController(fn, { label: node.name, mapPeer, queuesInCmb: usesCmbQueues(options) });
  try {
    yield* nvme.starting();
  } catch (error) {
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    notes.push(`${node.name}: probe failed: ${error.message}`);
    return {
      node,
      fn,
      driver: null,
      names: [],
      dmaMaskBits: UNBOUND_DMA_BITS,
      nvme: null,
      queueMemory: null,
      notes,
    };
  }
  const { cmb } = nvme;
  let queueMemory: Bound['queueMemory'] = null;
  if (cmb !== null) {
    const { bar, regionSizeBytes, regionOffsetBytes, canPublish } = cmb;
    notes.push(...offer(p2pdma, fn, bar, regionSizeBytes, regionOffsetBytes, canPublish, node.name));
    // What submission queues took is gone from the pool before anybody else looks.
    const lengthBytes = cmb.offsetBytes - regionOffsetBytes;
    const address = lengthBytes > 0 ? p2pdma.alloc(fn.bdf, lengthBytes) : null;
    queueMemory = address === null ? null : { address, lengthBytes };
  }
  const names: ClassName[] = [
    { subsystem: 'nvme', name: node.name },
    ...nvme.namespaces.map(({ nsid }) => ({ subsystem: 'block', name: `${node.name}n${nsid}` })),
  ];
  return { node, fn, driver: 'nvme', names, dmaMaskBits: 64, nvme, queueMemory, notes };
}

/** Module parameter use_cmb_sqs, on unless it says otherwise. */
function usesCmbQueues(options: BindOptions): boolean {
  return !/^(0|n|off)/i.test(options.moduleParameters['nvme.use_cmb_sqs'] ?? 'Y');
}

function bindMemory(
  node: Extract<LabEndpoint, { readonly kind: 'memory' }>,
  fn: PciFunction,
  p2pdma: P2pdma,
  hasDisk: boolean,
): Bound {
  fn.enable({ memory: true });
  const notes =
    node.publishedBar === null || hasDisk ? [] : offer(p2pdma, fn, node.publishedBar, 0, 0, true, node.name);
  return {
    node,
    fn,
    driver: hasDisk ? IOPMEM : node.publishedBar === null ? null : 'p2pmem_pci',
    names: classNames(node),
    dmaMaskBits: node.addressBits,
    nvme: null,
    queueMemory: null,
    notes,
  };
}

/** Registers peer memory as a driver does: a refusal costs the memory and not the device. */
function offer(
  p2pdma: P2pdma,
  fn: PciFunction,
  bar: number,
  sizeBytes: number,
  offsetBytes: number,
  isPublished: boolean,
  name: string,
): readonly string[] {
  try {
    p2pdma.addResource(fn, bar, sizeBytes, offsetBytes);
    p2pdma.publish(fn.bdf, isPublished);
    return [];
  } catch (error) {
    if (!(error instanceof PeerlaneError)) {
      throw error;
    }
    return [`${name}: failed to register peer memory: ${error.message}`];
  }
}

/** Classes of devices that nothing drives here but a person wants to name. */
const CLASS_OF: Readonly<Partial<Record<LabEndpoint['kind'], string>>> = {
  nic: 'net',
  gpu: 'drm',
  'dma-engine': 'dma',
  rnic: 'infiniband',
};

function classNames(node: LabEndpoint): readonly ClassName[] {
  const subsystem = CLASS_OF[node.kind];
  return subsystem === undefined ? [] : [{ subsystem, name: node.name }];
}

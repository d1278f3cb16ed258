/** Devices of a lab as the nearest that QEMU 7.2 has, with the option that makes each. */
import type { LabEndpoint, LabEndpointBase, LabLink, LabNvme, LabPlainDevice } from '../file/index.ts';
import type { Changes } from './changes.ts';
import {
  EDU_TRAITS,
  NIC_TRAITS,
  nvmeTraits,
  QEMU_LINK,
  QEMU_PAYLOAD_BYTES,
  type QemuTraits,
  sharedMemoryTraits,
} from './qemu-devices.ts';

const MIB = 2 ** 20;
/** QEMU takes more, but it has to be found in the memory of the host. */
const MEMORY_BYTES_MAX = 2 ** 30;
/** A page. */
const MEMORY_BYTES_MIN = 4096;

export interface ExportedEndpoint {
  readonly node: LabEndpoint;
  /** `-device`: the model and its own properties, without id, bus and address. */
  readonly device: string;
  /** Objects that must be there before: `-object` values. */
  readonly objects: readonly string[];
  /** The model is a controller that namespaces can be put on. */
  readonly isNvme: boolean;
}

export interface EndpointPlace {
  readonly device: number;
  readonly function: number;
  readonly kind: 'root' | 'slot' | 'pci';
}

/** @param id  QEMU's id of the device */
export function exportEndpoint(
  node: LabEndpoint,
  id: string,
  place: EndpointPlace,
  changes: Changes,
): ExportedEndpoint {
  noteLosses(node, changes);
  const isConventional = place.kind === 'pci';
  const isNvme = node.kind === 'nvme' || node.kind === 'accelerator';
  if (isNvme && !isConventional) {
    return exportNvme(node, id, place, changes);
  }
  if (node.kind === 'nic' || node.kind === 'rnic') {
    changes.add('a network adapter is virtio-net-pci (1af4:1041)', node.name);
    return plain(node, place, NIC_TRAITS, 'nic', 'virtio-net-pci,disable-legacy=on');
  }
  const memory = node.bars.filter((bar) => bar.kind === 'memory');
  const published =
    node.kind === 'memory' ? memory.find(({ index }) => index === node.publishedBar) : undefined;
  const wanted = published?.sizeBytes ?? Math.max(0, ...memory.map(({ sizeBytes }) => sizeBytes));
  if (node.kind === 'dma-engine' || wanted === 0) {
    changes.add(
      'a DMA engine or a device without memory is edu (1234:11e8): a conventional function',
      node.name,
    );
    return plain(node, place, EDU_TRAITS, 'generic', 'edu');
  }
  changes.add(
    'a device is ivshmem-plain (1af4:1110): a conventional function without a driver, its largest or published memory in BAR 2',
    node.name,
  );
  const sizeBytes = limited(Math.max(MEMORY_BYTES_MIN, wanted), MEMORY_BYTES_MAX, node.name, changes);
  const backend = `memory-backend-ram,id=mem-${id},size=${sizeBytes},share=on,reserve=off`;
  const device = `ivshmem-plain,memdev=mem-${id}`;
  return plain(node, place, sharedMemoryTraits(sizeBytes), 'generic', device, [backend]);
}

function exportNvme(
  node: Extract<LabEndpoint, { kind: 'nvme' | 'accelerator' }>,
  id: string,
  place: EndpointPlace,
  changes: Changes,
): ExportedEndpoint {
  const cmbBytes = node.cmb === null ? 0 : cmbSize(node.cmb.sizeBytes, node.name, changes);
  const pmrBytes = node.pmr === null ? 0 : limited(node.pmr.sizeBytes, MEMORY_BYTES_MAX, node.name, changes);
  if (node.kind === 'accelerator') {
    changes.add('an accelerator is a plain NVMe drive', node.name);
  }
  changes.add(
    'an NVMe drive is QEMU’s (1b36:0010): its model, firmware, version, 64 queue pairs and 4 KiB doorbell stride',
    node.name,
  );
  if (node.cmb !== null && (node.cmb.bar !== 2 || node.cmb.offsetBytes !== 0 || node.cmb.isLegacy)) {
    changes.add('the CMB begins at the start of BAR 2 and is enabled through CMBMSC', node.name);
  }
  const options = [
    'nvme',
    `serial=${quoted(node.serial)}`,
    ...(cmbBytes === 0 ? [] : [`cmb_size_mb=${cmbBytes / MIB}`]),
    ...(pmrBytes === 0 ? [] : [`pmrdev=pmr-${id}`]),
  ];
  const exported: LabNvme = {
    kind: 'nvme',
    ...exportedBase(node, place, nvmeTraits(cmbBytes, pmrBytes)),
    namespaces: node.namespaces,
    cmb:
      cmbBytes === 0
        ? null
        : {
            sizeBytes: cmbBytes,
            offsetBytes: 0,
            bar: 2,
            isLegacy: false,
            flags: ['SQS', 'LISTS', 'RDS', 'WDS'],
          },
    pmr: pmrBytes === 0 ? null : { sizeBytes: pmrBytes, bar: 4, flags: ['RDS', 'WDS'] },
    mdts: 7,
    queues: 64,
    queueEntries: 2048,
    serial: node.serial,
    model: 'QEMU NVMe Ctrl',
    firmware: '7.2.22',
    version: '1.4',
    hasVolatileWriteCache: true,
    media: null,
  };
  return {
    node: exported,
    device: options.join(','),
    objects: pmrBytes === 0 ? [] : [`memory-backend-ram,id=pmr-${id},size=${pmrBytes},share=on,reserve=off`],
    isNvme: true,
  };
}

function plain(
  node: LabEndpoint,
  place: EndpointPlace,
  traits: QemuTraits,
  kind: LabPlainDevice['kind'],
  device: string,
  objects: readonly string[] = [],
): ExportedEndpoint {
  return { node: { kind, ...exportedBase(node, place, traits) }, device, objects, isNvme: false };
}

/** A function of QEMU in a lab. It cannot be said that a function below a port is conventional; for verdicts that is the same. */
export function exportedBase(
  node: Pick<LabEndpointBase, 'name'>,
  place: EndpointPlace,
  traits: QemuTraits,
): LabEndpointBase {
  const link: LabLink | null = place.kind === 'slot' ? QEMU_LINK : null;
  return {
    name: node.name,
    device: place.device,
    function: place.function,
    id: traits.id,
    subsystem: traits.subsystem,
    revision: traits.revision,
    classCode: traits.classCode,
    link,
    trained: null,
    acs: null,
    maxPayloadBytes: QEMU_PAYLOAD_BYTES,
    bars: traits.bars,
    interrupts: traits.interrupts,
    vectors: traits.vectors,
    addressBits: 64,
    hasExtendedTags: false,
    hasRelaxedOrdering: true,
    hasNoSnoop: true,
    hasAts: false,
    hasPri: false,
    hasFlr: true,
    sriov: null,
    timing: null,
  };
}

/** QEMU counts a CMB in MiB; its BAR is the next power of two. */
function cmbSize(wanted: number, name: string, changes: Changes): number {
  const sizeBytes = limited(Math.ceil(wanted / MIB) * MIB, MEMORY_BYTES_MAX, name, changes);
  if (sizeBytes > wanted) {
    changes.add('the CMB is rounded up to whole MiB', name);
  }
  return sizeBytes;
}

function limited(wanted: number, most: number, name: string, changes: Changes): number {
  if (wanted > most) {
    changes.add(`memory of a device is limited to ${most / MIB} MiB`, name);
  }
  return Math.min(wanted, most);
}

function noteLosses(node: LabEndpoint, changes: Changes): void {
  if (node.acs !== null) {
    changes.add('devices have no ACS', node.name);
  }
  if (node.hasAts) {
    changes.add('devices have no ATS', node.name);
  }
  if (node.sriov !== null) {
    changes.add('virtual functions are left out', node.name);
  }
  if (node.bars.some((bar) => bar.resizableBytes !== null)) {
    changes.add('BARs are not resizable', node.name);
  }
}

/** QEMU ends a value at a comma, which two of them stand for. */
export function quoted(text: string): string {
  return text.replaceAll(',', ',,');
}

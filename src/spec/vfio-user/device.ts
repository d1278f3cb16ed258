/** What a client asks of a device: itself, its regions, its interrupts. The structures are those of linux/vfio.h. */
import { bit, bits, plain, register, structure } from '../../base/index.ts';
import { sourceOf } from './message.ts';

/** Bytes that the asker has room for, and in a reply those that there are. */
export const INFO_ARGSZ = plain('argsz', 0x00, 32);

export const DEVICE_INFO_FLAGS = register('flags', 0x04, 32, { RESET: bit(0), PCI: bit(1) });
export const DEVICE_INFO_REGIONS = plain('num_regions', 0x08, 32);
export const DEVICE_INFO_IRQS = plain('num_irqs', 0x0c, 32);
export const DEVICE_INFO = structure('Device info', sourceOf('VFIO_USER_DEVICE_GET_INFO'), 16, [
  INFO_ARGSZ,
  DEVICE_INFO_FLAGS,
  DEVICE_INFO_REGIONS,
  DEVICE_INFO_IRQS,
]);

/** Indexes of regions of a PCI device. BARs are 0 to 5. */
export const VFIO_REGION = { BAR0: 0, BAR5: 5, ROM: 6, CONFIG: 7, VGA: 8 } as const;
export const VFIO_REGION_COUNT = 9;

export const REGION_INFO_FLAGS = register('flags', 0x04, 32, {
  READ: bit(0),
  WRITE: bit(1),
  MMAP: bit(2),
  CAPS: bit(3),
});
export const REGION_INFO_INDEX = plain('index', 0x08, 32);
/** From the start of this structure to the first capability; 0 for none. */
export const REGION_INFO_CAP_OFFSET = plain('cap_offset', 0x0c, 32);
export const REGION_INFO_SIZE = plain('size', 0x10, 64);
/** Where in the passed file the region begins. */
export const REGION_INFO_OFFSET = plain('offset', 0x18, 64);
export const REGION_INFO = structure('Region info', sourceOf('VFIO_USER_DEVICE_GET_REGION_INFO'), 32, [
  INFO_ARGSZ,
  REGION_INFO_FLAGS,
  REGION_INFO_INDEX,
  REGION_INFO_CAP_OFFSET,
  REGION_INFO_SIZE,
  REGION_INFO_OFFSET,
]);

/** Only these parts of a region may be mapped. Areas follow. */
export const SPARSE_MMAP_ID = 1;
export const SPARSE_MMAP_VERSION = 1;
export const SPARSE_CAP_ID = plain('id', 0x00, 16);
export const SPARSE_CAP_VERSION = plain('version', 0x02, 16);
export const SPARSE_CAP_NEXT = plain('next', 0x04, 32);
export const SPARSE_CAP_AREAS = plain('nr_areas', 0x08, 32);
export const SPARSE_CAP_RESERVED = plain('reserved', 0x0c, 32);
export const SPARSE_CAP = structure('Sparse mmap capability', sourceOf('region info capabilities'), 16, [
  SPARSE_CAP_ID,
  SPARSE_CAP_VERSION,
  SPARSE_CAP_NEXT,
  SPARSE_CAP_AREAS,
  SPARSE_CAP_RESERVED,
]);

/** From the start of the region; whole pages. */
export const SPARSE_AREA_OFFSET = plain('offset', 0x00, 64);
export const SPARSE_AREA_SIZE = plain('size', 0x08, 64);
export const SPARSE_AREA = structure('Sparse mmap area', sourceOf('region info capabilities'), 16, [
  SPARSE_AREA_OFFSET,
  SPARSE_AREA_SIZE,
]);

/** Indexes of interrupts of a PCI device. */
export const VFIO_IRQ = { INTX: 0, MSI: 1, MSIX: 2, ERR: 3, REQ: 4 } as const;
export const VFIO_IRQ_COUNT = 5;

export const IRQ_INFO_FLAGS = register('flags', 0x04, 32, {
  EVENTFD: bit(0),
  MASKABLE: bit(1),
  AUTOMASKED: bit(2),
  NORESIZE: bit(3),
});
export const IRQ_INFO_INDEX = plain('index', 0x08, 32);
export const IRQ_INFO_VECTORS = plain('count', 0x0c, 32);
export const IRQ_INFO = structure('IRQ info', sourceOf('VFIO_USER_DEVICE_GET_IRQ_INFO'), 16, [
  INFO_ARGSZ,
  IRQ_INFO_FLAGS,
  IRQ_INFO_INDEX,
  IRQ_INFO_VECTORS,
]);

/** Data: one of IRQ_DATA. Action: one of IRQ_ACTION. */
export const SET_IRQS_FLAGS = register('flags', 0x04, 32, { Data: bits(2, 0), Action: bits(5, 3) });
export const SET_IRQS_INDEX = plain('index', 0x08, 32);
export const SET_IRQS_START = plain('start', 0x0c, 32);
export const SET_IRQS_VECTORS = plain('count', 0x10, 32);
/** With IRQ_DATA.BOOL a byte for each vector follows. */
export const SET_IRQS = structure('Set IRQs', sourceOf('VFIO_USER_DEVICE_SET_IRQS'), 20, [
  INFO_ARGSZ,
  SET_IRQS_FLAGS,
  SET_IRQS_INDEX,
  SET_IRQS_START,
  SET_IRQS_VECTORS,
]);

export const IRQ_DATA = { NONE: 1, BOOL: 2, EVENTFD: 4 } as const;
export const IRQ_ACTION = { MASK: 1, UNMASK: 2, TRIGGER: 4 } as const;

/** Answers to what a client asks about a device: its regions and what of them can be mapped. */
import type { ConfigSpace } from '../../fabric/index.ts';
import {
  DEVICE_INFO,
  DEVICE_INFO_FLAGS,
  DEVICE_INFO_IRQS,
  DEVICE_INFO_REGIONS,
  INFO_ARGSZ,
  IRQ_INFO,
  IRQ_INFO_FLAGS,
  IRQ_INFO_INDEX,
  IRQ_INFO_VECTORS,
  REGION_INFO,
  REGION_INFO_CAP_OFFSET,
  REGION_INFO_FLAGS,
  REGION_INFO_INDEX,
  REGION_INFO_OFFSET,
  REGION_INFO_SIZE,
  SPARSE_AREA,
  SPARSE_AREA_OFFSET,
  SPARSE_AREA_SIZE,
  SPARSE_CAP,
  SPARSE_CAP_AREAS,
  SPARSE_CAP_ID,
  SPARSE_CAP_VERSION,
  SPARSE_MMAP_ID,
  SPARSE_MMAP_VERSION,
  VFIO_IRQ,
  VFIO_IRQ_COUNT,
  VFIO_REGION,
  VFIO_REGION_COUNT,
} from '../../spec/vfio-user/index.ts';
import type { ServedDevice, SharedBar } from './served-device.ts';

/** @returns bytes of the payload, which starts at `at` and was zeroed */
export function writeDeviceInfo(view: DataView, at: number): number {
  INFO_ARGSZ.setValue(view, DEVICE_INFO.sizeBytes, at);
  DEVICE_INFO_FLAGS.RESET.write(view, 1, at);
  DEVICE_INFO_FLAGS.PCI.write(view, 1, at);
  DEVICE_INFO_REGIONS.setValue(view, VFIO_REGION_COUNT, at);
  DEVICE_INFO_IRQS.setValue(view, VFIO_IRQ_COUNT, at);
  return DEVICE_INFO.sizeBytes;
}

/** Bytes of a region now; 0 when there is none. */
export function regionBytes(config: ConfigSpace, index: number): number {
  if (index === VFIO_REGION.CONFIG) {
    return config.sizeBytes;
  }
  return index <= VFIO_REGION.BAR5 ? (config.bar(index)?.sizeBytes ?? 0) : 0;
}

/** What of a region can be mapped; undefined for nothing. */
export function sharedBarOf(device: ServedDevice, index: number): SharedBar | undefined {
  return device.bars.find(({ bar, areas }) => bar === index && areas.length > 0);
}

/** Whether the parts that can be mapped have to be listed: when they are not the whole. */
function isSparse(shared: SharedBar, sizeBytes: number): boolean {
  const { areas } = shared;
  return !(areas.length === 1 && areas[0]!.offsetBytes === 0 && areas[0]!.lengthBytes === sizeBytes);
}

/** Bytes of the whole answer about a region. */
export function regionInfoBytes(device: ServedDevice, index: number): number {
  const shared = sharedBarOf(device, index);
  return shared === undefined || !isSparse(shared, regionBytes(device.fn.config, index))
    ? REGION_INFO.sizeBytes
    : REGION_INFO.sizeBytes + SPARSE_CAP.sizeBytes + SPARSE_AREA.sizeBytes * shared.areas.length;
}

/**
 * Describes a region. An asker without room for the capabilities learns how much they take, and gets no descriptor yet.
 * @param argszMax  what the asker has room for, REGION_INFO at least
 * @returns bytes of the payload, which starts at `at` and was zeroed
 */
export function writeRegionInfo(
  view: DataView,
  at: number,
  device: ServedDevice,
  index: number,
  argszMax: number,
): number {
  const sizeBytes = regionBytes(device.fn.config, index);
  const wholeBytes = regionInfoBytes(device, index);
  INFO_ARGSZ.setValue(view, wholeBytes, at);
  REGION_INFO_INDEX.setValue(view, index, at);
  REGION_INFO_SIZE.setValue(view, sizeBytes, at);
  if (sizeBytes > 0) {
    REGION_INFO_FLAGS.READ.write(view, 1, at);
    REGION_INFO_FLAGS.WRITE.write(view, 1, at);
  }
  const shared = sharedBarOf(device, index);
  if (shared === undefined) {
    return REGION_INFO.sizeBytes;
  }
  REGION_INFO_FLAGS.MMAP.write(view, 1, at);
  // The client adds the offset of an area, in 64 bits: what is negative here is in the file then.
  view.setBigInt64(at + REGION_INFO_OFFSET.offset, BigInt(shared.fileOffsetBytes), true);
  if (wholeBytes === REGION_INFO.sizeBytes) {
    return wholeBytes;
  }
  REGION_INFO_FLAGS.CAPS.write(view, 1, at);
  // Also where the capability itself is not sent: QEMU takes an answer with 0 here for invalid.
  REGION_INFO_CAP_OFFSET.setValue(view, REGION_INFO.sizeBytes, at);
  if (argszMax < wholeBytes) {
    return REGION_INFO.sizeBytes;
  }
  let place = at + REGION_INFO.sizeBytes;
  SPARSE_CAP_ID.setValue(view, SPARSE_MMAP_ID, place);
  SPARSE_CAP_VERSION.setValue(view, SPARSE_MMAP_VERSION, place);
  SPARSE_CAP_AREAS.setValue(view, shared.areas.length, place);
  place += SPARSE_CAP.sizeBytes;
  for (const { offsetBytes, lengthBytes } of shared.areas) {
    SPARSE_AREA_OFFSET.setValue(view, offsetBytes, place);
    SPARSE_AREA_SIZE.setValue(view, lengthBytes, place);
    place += SPARSE_AREA.sizeBytes;
  }
  return wholeBytes;
}

/** @returns bytes of the payload, which starts at `at` and was zeroed */
export function writeIrqInfo(view: DataView, at: number, index: number, vectorCount: number): number {
  INFO_ARGSZ.setValue(view, IRQ_INFO.sizeBytes, at);
  IRQ_INFO_INDEX.setValue(view, index, at);
  IRQ_INFO_VECTORS.setValue(view, vectorCount, at);
  if (vectorCount > 0) {
    // Without NORESIZE, which would make a client take all vectors away to add one.
    IRQ_INFO_FLAGS.EVENTFD.write(view, 1, at);
    if (index === VFIO_IRQ.INTX) {
      IRQ_INFO_FLAGS.MASKABLE.write(view, 1, at);
      IRQ_INFO_FLAGS.AUTOMASKED.write(view, 1, at);
    }
  }
  return IRQ_INFO.sizeBytes;
}

/** Accesses to regions, and to the client's memory. */
import { bit, plain, register, structure } from '../../base/index.ts';
import { sourceOf } from './message.ts';

export const REGION_ACCESS_OFFSET = plain('offset', 0x00, 64);
export const REGION_ACCESS_REGION = plain('region', 0x08, 32);
/** Bytes. */
export const REGION_ACCESS_LENGTH = plain('count', 0x0c, 32);
/** The bytes follow: in a request to write, and in the reply to a read. */
export const REGION_ACCESS = structure('Region access', sourceOf('VFIO_USER_REGION_READ and _WRITE'), 16, [
  REGION_ACCESS_OFFSET,
  REGION_ACCESS_REGION,
  REGION_ACCESS_LENGTH,
]);

/** Writes that follow. The message is never answered. */
export const WRITE_MULTI_NUMBER = plain('wr_cnt', 0x00, 64);
export const WRITE_MULTI = structure('Region writes', sourceOf('VFIO_USER_REGION_WRITE_MULTI'), 8, [
  WRITE_MULTI_NUMBER,
]);
/** Each is a region access with room for eight bytes behind it. */
export const WRITE_MULTI_ENTRY_BYTES = 24;
export const WRITE_MULTI_DATA_BYTES = 8;

export const DMA_MAP_ARGSZ = plain('argsz', 0x00, 32);
export const DMA_MAP_FLAGS = register('flags', 0x04, 32, { READ: bit(0), WRITE: bit(1) });
/** Into the file whose descriptor comes with the message. */
export const DMA_MAP_OFFSET = plain('offset', 0x08, 64);
export const DMA_MAP_ADDRESS = plain('address', 0x10, 64);
export const DMA_MAP_SIZE = plain('size', 0x18, 64);
export const DMA_MAP = structure('DMA map', sourceOf('VFIO_USER_DMA_MAP'), 32, [
  DMA_MAP_ARGSZ,
  DMA_MAP_FLAGS,
  DMA_MAP_OFFSET,
  DMA_MAP_ADDRESS,
  DMA_MAP_SIZE,
]);

export const DMA_UNMAP_FLAGS = plain('flags', 0x04, 32);
export const DMA_UNMAP_ADDRESS = plain('address', 0x08, 64);
export const DMA_UNMAP_SIZE = plain('size', 0x10, 64);
export const DMA_UNMAP = structure('DMA unmap', sourceOf('VFIO_USER_DMA_UNMAP'), 24, [
  DMA_MAP_ARGSZ,
  DMA_UNMAP_FLAGS,
  DMA_UNMAP_ADDRESS,
  DMA_UNMAP_SIZE,
]);

export const DMA_ACCESS_ADDRESS = plain('address', 0x00, 64);
/** Bytes; 64 bits wide since QEMU 10.1. */
export const DMA_ACCESS_LENGTH = plain('count', 0x08, 64);
/** The bytes follow: in a request to write, and in the reply to a read. */
export const DMA_ACCESS = structure('DMA access', sourceOf('VFIO_USER_DMA_READ and _WRITE'), 16, [
  DMA_ACCESS_ADDRESS,
  DMA_ACCESS_LENGTH,
]);

/**
 * Peerlane's own DMA engine: the smallest PCI function that is a client of peer memory. Registers and descriptors, shared by
 * its model (`devices/dma-engine`) and its driver (`drivers/dma-engine`).
 *
 * There is no other specification: this table is it. The engine takes descriptors from a ring in memory, moves bytes from
 * one bus address to another through a buffer of its own, writes what became of it into the descriptor, and interrupts.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';

/** Identification: class 08_01_00 (DMA controller). Vendor 1234 is what emulators use that were assigned no id. */
export const DMA_ENGINE_ID = { vendorId: 0x1234, deviceId: 0xd3a0, classCode: 0x08_01_00 } as const;

/** Capabilities. MAXLEN: largest transfer of one descriptor is 4 KiB << MAXLEN. */
export const ENGINE_CAP = register('CAP', 0x00, 32, {
  VERSION: bits(7, 0, 'RO'),
  MAXLEN: bits(11, 8, 'RO'),
  RINGMAX: bits(19, 16, 'RO'),
});
/** EN: 1 runs the ring, 0 stops it and drops what is under way. */
export const ENGINE_CTRL = register('CTRL', 0x04, 32, { EN: bit(0, 'RW'), IE: bit(1, 'RW') });
/** ERR: the ring itself could not be read or written; cleared by writing 0 to CTRL.EN. */
export const ENGINE_STATUS = register('STATUS', 0x08, 32, { RDY: bit(0, 'RO'), ERR: bit(1, 'RO') });
/** Entries of the ring: 2 << SIZE, at most 2 << CAP.RINGMAX. */
export const ENGINE_RING_SIZE = register('RINGSIZE', 0x0c, 32, { SIZE: bits(3, 0, 'RW') });
/** Bus address of the ring, a multiple of 64. */
export const ENGINE_RING_LOW = plain('RINGLOW', 0x10, 32);
export const ENGINE_RING_HIGH = plain('RINGHIGH', 0x14, 32);
/** Tail doorbell: index of the first entry that the driver has not filled. */
export const ENGINE_TAIL = plain('TAIL', 0x18, 32);
/** Index of the first entry that the engine has not finished. */
export const ENGINE_HEAD = plain('HEAD', 0x1c, 32);

export const DMA_ENGINE_REGISTERS = structure('DMA engine', 'Peerlane DMA engine 1, registers', 0x20, [
  ENGINE_CAP,
  ENGINE_CTRL,
  ENGINE_STATUS,
  ENGINE_RING_SIZE,
  ENGINE_RING_LOW,
  ENGINE_RING_HIGH,
  ENGINE_TAIL,
  ENGINE_HEAD,
]);

/** One descriptor. */
export const DESCRIPTOR_BYTES = 32;
export const DESC_SOURCE_LOW = plain('SOURCELOW', 0x00, 32);
export const DESC_SOURCE_HIGH = plain('SOURCEHIGH', 0x04, 32);
export const DESC_TARGET_LOW = plain('TARGETLOW', 0x08, 32);
export const DESC_TARGET_HIGH = plain('TARGETHIGH', 0x0c, 32);
export const DESC_LENGTH = plain('LENGTH', 0x10, 32);
/** IRQ: interrupt when this one is done. */
export const DESC_FLAGS = register('FLAGS', 0x14, 32, { IRQ: bit(0, 'RW') });
/** Written by the engine: one of ENGINE_RESULT. */
export const DESC_RESULT = plain('RESULT', 0x18, 32);

export const DMA_ENGINE_DESCRIPTOR = structure(
  'DMA engine descriptor',
  'Peerlane DMA engine 1, descriptor',
  DESCRIPTOR_BYTES,
  [
    DESC_SOURCE_LOW,
    DESC_SOURCE_HIGH,
    DESC_TARGET_LOW,
    DESC_TARGET_HIGH,
    DESC_LENGTH,
    DESC_FLAGS,
    DESC_RESULT,
    reserved(0x1c, 4),
  ],
);

/** What became of a descriptor; 0 is "not yet". */
export const ENGINE_RESULT = {
  DONE: 1,
  /** The source could not be read; nothing was written. */
  READ_FAILED: 2,
  /** Nothing was sent: bus mastering is off or the function is gone. A write that went nowhere is not noticed. */
  WRITE_FAILED: 3,
  /** Length 0 or above the maximum. */
  BAD_LENGTH: 4,
} as const;

/** 0's based powers, as everywhere: the size in entries or bytes. */
export function ringEntries(size: number): number {
  return 2 << size;
}

export function maxLengthBytes(capMaxlen: number): number {
  return 4096 * 2 ** capMaxlen;
}

/**
 * The message header, commands and error numbers of vfio-user.
 *
 * Both sides send requests over one stream; each side has ids of its own. Everything is in the byte order of the host, which
 * is little-endian wherever this runs.
 */
import { bit, bits, plain, register, structure } from '../../base/index.ts';

const SOURCE = 'vfio-user 0.0 (QEMU 10.1, docs/interop/vfio-user.rst)';

/** Name and section for the `source` of a table. */
export function sourceOf(section: string): string {
  return `${SOURCE}, ${section}`;
}

export const MESSAGE_ID = plain('Message ID', 0x00, 16);
export const MESSAGE_COMMAND = plain('Command', 0x02, 16);
/** Bytes of the whole message, header included. */
export const MESSAGE_SIZE = plain('Message size', 0x04, 32);
/** Type: one of MESSAGE_TYPE. No_Reply: a request that must not be answered. Error: a reply whose Error is an errno. */
export const MESSAGE_FLAGS = register('Flags', 0x08, 32, {
  Type: bits(3, 0),
  No_Reply: bit(4),
  Error: bit(5),
});
/** A positive errno of Linux, when the flag says so. */
export const MESSAGE_ERROR = plain('Error', 0x0c, 32);

export const MESSAGE_HEADER = structure('Message header', sourceOf('Header'), 16, [
  MESSAGE_ID,
  MESSAGE_COMMAND,
  MESSAGE_SIZE,
  MESSAGE_FLAGS,
  MESSAGE_ERROR,
]);

export const HEADER_BYTES = MESSAGE_HEADER.sizeBytes;

export const MESSAGE_TYPE = { REQUEST: 0, REPLY: 1 } as const;

/** Values of the whole flags register. */
export const FLAGS_REPLY = 0x01;
export const FLAGS_ERROR_REPLY = 0x21;

/** Client is who uses the device, server who is the device. DMA_READ and DMA_WRITE go from the server to the client. */
export const VFIO_USER_COMMAND = {
  VERSION: 1,
  DMA_MAP: 2,
  DMA_UNMAP: 3,
  DEVICE_GET_INFO: 4,
  DEVICE_GET_REGION_INFO: 5,
  DEVICE_GET_REGION_IO_FDS: 6,
  DEVICE_GET_IRQ_INFO: 7,
  DEVICE_SET_IRQS: 8,
  REGION_READ: 9,
  REGION_WRITE: 10,
  DMA_READ: 11,
  DMA_WRITE: 12,
  DEVICE_RESET: 13,
  REGION_WRITE_MULTI: 15,
  DEVICE_FEATURE: 16,
  MIG_DATA_READ: 17,
  MIG_DATA_WRITE: 18,
} as const;

const NAME_BY_COMMAND = new Map<number, string>(
  Object.entries(VFIO_USER_COMMAND).map(([name, number]) => [number, name]),
);

/** `REGION_READ` for 9; `command 99` for a number without a name. */
export function vfioUserCommandName(command: number): string {
  return NAME_BY_COMMAND.get(command) ?? `command ${command}`;
}

/** Error numbers that stand in replies. Linux, include/uapi/asm-generic/errno-base.h and errno.h. */
export const VFIO_USER_ERRNO = {
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  ENOSYS: 38,
} as const;

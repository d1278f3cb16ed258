/**
 * Opcodes. Bits 1:0 of an opcode tell which way its data go.
 *
 * Leaves out the commands of fabrics (but their shared opcode) and of other I/O command sets. Follows NVM Express Base
 * 2.1, sections 5 (figure of admin opcodes) and 7, and NVM Command Set 1.1, section 3.2.
 */

/** NVM Express Base 2.1, 5. */
export const ADMIN_OPCODE = {
  DELETE_IO_SQ: 0x00,
  CREATE_IO_SQ: 0x01,
  GET_LOG_PAGE: 0x02,
  DELETE_IO_CQ: 0x04,
  CREATE_IO_CQ: 0x05,
  IDENTIFY: 0x06,
  ABORT: 0x08,
  SET_FEATURES: 0x09,
  GET_FEATURES: 0x0a,
  ASYNCHRONOUS_EVENT_REQUEST: 0x0c,
  NAMESPACE_MANAGEMENT: 0x0d,
  FIRMWARE_COMMIT: 0x10,
  FIRMWARE_IMAGE_DOWNLOAD: 0x11,
  DEVICE_SELF_TEST: 0x14,
  NAMESPACE_ATTACHMENT: 0x15,
  KEEP_ALIVE: 0x18,
  DIRECTIVE_SEND: 0x19,
  DIRECTIVE_RECEIVE: 0x1a,
  VIRTUALIZATION_MANAGEMENT: 0x1c,
  NVME_MI_SEND: 0x1d,
  NVME_MI_RECEIVE: 0x1e,
  CAPACITY_MANAGEMENT: 0x20,
  LOCKDOWN: 0x24,
  TRACK_SEND: 0x3d,
  TRACK_RECEIVE: 0x3e,
  MIGRATION_SEND: 0x41,
  MIGRATION_RECEIVE: 0x42,
  CONTROLLER_DATA_QUEUE: 0x45,
  DOORBELL_BUFFER_CONFIG: 0x7c,
  FABRICS: 0x7f,
  FORMAT_NVM: 0x80,
  SECURITY_SEND: 0x81,
  SECURITY_RECEIVE: 0x82,
  SANITIZE: 0x84,
  GET_LBA_STATUS: 0x86,
} as const;

/** NVM Express Base 2.1, 7, and NVM Command Set 1.1, 3.2. */
export const NVM_OPCODE = {
  FLUSH: 0x00,
  WRITE: 0x01,
  READ: 0x02,
  WRITE_UNCORRECTABLE: 0x04,
  COMPARE: 0x05,
  WRITE_ZEROES: 0x08,
  DATASET_MANAGEMENT: 0x09,
  VERIFY: 0x0c,
  RESERVATION_REGISTER: 0x0d,
  RESERVATION_REPORT: 0x0e,
  RESERVATION_ACQUIRE: 0x11,
  IO_MANAGEMENT_RECEIVE: 0x12,
  RESERVATION_RELEASE: 0x15,
  CANCEL: 0x18,
  COPY: 0x19,
  IO_MANAGEMENT_SEND: 0x1d,
} as const;

/** From here on an I/O opcode is the vendor's; for admin commands C0h. NVM Express Base 2.1, 5 and 7. */
export const NVM_OPCODE_VENDOR = 0x80;
export const ADMIN_OPCODE_VENDOR = 0xc0;

/** Bits 1:0 of an opcode. NVM Express Base 2.1, 4.1.1. */
export const DATA_DIRECTION = {
  NONE: 0,
  HOST_TO_CONTROLLER: 1,
  CONTROLLER_TO_HOST: 2,
  BOTH: 3,
} as const;

/** Abbreviations that keep their spelling. */
const KEPT: ReadonlyMap<string, string> = new Map([
  ['IO', 'I/O'],
  ['SQ', 'SQ'],
  ['CQ', 'CQ'],
  ['NVM', 'NVM'],
  ['NVME', 'NVMe'],
  ['MI', 'MI'],
  ['LBA', 'LBA'],
]);

const ADMIN_NAMES = namesOf(ADMIN_OPCODE);
const NVM_NAMES = namesOf(NVM_OPCODE);

/** For people, such as "Get Log Page"; null when the table has none. */
export function adminOpcodeName(opcode: number): string | null {
  return ADMIN_NAMES.get(opcode) ?? null;
}

/** For people, such as "Write Zeroes"; null when the table has none. */
export function nvmOpcodeName(opcode: number): string | null {
  return NVM_NAMES.get(opcode) ?? null;
}

function namesOf(opcodes: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  const words = (name: string): string =>
    name
      .split('_')
      .map((word) => KEPT.get(word) ?? word[0] + word.slice(1).toLowerCase())
      .join(' ');
  return new Map(Object.entries(opcodes).map(([name, opcode]) => [opcode, words(name)]));
}

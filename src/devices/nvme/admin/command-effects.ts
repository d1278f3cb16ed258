/** The Commands Supported and Effects log. Follows NVM Express Base 2.1, section 5.1.12.1.6. */
import {
  ADMIN_OPCODE,
  COMMAND_EFFECTS,
  COMMAND_EFFECTS_LOG,
  EFFECTS_ACS,
  EFFECTS_IOCS,
  NVM_OPCODE,
} from '../../../spec/nvme/index.ts';
import type { ResolvedOptions } from '../options.ts';

/** Bits of COMMAND_EFFECTS, and how alone the command has to be (CSE). */
const NONE = 1 << COMMAND_EFFECTS.CSUPP.low;
const CONTENT = NONE | (1 << COMMAND_EFFECTS.LBCC.low);
const CAPABILITY = 1 << COMMAND_EFFECTS.NCC.low;
const INVENTORY = 1 << COMMAND_EFFECTS.NIC.low;
const CONTROLLER = 1 << COMMAND_EFFECTS.CCC.low;
const ALONE_IN_NAMESPACE = 1 << COMMAND_EFFECTS.CSE.low;
const ALONE = 2 << COMMAND_EFFECTS.CSE.low;

/** Admin commands that every controller here has, with their effects. */
const ADMIN: readonly (readonly [number, number])[] = [
  [ADMIN_OPCODE.DELETE_IO_SQ, NONE],
  [ADMIN_OPCODE.CREATE_IO_SQ, NONE],
  [ADMIN_OPCODE.GET_LOG_PAGE, NONE],
  [ADMIN_OPCODE.DELETE_IO_CQ, NONE],
  [ADMIN_OPCODE.CREATE_IO_CQ, NONE],
  [ADMIN_OPCODE.IDENTIFY, NONE],
  [ADMIN_OPCODE.ABORT, NONE],
  [ADMIN_OPCODE.SET_FEATURES, NONE | CAPABILITY | CONTROLLER],
  [ADMIN_OPCODE.GET_FEATURES, NONE],
  [ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST, NONE],
  [ADMIN_OPCODE.NAMESPACE_MANAGEMENT, CONTENT | INVENTORY],
  [ADMIN_OPCODE.FIRMWARE_COMMIT, NONE | CONTROLLER],
  [ADMIN_OPCODE.FIRMWARE_IMAGE_DOWNLOAD, NONE],
  [ADMIN_OPCODE.DEVICE_SELF_TEST, NONE],
  [ADMIN_OPCODE.NAMESPACE_ATTACHMENT, NONE | INVENTORY],
  [ADMIN_OPCODE.KEEP_ALIVE, NONE],
  [ADMIN_OPCODE.DIRECTIVE_SEND, NONE],
  [ADMIN_OPCODE.DIRECTIVE_RECEIVE, NONE],
  [ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG, NONE],
  [ADMIN_OPCODE.FORMAT_NVM, CONTENT | CAPABILITY | ALONE_IN_NAMESPACE],
  [ADMIN_OPCODE.SANITIZE, CONTENT | ALONE],
];

const IO: readonly (readonly [number, number])[] = [
  [NVM_OPCODE.FLUSH, NONE],
  [NVM_OPCODE.WRITE, CONTENT],
  [NVM_OPCODE.READ, NONE],
  [NVM_OPCODE.WRITE_UNCORRECTABLE, CONTENT],
  [NVM_OPCODE.COMPARE, NONE],
  [NVM_OPCODE.WRITE_ZEROES, CONTENT],
  [NVM_OPCODE.DATASET_MANAGEMENT, CONTENT],
];

export function commandEffects(options: ResolvedOptions): Uint8Array {
  const bytes = new Uint8Array(COMMAND_EFFECTS_LOG.sizeBytes);
  const view = new DataView(bytes.buffer);
  for (const [opcode, effects] of ADMIN) {
    view.setUint32(EFFECTS_ACS.at(opcode), effects, true);
  }
  for (const [opcode, effects] of IO) {
    view.setUint32(EFFECTS_IOCS.at(opcode), effects, true);
  }
  if (options.version !== '1.3') {
    view.setUint32(EFFECTS_IOCS.at(NVM_OPCODE.VERIFY), NONE, true);
  }
  if (options.version === '2.0' || options.version === '2.1') {
    view.setUint32(EFFECTS_IOCS.at(NVM_OPCODE.COPY), CONTENT, true);
  }
  return bytes;
}

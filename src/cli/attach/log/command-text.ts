/** NVMe commands and their results in the words of the specification. */
import type { Command } from '../../../devices/index.ts';
import {
  ABORT_CDW10,
  ADMIN_OPCODE,
  adminOpcodeName,
  blockCount,
  CREATE_CQ_CDW11,
  CREATE_QUEUE_CDW10,
  CREATE_SQ_CDW11,
  DATA_DIRECTION,
  DELETE_QUEUE_CDW10,
  DSM_CDW10,
  FEATURE,
  formatIndex,
  GET_FEATURES_CDW10,
  GET_LOG_PAGE_CDW10,
  IDENTIFY_CDW10,
  LOG_PAGE,
  logPageBytes,
  NVM_OPCODE,
  nvmOpcodeName,
  PRP1,
  queueSizeEntries,
  rangeCount,
  SET_FEATURES_CDW10,
  SLBA,
  statusName,
} from '../../../spec/nvme/index.ts';

const BLOCK_COMMANDS: ReadonlySet<number> = new Set([
  NVM_OPCODE.READ,
  NVM_OPCODE.WRITE,
  NVM_OPCODE.COMPARE,
  NVM_OPCODE.VERIFY,
  NVM_OPCODE.WRITE_ZEROES,
  NVM_OPCODE.WRITE_UNCORRECTABLE,
]);

const FEATURE_NAMES = namesOf(FEATURE);
const LOG_PAGE_NAMES = namesOf(LOG_PAGE);

/** `READ nsid 1 slba 2048 nlb 8`, `IDENTIFY nsid 0 cns 1`. Counts and sizes are the true ones, not 0's based. */
export function commandText(command: Command): string {
  const { queueId, opcode, nsid } = command;
  const isAdmin = queueId === 0;
  const name =
    (isAdmin ? adminOpcodeName(opcode) : nvmOpcodeName(opcode))?.toUpperCase() ??
    `opcode 0x${opcode.toString(16).padStart(2, '0')}`;
  const details = isAdmin ? adminDetails(command) : ioDetails(command);
  const namespace = isAdmin && nsid === 0 ? '' : ` nsid ${nsid === 0xffff_ffff ? 'all' : nsid}`;
  return `${name}${namespace}${details}`;
}

function ioDetails(command: Command): string {
  const { opcode } = command;
  if (BLOCK_COMMANDS.has(opcode)) {
    return ` slba ${SLBA.value(command.view, command.base)} nlb ${blockCount(command.dword(12))}`;
  }
  switch (opcode) {
    case NVM_OPCODE.FLUSH:
      return '';
    case NVM_OPCODE.DATASET_MANAGEMENT:
      return ` ranges ${rangeCount(DSM_CDW10.NR.of(command.dword(10)))}`;
    case NVM_OPCODE.COPY:
      return ` to slba ${SLBA.value(command.view, command.base)}`;
    default:
      return rawDetails(command);
  }
}

function adminDetails(command: Command): string {
  const cdw10 = command.dword(10);
  const cdw11 = command.dword(11);
  switch (command.opcode) {
    case ADMIN_OPCODE.IDENTIFY:
      return ` cns ${IDENTIFY_CDW10.CNS.of(cdw10)}`;
    case ADMIN_OPCODE.GET_LOG_PAGE: {
      const lid = GET_LOG_PAGE_CDW10.LID.of(cdw10);
      return ` lid ${named(lid, LOG_PAGE_NAMES)} ${logPageBytes(command.view, command.base)} bytes`;
    }
    case ADMIN_OPCODE.GET_FEATURES:
      return ` fid ${named(GET_FEATURES_CDW10.FID.of(cdw10), FEATURE_NAMES)}`;
    case ADMIN_OPCODE.SET_FEATURES:
      return ` fid ${named(SET_FEATURES_CDW10.FID.of(cdw10), FEATURE_NAMES)} cdw11 0x${cdw11.toString(16)}`;
    case ADMIN_OPCODE.CREATE_IO_CQ:
      return `${queueDetails(cdw10)} vector ${CREATE_CQ_CDW11.IV.of(cdw11)}`;
    case ADMIN_OPCODE.CREATE_IO_SQ:
      return `${queueDetails(cdw10)} cq ${CREATE_SQ_CDW11.CQID.of(cdw11)}`;
    case ADMIN_OPCODE.DELETE_IO_CQ:
    case ADMIN_OPCODE.DELETE_IO_SQ:
      return ` qid ${DELETE_QUEUE_CDW10.QID.of(cdw10)}`;
    case ADMIN_OPCODE.ABORT:
      return ` sq ${ABORT_CDW10.SQID.of(cdw10)} cid ${ABORT_CDW10.CID.of(cdw10)}`;
    case ADMIN_OPCODE.FORMAT_NVM:
      return ` format ${formatIndex(cdw10)}`;
    case ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST:
    case ADMIN_OPCODE.KEEP_ALIVE:
    case ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG:
      return '';
    default:
      return rawDetails(command);
  }
}

function queueDetails(cdw10: number): string {
  return ` qid ${CREATE_QUEUE_CDW10.QID.of(cdw10)} entries ${queueSizeEntries(CREATE_QUEUE_CDW10.QSIZE.of(cdw10))}`;
}

function rawDetails(command: Command): string {
  return ` cdw10 0x${command.dword(10).toString(16)} cdw11 0x${command.dword(11).toString(16)}`;
}

/** Where its data pointer points, and which way the data go; null for commands without data. */
export function dataOf(command: Command): { readonly addr: number; readonly isToHost: boolean } | null {
  const { queueId, opcode, view, base } = command;
  const direction = opcode & 3;
  const hasNoData = queueId !== 0 && opcode === NVM_OPCODE.WRITE_UNCORRECTABLE;
  const addr = PRP1.value(view, base);
  return direction === DATA_DIRECTION.NONE || hasNoData || addr === 0
    ? null
    : { addr, isToHost: direction === DATA_DIRECTION.CONTROLLER_TO_HOST };
}

/** `SUCCESS`, `SUCCESS dw0 0x3f003f`, `LBA Out of Range (0x080) DNR`. */
export function resultText({ status, dnr, dw0 }: Command): string {
  if (status === 0) {
    return dw0 === 0 ? 'SUCCESS' : `SUCCESS dw0 0x${dw0.toString(16)}`;
  }
  return `${statusName(status)} (0x${status.toString(16).padStart(3, '0')})${dnr ? ' DNR' : ''}`;
}

function named(value: number, names: ReadonlyMap<number, string>): string {
  const name = names.get(value);
  return name === undefined ? `0x${value.toString(16)}` : `${value} ${name}`;
}

function namesOf(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, value]) => [value, name]));
}

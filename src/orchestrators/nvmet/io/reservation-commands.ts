/** Reservation Register, Acquire, Release and Report. NVM Express Base 2.1, 7.4 to 7.8; the rules are in `reservations.ts`. */
import {
  ACQUIRE_CDW10,
  bytesOf,
  NVM_OPCODE,
  NVME_STATUS,
  REGISTER_CDW10,
  REGISTRANT_BYTES,
  REGISTRANT_CNTLID,
  REGISTRANT_HOSTID,
  REGISTRANT_RCSTS,
  REGISTRANT_RKEY,
  RELEASE_CDW10,
  REPORT_CDW11,
  REPORT_GEN,
  REPORT_HEADER_BYTES,
  REPORT_PTPLS,
  REPORT_REGSTRNT,
  REPORT_RTYPE,
  RESERVATION_CRKEY,
  RESERVATION_KEYS_BYTES,
  RESERVATION_OTHER_KEY,
  RESERVATION_RELEASE_BYTES,
  setUnsigned,
  unsignedOf,
} from '../../../spec/nvme/index.ts';
import { CNTLID_DYNAMIC } from '../../../spec/nvmeof/index.ts';
import { identifierBytes } from '../identifiers.ts';
import { LATER, type Outcome, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import { STAGE, type TargetRequest } from '../request.ts';
import type { ReservationResult, Reservations } from '../reservations.ts';
import { abortCommandsOf } from './preempt.ts';

const NO_HOST = '0'.repeat(32);

export function executeReservation(queue: TargetQueue, request: TargetRequest): Outcome {
  const refused = check(queue, request);
  if (refused !== SUCCESS) {
    return refused;
  }
  const lengthBytes =
    request.opcode === NVM_OPCODE.RESERVATION_RELEASE ? RESERVATION_RELEASE_BYTES : RESERVATION_KEYS_BYTES;
  return queue.receive(request, lengthBytes, queue.target.controlMemory, true);
}

/** The keys are there. */
export function continueReservation(queue: TargetQueue, request: TargetRequest): Outcome {
  const controller = queue.controller!;
  const namespace = request.namespace!;
  const data = new Uint8Array(RESERVATION_KEYS_BYTES);
  request.span!.copyOut(request.spanOffsetBytes, data.subarray(0, request.lengthBytes));
  const result = act(request, namespace.reservations!, controller.hostId, new DataView(data.buffer));
  if (result.outcome !== SUCCESS) {
    return result.outcome;
  }
  namespace.counters.otherCommands++;
  controller.subsystem.noteReservation(namespace.nsid, result.notices);
  if (result.aborted.length === 0) {
    return SUCCESS;
  }
  if (abortCommandsOf(controller.subsystem, namespace, result.aborted, request) === 0) {
    return SUCCESS;
  }
  request.stage = STAGE.BARRIER;
  return LATER;
}

function act(
  request: TargetRequest,
  reservations: Reservations,
  hostId: string,
  data: DataView,
): ReservationResult {
  const { sqeView } = request;
  const currentKey = unsignedOf(RESERVATION_CRKEY, data);
  const otherKey = unsignedOf(RESERVATION_OTHER_KEY, data);
  switch (request.opcode) {
    case NVM_OPCODE.RESERVATION_REGISTER:
      return reservations.register(
        hostId,
        REGISTER_CDW10.RREGA.read(sqeView),
        REGISTER_CDW10.IEKEY.read(sqeView) === 1,
        currentKey,
        otherKey,
        REGISTER_CDW10.CPTPL.read(sqeView),
      );
    case NVM_OPCODE.RESERVATION_ACQUIRE:
      return reservations.acquire(
        hostId,
        ACQUIRE_CDW10.RACQA.read(sqeView),
        ACQUIRE_CDW10.IEKEY.read(sqeView) === 1,
        ACQUIRE_CDW10.RTYPE.read(sqeView),
        currentKey,
        otherKey,
      );
    default:
      return reservations.release(
        hostId,
        RELEASE_CDW10.RRELA.read(sqeView),
        RELEASE_CDW10.IEKEY.read(sqeView) === 1,
        RELEASE_CDW10.RTYPE.read(sqeView),
        currentKey,
      );
  }
}

export function executeReport(queue: TargetQueue, request: TargetRequest): Outcome {
  const refused = check(queue, request);
  if (refused !== SUCCESS) {
    return refused;
  }
  // Host identifiers of 128 bits need the extended structure.
  if (REPORT_CDW11.EDS.read(request.sqeView) === 0) {
    return refuse(NVME_STATUS.HOST_ID_FORMAT);
  }
  const lengthBytes = (request.dword(10) + 1) * 4;
  if (lengthBytes > queue.maxTransferBytes) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  return queue.reply(request, report(request.namespace!.reservations!), lengthBytes);
}

function report(reservations: Reservations): Uint8Array {
  const data = new Uint8Array(REPORT_HEADER_BYTES + reservations.registrantCount * REGISTRANT_BYTES);
  const view = new DataView(data.buffer);
  REPORT_GEN.setValue(view, reservations.generation);
  REPORT_RTYPE.setValue(view, reservations.type);
  REPORT_REGSTRNT.setValue(view, reservations.registrantCount);
  REPORT_PTPLS.setValue(view, reservations.isPersistent ? 1 : 0);
  let base = REPORT_HEADER_BYTES;
  for (const { hostId, key } of reservations.registrants) {
    REGISTRANT_CNTLID.setValue(view, CNTLID_DYNAMIC, base);
    REGISTRANT_RCSTS.HOLDER.write(view, reservations.isHolder(hostId) ? 1 : 0, base);
    setUnsigned(REGISTRANT_RKEY, view, key, base);
    bytesOf(REGISTRANT_HOSTID, view, base).set(identifierBytes(hostId));
    base += REGISTRANT_BYTES;
  }
  return data;
}

function check(queue: TargetQueue, request: TargetRequest): Outcome {
  if (request.namespace!.reservations === null) {
    return refuse(NVME_STATUS.INVALID_OPCODE);
  }
  return queue.controller!.hostId === NO_HOST ? refuse(NVME_STATUS.HOST_ID_NOT_INITIALIZED) : SUCCESS;
}

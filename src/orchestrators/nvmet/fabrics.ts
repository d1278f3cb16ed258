/**
 * Commands of the fabrics command set: Property Get and Set, Disconnect, Authentication Send and Receive. Connect is in `connect.ts`.
 * Follows NVM Express Base 2.1, section 6.
 */
import { CAP, CC, CSTS, NVME_STATUS, VS } from '../../spec/nvme/index.ts';
import {
  AUTHENTICATION_CDW10,
  AUTHENTICATION_LENGTH,
  CONNECT_DATA_BYTES,
  DISCONNECT_RECFMT,
  FABRICS_STATUS,
  FABRICS_TYPE,
  FCTYPE,
  PROPERTY_ATTRIB,
  PROPERTY_OFFSET,
  PROPERTY_SIZE,
  PROPERTY_VALUE,
  SECURITY_PROTOCOL_NVMEOF,
} from '../../spec/nvmeof/index.ts';
import { connect } from './connect.ts';
import type { Controller } from './controller.ts';
import { type Outcome, refuse, SUCCESS } from './outcome.ts';
import type { TargetQueue } from './queue.ts';
import type { TargetRequest } from './request.ts';

/** Longest message of authentication; the largest that DH-HMAC-CHAP has is below 2 KiB. */
const AUTHENTICATION_BYTES_MAX = 16_384;

/** A fabrics command whose data have not been asked for. */
export function executeFabrics(queue: TargetQueue, request: TargetRequest): Outcome {
  const type = FCTYPE.value(request.sqeView);
  const { controller, target } = queue;
  if (type === FABRICS_TYPE.CONNECT) {
    return controller === null
      ? queue.receive(request, CONNECT_DATA_BYTES, target.controlMemory)
      : refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  if (controller === null) {
    return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  switch (type) {
    case FABRICS_TYPE.AUTHENTICATION_SEND:
      return beginSend(queue, request);
    case FABRICS_TYPE.AUTHENTICATION_RECEIVE:
      return authenticationReceive(queue, request);
  }
  const unproven = target.refuseUnproven(queue);
  if (unproven !== SUCCESS) {
    return unproven;
  }
  switch (type) {
    case FABRICS_TYPE.PROPERTY_GET:
      return queue.queueId === 0 ? propertyGet(controller, request) : refuse(NVME_STATUS.INVALID_OPCODE);
    case FABRICS_TYPE.PROPERTY_SET:
      return queue.queueId === 0 ? propertySet(controller, request) : refuse(NVME_STATUS.INVALID_OPCODE);
    case FABRICS_TYPE.DISCONNECT:
      return disconnect(queue, request);
    default:
      return refuse(NVME_STATUS.INVALID_OPCODE);
  }
}

/** A fabrics command whose data have come. */
export function continueFabrics(queue: TargetQueue, request: TargetRequest): Outcome {
  return FCTYPE.value(request.sqeView) === FABRICS_TYPE.CONNECT
    ? connect(queue, request)
    : authenticationSend(queue, request);
}

function propertyGet(controller: Controller, request: TargetRequest): Outcome {
  const size = PROPERTY_ATTRIB.SIZE.read(request.sqeView);
  const offset = PROPERTY_OFFSET.value(request.sqeView);
  const { properties } = controller;
  if (size === PROPERTY_SIZE.BYTES_8) {
    if (offset !== CAP.offset) {
      return refuse(NVME_STATUS.INVALID_FIELD);
    }
    request.setResult(properties.getUint32(CAP.offset, true), properties.getUint32(CAP.offset + 4, true));
    return SUCCESS;
  }
  if (size !== PROPERTY_SIZE.BYTES_4) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  switch (offset) {
    case VS.offset:
      request.setResult(controller.subsystem.identity.version);
      return SUCCESS;
    case CC.offset:
      request.setResult(CC.value(properties));
      return SUCCESS;
    case CSTS.offset:
      request.setResult(CSTS.value(properties));
      return SUCCESS;
    default:
      return refuse(NVME_STATUS.INVALID_FIELD);
  }
}

function propertySet(controller: Controller, request: TargetRequest): Outcome {
  const isCc =
    PROPERTY_ATTRIB.SIZE.read(request.sqeView) === PROPERTY_SIZE.BYTES_4 &&
    PROPERTY_OFFSET.value(request.sqeView) === CC.offset;
  if (!isCc) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  controller.configure(PROPERTY_VALUE.value(request.sqeView));
  return SUCCESS;
}

/** Ends an I/O queue: what is outstanding is aborted or finished by the end of the connection. */
function disconnect(queue: TargetQueue, request: TargetRequest): Outcome {
  if (DISCONNECT_RECFMT.value(request.sqeView) !== 0) {
    return refuse(FABRICS_STATUS.CONNECT_INCOMPATIBLE_FORMAT);
  }
  if (queue.queueId === 0 || !queue.isDeletable) {
    return refuse(FABRICS_STATUS.DISCONNECT_INVALID_QUEUE_TYPE);
  }
  queue.closeAfter(request, 'disconnect-command');
  return SUCCESS;
}

/** SECP names in-band authentication, its specific fields are 01h: NVM Express Base 2.1, 6.1 and 6.2. */
function isAuthenticationField(request: TargetRequest): boolean {
  const { sqeView } = request;
  return (
    AUTHENTICATION_CDW10.SECP.read(sqeView) === SECURITY_PROTOCOL_NVMEOF &&
    AUTHENTICATION_CDW10.SPSP0.read(sqeView) === 1 &&
    AUTHENTICATION_CDW10.SPSP1.read(sqeView) === 1
  );
}

function beginSend(queue: TargetQueue, request: TargetRequest): Outcome {
  const lengthBytes = AUTHENTICATION_LENGTH.value(request.sqeView);
  if (!isAuthenticationField(request) || lengthBytes === 0 || lengthBytes > AUTHENTICATION_BYTES_MAX) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  if (queue.exchange === null && !queue.target.restartAuthentication(queue)) {
    return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  return queue.receive(request, lengthBytes, queue.target.controlMemory);
}

function authenticationSend(queue: TargetQueue, request: TargetRequest): Outcome {
  const { exchange } = queue;
  if (exchange === null) {
    return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  const message = new Uint8Array(request.lengthBytes);
  request.span!.copyOut(request.spanOffsetBytes, message);
  const status = exchange.send(message);
  endOfMessage(queue, request);
  return status === SUCCESS ? SUCCESS : refuse(status);
}

function authenticationReceive(queue: TargetQueue, request: TargetRequest): Outcome {
  const lengthBytes = AUTHENTICATION_LENGTH.value(request.sqeView);
  if (!isAuthenticationField(request) || lengthBytes === 0 || lengthBytes > AUTHENTICATION_BYTES_MAX) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  const { exchange } = queue;
  if (exchange === null) {
    return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  const refused = queue.checkSend(request, lengthBytes);
  if (refused !== SUCCESS) {
    return refused;
  }
  const message = exchange.receive(lengthBytes);
  // Before the answer, which may have left when `reply` returns.
  endOfMessage(queue, request);
  return typeof message === 'number' ? refuse(message) : queue.reply(request, message, lengthBytes);
}

/** Opens the queue, or ends the connection after this answer, when the exchange has come to its end with this message. */
function endOfMessage(queue: TargetQueue, request: TargetRequest): void {
  const state = queue.exchange?.state;
  if (state === 'passed' || state === 'failed') {
    queue.isAuthenticated = state === 'passed';
    queue.exchange = null;
  }
  if (state === 'failed') {
    queue.closeAfter(request, 'authentication-failed');
  }
}

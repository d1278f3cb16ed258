/**
 * Connect: a connection becomes the admin queue of a new controller, or an I/O queue of one that is there.
 *
 * Every refusal says what was wrong: status, and for Connect Invalid Parameters the place in the command or its data. Follows NVM
 * Express Base 2.1, section 6.3; the order of the checks is the kernel's (Linux 7.1.5 drivers/nvme/target/fabrics-cmd.c).
 */
import { bytesOf, NVME_STATUS } from '../../spec/nvme/index.ts';
import {
  CNTLID_DYNAMIC,
  CNTLID_STATIC_ANY,
  CONNECT_CATTR,
  CONNECT_CNTLID,
  CONNECT_DATA_BYTES,
  CONNECT_HOSTID,
  CONNECT_HOSTNQN,
  CONNECT_INVALID,
  CONNECT_KATO,
  CONNECT_QID,
  CONNECT_RECFMT,
  CONNECT_RESULT,
  CONNECT_SQSIZE,
  CONNECT_SUBNQN,
  connectQueueEntries,
  FABRICS_STATUS,
} from '../../spec/nvmeof/index.ts';
import { Controller } from './controller.ts';
import { hexOf, nqnOf } from './identifiers.ts';
import { type Outcome, refuse, SUCCESS } from './outcome.ts';
import type { TargetPort } from './port.ts';
import type { TargetQueue } from './queue.ts';
import type { TargetRequest } from './request.ts';
import type { Subsystem } from './subsystem.ts';

/** What a Connect says, once its names have been found good. */
interface Ask {
  readonly port: TargetPort;
  readonly subsystem: Subsystem;
  readonly hostNqn: string;
  readonly hostId: Uint8Array;
  readonly controllerId: number;
  readonly queueId: number;
  readonly entries: number;
}

/** Goes on with a Connect whose data are in its span. */
export function connect(queue: TargetQueue, request: TargetRequest): Outcome {
  const data = new DataView(new ArrayBuffer(CONNECT_DATA_BYTES));
  request.span!.copyOut(request.spanOffsetBytes, new Uint8Array(data.buffer));
  if (CONNECT_RECFMT.value(request.sqeView) !== 0) {
    return refuse(FABRICS_STATUS.CONNECT_INCOMPATIBLE_FORMAT);
  }
  const ask = read(queue, request, data);
  if (typeof ask === 'number') {
    return ask;
  }
  const outcome = ask.queueId === 0 ? connectAdmin(queue, request, ask) : connectIo(queue, request, ask);
  if (outcome === SUCCESS) {
    queue.target.log(
      'info',
      ask.queueId === 0
        ? `controller ${queue.controllerId} of ${ask.subsystem.nqn} for ${ask.hostNqn} at ${queue.transport.hostAddress}`
        : `queue ${ask.queueId} of controller ${queue.controllerId} of ${ask.subsystem.nqn}`,
    );
  }
  return outcome;
}

function read(queue: TargetQueue, request: TargetRequest, data: DataView): Ask | Outcome {
  const { target } = queue;
  const port = target.port(queue.transport.port.portId);
  const queueId = CONNECT_QID.value(request.sqeView);
  const entries = connectQueueEntries(CONNECT_SQSIZE.value(request.sqeView));
  if (entries < 2) {
    return invalidCommand(request, CONNECT_SQSIZE.offset);
  }
  const subsystemNqn = nqnOf(CONNECT_SUBNQN, data);
  const subsystem =
    subsystemNqn === null || port === undefined ? undefined : target.reachable(subsystemNqn, port);
  if (subsystem === undefined || port === undefined) {
    return invalidData(request, CONNECT_SUBNQN.offset);
  }
  const hostNqn = nqnOf(CONNECT_HOSTNQN, data);
  if (hostNqn === null) {
    return invalidData(request, CONNECT_HOSTNQN.offset);
  }
  if (!subsystem.allows(hostNqn)) {
    target.log('warning', `${hostNqn} may not use ${subsystem.nqn}: it is not among its allowed hosts`);
    return refuse(FABRICS_STATUS.CONNECT_INVALID_HOST);
  }
  if (port.config.address.secureChannel === 'required' && !queue.transport.isSecure) {
    return refuse(FABRICS_STATUS.CONNECT_INVALID_HOST);
  }
  return {
    port,
    subsystem,
    hostNqn,
    hostId: bytesOf(CONNECT_HOSTID, data).slice(),
    controllerId: CONNECT_CNTLID.value(data),
    queueId,
    entries,
  };
}

function connectAdmin(queue: TargetQueue, request: TargetRequest, ask: Ask): Outcome {
  const { subsystem, port } = ask;
  const { target } = queue;
  const entriesMax = target.queueEntriesMax(port);
  if (ask.entries > entriesMax) {
    return invalidCommand(request, CONNECT_SQSIZE.offset);
  }
  if (target.isDraining) {
    return refuse(FABRICS_STATUS.CONNECT_CONTROLLER_BUSY);
  }
  const id = chooseController(subsystem, ask.controllerId);
  if (id === 'unknown') {
    return invalidData(request, CONNECT_CNTLID.offset);
  }
  if (id === null || !target.hasRoom()) {
    return refuse(FABRICS_STATUS.CONNECT_CONTROLLER_BUSY);
  }
  const controller = new Controller({
    id,
    subsystem,
    port,
    hostNqn: ask.hostNqn,
    hostId: ask.hostId,
    hostIdText: hexOf(ask.hostId),
    katoMs: CONNECT_KATO.value(request.sqeView),
    executor: target.executor,
    queueEntriesMax: entriesMax,
    maxTransferBytes: target.maxTransferBytesOf(port),
    onEnd: (ended) => target.controllerEnded(ended),
  });
  subsystem.controllers.set(id, controller);
  controller.adminQueue = queue;
  install(queue, request, ask, controller);
  return SUCCESS;
}

/** @returns null: all are taken, or the one asked for is; `unknown`: it cannot be asked for */
function chooseController(subsystem: Subsystem, asked: number): number | null | 'unknown' {
  if (!subsystem.isStatic) {
    return asked === CNTLID_DYNAMIC ? subsystem.freeControllerId() : 'unknown';
  }
  if (!subsystem.hasControllerId(asked)) {
    return 'unknown';
  }
  if (asked === CNTLID_STATIC_ANY) {
    return subsystem.freeControllerId();
  }
  return subsystem.controllers.has(asked) ? null : asked;
}

function connectIo(queue: TargetQueue, request: TargetRequest, ask: Ask): Outcome {
  const { subsystem, queueId } = ask;
  if (subsystem.isDiscovery) {
    return invalidCommand(request, CONNECT_QID.offset);
  }
  const controller = subsystem.controllers.get(ask.controllerId);
  if (controller === undefined || controller.isEnded || controller.port !== ask.port) {
    return invalidData(request, CONNECT_CNTLID.offset);
  }
  if (controller.hostNqn !== ask.hostNqn) {
    return invalidData(request, CONNECT_HOSTNQN.offset);
  }
  if (controller.hostId !== hexOf(ask.hostId)) {
    return invalidData(request, CONNECT_HOSTID.offset);
  }
  const adminQueue = controller.adminQueue;
  if (!controller.isReady || adminQueue === null || queue.target.refuseUnproven(adminQueue) !== SUCCESS) {
    return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  if (queueId > subsystem.ioQueuesMax) {
    return invalidCommand(request, CONNECT_QID.offset);
  }
  if (ask.entries > controller.queueEntriesMax) {
    return invalidCommand(request, CONNECT_SQSIZE.offset);
  }
  if ((controller.ioQueues[queueId] ?? null) !== null) {
    return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  }
  while (controller.ioQueues.length <= queueId) {
    controller.ioQueues.push(null);
  }
  controller.ioQueues[queueId] = queue;
  install(queue, request, ask, controller);
  return SUCCESS;
}

function install(queue: TargetQueue, request: TargetRequest, ask: Ask, controller: Controller): void {
  const usesHead = CONNECT_CATTR.DSQFC.read(request.sqeView) === 0;
  queue.isDeletable = ask.queueId !== 0 && CONNECT_CATTR.IOQD.read(request.sqeView) === 1;
  queue.connected(controller, ask.queueId, ask.entries, usesHead);
  const mustAuthenticate = queue.target.beginAuthentication(queue, {
    hostNqn: ask.hostNqn,
    subsystemNqn: ask.subsystem.nqn,
    controllerId: controller.id,
    queueId: ask.queueId,
    transport: queue.transport.transport,
    isSecure: queue.transport.isSecure,
  });
  CONNECT_RESULT.CNTLID.write(request.cqeView, controller.id);
  CONNECT_RESULT.ATR.write(request.cqeView, mustAuthenticate ? 1 : 0);
}

function invalidCommand(request: TargetRequest, offset: number): Outcome {
  CONNECT_INVALID.IPO.write(request.cqeView, offset);
  return refuse(FABRICS_STATUS.CONNECT_INVALID_PARAMETERS);
}

function invalidData(request: TargetRequest, offset: number): Outcome {
  CONNECT_INVALID.IPO.write(request.cqeView, offset);
  CONNECT_INVALID.IATTR.write(request.cqeView, 1);
  return refuse(FABRICS_STATUS.CONNECT_INVALID_PARAMETERS);
}

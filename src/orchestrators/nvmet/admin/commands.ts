/** Admin commands: which there are, and who does them. Discovery controllers have fewer. */
import {
  ABORT_CDW10,
  ADMIN_OPCODE,
  DATA_DIRECTION,
  NVME_STATUS,
  SET_FEATURES_CDW10,
} from '../../../spec/nvme/index.ts';
import { type Outcome, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { featureDataBytes, getFeatures, setFeatures } from './features.ts';
import { identify } from './identify.ts';
import { getLogPage } from './log-pages.ts';

/** Commands of controllers with I/O queues; see `COMMANDS_OF_DISCOVERY`. */
export const ADMIN_COMMANDS: readonly number[] = [
  ADMIN_OPCODE.GET_LOG_PAGE,
  ADMIN_OPCODE.IDENTIFY,
  ADMIN_OPCODE.ABORT,
  ADMIN_OPCODE.SET_FEATURES,
  ADMIN_OPCODE.GET_FEATURES,
  ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST,
  ADMIN_OPCODE.KEEP_ALIVE,
];

/** Abort is optional for discovery controllers and of no use: nothing of theirs takes long but events. */
export const COMMANDS_OF_DISCOVERY: readonly number[] = ADMIN_COMMANDS.filter(
  (opcode) => opcode !== ADMIN_OPCODE.ABORT,
);

/** An admin command on a queue that is connected, proven and ready. */
export function executeAdmin(queue: TargetQueue, request: TargetRequest): Outcome {
  const controller = queue.controller!;
  const { opcode } = request;
  if (controller.isDiscovery && !COMMANDS_OF_DISCOVERY.includes(opcode)) {
    return refuse(NVME_STATUS.INVALID_OPCODE);
  }
  switch (opcode) {
    case ADMIN_OPCODE.IDENTIFY:
      return identify(queue, controller, request);
    case ADMIN_OPCODE.GET_LOG_PAGE:
      return getLogPage(queue, controller, request);
    case ADMIN_OPCODE.GET_FEATURES:
      return getFeatures(queue, controller, request);
    case ADMIN_OPCODE.SET_FEATURES: {
      const lengthBytes = featureDataBytes(SET_FEATURES_CDW10.FID.read(request.sqeView));
      if (lengthBytes > 0 && !controller.isDiscovery) {
        return queue.receive(request, lengthBytes, queue.target.controlMemory);
      }
      return request.sglLengthBytes > 0
        ? refuse(NVME_STATUS.DATA_SGL_LENGTH_INVALID)
        : setFeatures(controller, request);
    }
    case ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST:
      return controller.events.wait(request);
    case ADMIN_OPCODE.KEEP_ALIVE:
      // That it came is what counts: `hasTraffic` has been set.
      return controller.settings.katoMs === 0 ? refuse(NVME_STATUS.KEEP_ALIVE_INVALID) : SUCCESS;
    case ADMIN_OPCODE.ABORT:
      return abort(queue, request);
    default:
      return refuse(NVME_STATUS.INVALID_OPCODE);
  }
}

/** An admin command whose data have come. */
export function continueAdmin(queue: TargetQueue, request: TargetRequest): Outcome {
  request.direction = DATA_DIRECTION.NONE;
  return setFeatures(queue.controller!, request);
}

/** Bit 0 of the result: 1 when the command was not aborted. A best effort, as the specification has it. */
function abort(queue: TargetQueue, request: TargetRequest): Outcome {
  const queueId = ABORT_CDW10.SQID.read(request.sqeView);
  const controller = queue.controller!;
  const of = queueId === 0 ? queue : (controller.ioQueues[queueId] ?? null);
  const found = of?.find(ABORT_CDW10.CID.read(request.sqeView)) ?? null;
  const isAborted = found !== null && found !== request && of!.abort(found, NVME_STATUS.ABORT_REQUESTED);
  request.setResult(isAborted ? 0 : 1);
  return SUCCESS;
}

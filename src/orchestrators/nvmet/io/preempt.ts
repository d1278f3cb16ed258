/**
 * Preempt and abort: commands of the hosts that lost their registration end before the one who preempted hears that it did.
 *
 * What has not reached the backend is answered at once; what has is answered when the backend is done with it.
 */
import { NVME_STATUS } from '../../../spec/nvme/index.ts';
import type { Controller } from '../controller.ts';
import type { TargetNamespace } from '../namespace.ts';
import { STAGE, type TargetRequest } from '../request.ts';
import type { Subsystem } from '../subsystem.ts';

/**
 * Aborts the commands of `hostIds` on a namespace; those at the backend lower `barrier.barrierCount` when they end.
 * @returns how many there are to wait for
 */
export function abortCommandsOf(
  subsystem: Subsystem,
  namespace: TargetNamespace,
  hostIds: readonly string[],
  barrier: TargetRequest,
): number {
  for (const controller of [...subsystem.controllers.values()]) {
    if (!hostIds.includes(controller.hostId)) {
      continue;
    }
    for (const queue of [...controller.ioQueues]) {
      for (const request of [...(queue?.requests ?? [])]) {
        if (request.namespace !== namespace || request === barrier) {
          continue;
        }
        const isAtBackend = request.stage === STAGE.BACKEND;
        if (isAtBackend && request.barrier === null) {
          request.barrier = barrier;
          barrier.barrierCount++;
        }
        queue!.abort(request, NVME_STATUS.PREEMPT_ABORTED);
      }
    }
  }
  return barrier.barrierCount;
}

/** The one that waits has gone: nobody is to wake it. */
export function forgetBarrier(controller: Controller | null, barrier: TargetRequest): void {
  for (const other of controller?.subsystem.controllers.values() ?? []) {
    for (const queue of other.ioQueues) {
      for (const request of queue?.requests ?? []) {
        if (request.barrier === barrier) {
          request.barrier = null;
        }
      }
    }
  }
}

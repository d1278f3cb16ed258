/**
 * Who logs what of a request that failed: the detector in its error registers, the requester of a read what it was
 * answered. PCIe Base 6.0, 6.2.3 and 6.2.6; the legacy status bits 7.5.1.1.4 and 7.5.1.3.7.
 */
import { COMMAND, SECONDARY_STATUS, STATUS } from '../../spec/pci/index.ts';
import type { Failure, FailureCode, Route } from '../routing/route.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import { logUncorrectable, type UncorrectableError } from './error-log.ts';
import { headerLog } from './header-log.ts';

/** Logs one failed request. `code` may say more than the route: a packet that was too large, a poisoned write. */
export function reportFailure(
  route: Route,
  code: FailureCode,
  addr: number,
  lengthBytes: number,
  isWrite: boolean,
): void {
  const { parts, failure } = route;
  // For the CPU its root port receives the answer, on its secondary side.
  const { requester } = parts;
  const receiver = requester ?? parts.requestStops[0] ?? null;
  const detector = code === 'malformed' ? parts.payloadLimitAt : (failure?.at ?? route.completer ?? null);
  const side = failure?.side ?? 'primary';
  const header = headerLog({
    isWrite,
    requesterId: parts.requesterId,
    addr,
    lengthBytes,
    addressType: parts.shape.addressType,
  });
  const log = (fn: FabricFunction | null, error: UncorrectableError, isAdvisory: boolean): void => {
    if (fn !== null) {
      logUncorrectable(fn, error, header, isAdvisory);
    }
  };
  switch (code) {
    case 'unsupported':
    case 'link-down':
    case 'policy':
      // An integrated endpoint's request is refused by the root complex, which has no registers here.
      if (requester === null || detector !== requester) {
        for (const fn of detectorsOf(detector, side)) {
          log(fn, 'Unsupported_Request_Error', !isWrite);
        }
      }
      answered(route, receiver, isWrite, 'Received_Master_Abort');
      return;
    case 'master-abort':
      detector?.config.set(SECONDARY_STATUS.Received_Master_Abort, 1);
      answered(route, receiver, isWrite, 'Received_Master_Abort');
      return;
    case 'acs-violation':
      log(detector, 'ACS_Violation', !isWrite);
      aborted(detector, side, isWrite);
      answered(route, receiver, isWrite, 'Received_Target_Abort');
      return;
    case 'completer-abort':
      log(detector, 'Completer_Abort', !isWrite);
      aborted(detector, side, isWrite);
      answered(route, receiver, isWrite, 'Received_Target_Abort');
      return;
    case 'malformed':
      log(detector, 'Malformed_TLP', false);
      return;
    case 'poisoned':
      poisoned(isWrite ? detector : receiver, log);
      if (requester !== null && COMMAND.Parity_Error_Response.read(requester.config.view) === 1) {
        requester.config.set(STATUS.Master_Data_Parity_Error, 1);
      }
      return;
    case 'completion-lost':
      misdelivered(parts.completionStops.at(-1), log);
      log(receiver, 'Completion_Timeout', false);
      return;
    case 'timeout':
      if (!isWrite) {
        log(receiver, 'Completion_Timeout', false);
      }
      return;
    case 'iommu-fault':
      answered(route, receiver, isWrite, 'Received_Master_Abort');
      return;
    case 'disabled':
    case 'gone':
      return;
  }
}

/** An error that belongs to no function of an endpoint is in the registers of all of them. 6.2.4. */
function detectorsOf(detector: FabricFunction | null, side: Failure['side']): readonly FabricFunction[] {
  if (detector === null) {
    return [];
  }
  if (detector.secondaryBus !== null || side === 'secondary') {
    return [detector];
  }
  return [...detector.device.functions.values()].filter(({ virtual }) => virtual === null);
}

/** A completer that answered Completer Abort to a read. */
function aborted(detector: FabricFunction | null, side: Failure['side'], isWrite: boolean): void {
  if (!isWrite) {
    detector?.config.set(
      side === 'secondary' ? SECONDARY_STATUS.Signaled_Target_Abort : STATUS.Signaled_Target_Abort,
      1,
    );
  }
}

/** A requester that was answered with a failure; of a posted write it never hears. */
function answered(
  route: Route,
  receiver: FabricFunction | null,
  isWrite: boolean,
  bit: 'Received_Master_Abort' | 'Received_Target_Abort',
): void {
  if (!isWrite) {
    receiver?.config.set(route.parts.requester === null ? SECONDARY_STATUS[bit] : STATUS[bit], 1);
  }
}

function poisoned(
  receiver: FabricFunction | null,
  log: (fn: FabricFunction | null, error: UncorrectableError, isAdvisory: boolean) => void,
): void {
  log(receiver, 'Poisoned_TLP_Received', false);
  receiver?.config.set(STATUS.Detected_Parity_Error, 1);
}

/** Somebody else has the requester's ID, and gets a completion that it never asked for. 2.3.2. */
function misdelivered(
  fn: FabricFunction | undefined,
  log: (fn: FabricFunction | null, error: UncorrectableError, isAdvisory: boolean) => void,
): void {
  if (fn !== undefined && fn.secondaryBus === null) {
    log(fn, 'Unexpected_Completion', true);
  }
}

/**
 * An error in the registers of the function that detected it: Device Status, Advanced Error Reporting, and whether a
 * message goes to the root port. PCIe Base 6.0, 6.2.5 (the flow), 6.2.3.2.4 (advisory non-fatal), 6.2.4 (logging).
 *
 * Roles are those of role-based error reporting. A virtual function uses the enables of its physical function (9.4.2).
 */
import type { Field } from '../../base/index.ts';
import { COMMAND, STATUS } from '../../spec/pci/index.ts';
import {
  ADVANCED_ERROR_CAPABILITIES_AND_CONTROL,
  AER,
  CORRECTABLE_ERROR_MASK,
  CORRECTABLE_ERROR_STATUS,
  DEVICE_CONTROL,
  DEVICE_STATUS,
  UNCORRECTABLE_ERROR_MASK,
  UNCORRECTABLE_ERROR_SEVERITY,
  UNCORRECTABLE_ERROR_STATUS,
} from '../../spec/pcie/index.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import type { HeaderLog } from './header-log.ts';
import { sendErrorMessage } from './messages.ts';

/** The errors that the fabric can detect, by their name in Uncorrectable Error Status. */
export type UncorrectableError =
  | 'Surprise_Down_Error'
  | 'Poisoned_TLP_Received'
  | 'Completion_Timeout'
  | 'Completer_Abort'
  | 'Unexpected_Completion'
  | 'Malformed_TLP'
  | 'Unsupported_Request_Error'
  | 'ACS_Violation'
  | 'Uncorrectable_Internal_Error';

const HEADER_LOG = AER.registers.filter(({ name }) => name.startsWith('Header Log'));

/** What a severity bit says where there is no AER: the reset values. 7.8.4.4. */
const FATAL_WITHOUT_AER: readonly UncorrectableError[] = [
  'Surprise_Down_Error',
  'Malformed_TLP',
  'Uncorrectable_Internal_Error',
];

/**
 * @param isAdvisory  the detector is a completer that also says so in a completion: the requester decides how bad it is
 */
export function logUncorrectable(
  fn: FabricFunction,
  error: UncorrectableError,
  header: HeaderLog | null,
  isAdvisory: boolean,
): void {
  const { view, offsets } = fn.config;
  if (offsets.express === 0) {
    return;
  }
  const isFatal =
    offsets.aer === 0
      ? FATAL_WITHOUT_AER.includes(error)
      : UNCORRECTABLE_ERROR_SEVERITY[error].read(view, offsets.aer) === 1;
  if (error === 'Unsupported_Request_Error') {
    fn.config.set(DEVICE_STATUS.Unsupported_Request_Detected, 1, offsets.express);
  }
  if (isAdvisory && !isFatal) {
    logAdvisory(fn, error, header);
    return;
  }
  fn.config.set(
    isFatal ? DEVICE_STATUS.Fatal_Error_Detected : DEVICE_STATUS.Non_Fatal_Error_Detected,
    1,
    offsets.express,
  );
  if (!recordUncorrectable(fn, error, header)) {
    return;
  }
  const reporter = fn.virtual?.physical ?? fn;
  const control = reporter.config;
  const isSystemError = COMMAND.SERR_Enable.read(control.view) === 1;
  const isReported =
    isSystemError ||
    (isEnabled(
      reporter,
      isFatal ? DEVICE_CONTROL.Fatal_Error_Reporting_Enable : DEVICE_CONTROL.Non_Fatal_Error_Reporting_Enable,
    ) &&
      isReportedRequest(reporter, error));
  if (isReported) {
    if (isSystemError) {
      fn.config.set(STATUS.Signaled_System_Error, 1);
    }
    sendErrorMessage(fn, isFatal ? 'ERR_FATAL' : 'ERR_NONFATAL');
  }
}

/** Logged as a correctable error, so that a completer's report does not stop a machine whose requester copes. */
function logAdvisory(fn: FabricFunction, error: UncorrectableError, header: HeaderLog | null): void {
  const { view, offsets } = fn.config;
  fn.config.set(DEVICE_STATUS.Correctable_Error_Detected, 1, offsets.express);
  if (offsets.aer !== 0) {
    fn.config.set(CORRECTABLE_ERROR_STATUS.Advisory_Non_Fatal_Error, 1, offsets.aer);
    if (CORRECTABLE_ERROR_MASK.Advisory_Non_Fatal_Error.read(view, offsets.aer) === 1) {
      return;
    }
    recordUncorrectable(fn, error, header);
  }
  const reporter = fn.virtual?.physical ?? fn;
  if (
    isEnabled(reporter, DEVICE_CONTROL.Correctable_Error_Reporting_Enable) &&
    isReportedRequest(reporter, error)
  ) {
    sendErrorMessage(fn, 'ERR_COR');
  }
}

/** Status bit, first error pointer, header. @returns false when the error is masked */
function recordUncorrectable(
  fn: FabricFunction,
  error: UncorrectableError,
  header: HeaderLog | null,
): boolean {
  const { config } = fn;
  const { aer } = config.offsets;
  if (aer === 0) {
    return true;
  }
  const field: Field = UNCORRECTABLE_ERROR_STATUS[error];
  // The pointer is valid while the bit that it names is set. 6.2.4.2.
  const first = ADVANCED_ERROR_CAPABILITIES_AND_CONTROL.First_Error_Pointer.read(config.view, aer);
  const status = UNCORRECTABLE_ERROR_STATUS.value(config.view, aer);
  const isPointerValid = ((status >>> first) & 1) === 1;
  config.set(field, 1, aer);
  if (UNCORRECTABLE_ERROR_MASK[error].read(config.view, aer) === 1) {
    return false;
  }
  if (!isPointerValid) {
    config.set(ADVANCED_ERROR_CAPABILITIES_AND_CONTROL.First_Error_Pointer, field.low, aer);
    for (const [index, register] of HEADER_LOG.entries()) {
      config.set(register, header?.[index] ?? 0, aer);
    }
  }
  return true;
}

/** An unsupported request is reported only where that is enabled too. 7.5.3.4. */
function isReportedRequest(fn: FabricFunction, error: UncorrectableError): boolean {
  return (
    error !== 'Unsupported_Request_Error' ||
    isEnabled(fn, DEVICE_CONTROL.Unsupported_Request_Reporting_Enable)
  );
}

function isEnabled(fn: FabricFunction, field: Field): boolean {
  return field.read(fn.config.view, fn.config.offsets.express) === 1;
}

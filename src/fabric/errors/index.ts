/**
 * Errors of requests in the registers where software looks for them: Advanced Error Reporting, the legacy status bits,
 * messages to the root port. PCIe Base 6.0, 6.2.
 *
 * Used by routing and the tree; `report.ts` says who logs what, `error-log.ts` how, `messages.ts` who is told. Leaves out:
 * root complex event collectors, multiple header recording, containment (DPC), errors of the link layer.
 */
export { logUncorrectable, type UncorrectableError } from './error-log.ts';
export { type HeaderLog, headerLog, type LoggedRequest } from './header-log.ts';
export { type ErrorMessage, sendErrorMessage } from './messages.ts';
export { reportFailure } from './report.ts';

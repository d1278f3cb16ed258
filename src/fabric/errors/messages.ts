/**
 * Error messages on their way to the root port, and what they do there. PCIe Base 6.0, 6.2.4.1 (root error registers),
 * 6.2.6 (error message controls), 7.5.1.3.13 (Bridge Control).
 *
 * Leaves out: root complex event collectors; errors of integrated endpoints stay in their own registers.
 */
import { SECONDARY_STATUS } from '../../spec/pci/index.ts';
import {
  ERR_COR_SOURCE,
  ERR_FATAL_NONFATAL_SOURCE,
  ROOT_ERROR_COMMAND,
  ROOT_ERROR_STATUS,
} from '../../spec/pcie/index.ts';
import { MESSAGE_CODE, sendUp } from '../tlp/message.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import { raisePortInterrupt } from '../tree/interrupts.ts';

export type ErrorMessage = 'ERR_COR' | 'ERR_NONFATAL' | 'ERR_FATAL';

/** Sends a message up from where an error was detected; a bridge passes it on when its SERR Enable is set. */
export function sendErrorMessage(from: FabricFunction, message: ErrorMessage): void {
  if (from.kind === 'root-port') {
    receiveAtRoot(from, message, from.requesterId);
    return;
  }
  let isForwarded = true;
  const end = sendUp(from, MESSAGE_CODE[message], (bridge) => {
    if (message !== 'ERR_COR') {
      bridge.config.set(SECONDARY_STATUS.Received_System_Error, 1);
    }
    isForwarded = bridge.state.bridge!.forwardsErrors;
    return !isForwarded;
  });
  if (isForwarded && end?.kind === 'root-port') {
    receiveAtRoot(end, message, from.requesterId);
  }
}

function receiveAtRoot(port: FabricFunction, message: ErrorMessage, sourceId: number): void {
  const { config } = port;
  const { aer } = config.offsets;
  if (aer === 0) {
    return;
  }
  const { view } = config;
  if (message === 'ERR_COR') {
    if (ROOT_ERROR_STATUS.ERR_COR_Received.read(view, aer) === 1) {
      config.set(ROOT_ERROR_STATUS.Multiple_ERR_COR_Received, 1, aer);
    } else {
      config.set(ROOT_ERROR_STATUS.ERR_COR_Received, 1, aer);
      config.set(ERR_COR_SOURCE, sourceId, aer);
    }
  } else {
    const isFatal = message === 'ERR_FATAL';
    if (ROOT_ERROR_STATUS.ERR_FATAL_NONFATAL_Received.read(view, aer) === 1) {
      config.set(ROOT_ERROR_STATUS.Multiple_ERR_FATAL_NONFATAL_Received, 1, aer);
    } else {
      config.set(ROOT_ERROR_STATUS.ERR_FATAL_NONFATAL_Received, 1, aer);
      config.set(ERR_FATAL_NONFATAL_SOURCE, sourceId, aer);
      config.set(ROOT_ERROR_STATUS.First_Uncorrectable_Fatal, isFatal ? 1 : 0, aer);
    }
    config.set(
      isFatal
        ? ROOT_ERROR_STATUS.Fatal_Error_Messages_Received
        : ROOT_ERROR_STATUS.Non_Fatal_Error_Messages_Received,
      1,
      aer,
    );
  }
  const enable = {
    ERR_COR: ROOT_ERROR_COMMAND.Correctable_Error_Reporting_Enable,
    ERR_NONFATAL: ROOT_ERROR_COMMAND.Non_Fatal_Error_Reporting_Enable,
    ERR_FATAL: ROOT_ERROR_COMMAND.Fatal_Error_Reporting_Enable,
  }[message];
  if (enable.read(view, aer) === 1) {
    raisePortInterrupt(port, ROOT_ERROR_STATUS.Advanced_Error_Interrupt_Message_Number.read(view, aer));
  }
}

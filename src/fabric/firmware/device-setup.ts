/**
 * Device Control of every function: payload and read sizes, tags, error messages. Choices as in Linux, drivers/pci/probe.c
 * and drivers/pci/pcie/aer.c.
 */
import { BRIDGE_CONTROL, COMMAND } from '../../spec/pci/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CONTROL,
  DEVICE_PORT_TYPE,
  EXTENDED_ID,
  ROOT_ERROR_COMMAND,
  TRANSFER_SIZE_BYTES,
} from '../../spec/pcie/index.ts';
import { forEachBelow } from './assign.ts';
import type { FirmwareOptions } from './report.ts';
import type { ScannedFunction } from './scan.ts';

/** Payload codes are exponents: 128 bytes << code. Reserved codes count as the largest. */
const CODE_MAX = TRANSFER_SIZE_BYTES.length - 1;

function supportedCode(fn: ScannedFunction): number {
  return Math.min(
    CODE_MAX,
    DEVICE_CAPABILITIES.Max_Payload_Size_Supported.of(fn.cycles.get(DEVICE_CAPABILITIES, fn.express)),
  );
}

/**
 * Sets what is on a bus and behind it.
 * @param above payload code of the bridge above; null on a root bus
 * @returns functions that take less than the bridge above sends
 */
export function setUpDevices(
  functions: readonly ScannedFunction[],
  options: FirmwareOptions,
  above: number | null,
): ScannedFunction[] {
  const tooSmall: ScannedFunction[] = [];
  for (const fn of functions) {
    setPayload(fn, options, above);
  }
  forEachBelow(functions, (fn) => {
    if (fn.express !== 0 && options.extendedTags !== false) {
      const capabilities = fn.cycles.get(DEVICE_CAPABILITIES, fn.express);
      if (DEVICE_CAPABILITIES.Extended_Tag_Field_Supported.of(capabilities) === 1) {
        fn.cycles.change(DEVICE_CONTROL, fn.express, [DEVICE_CONTROL.Extended_Tag_Field_Enable, 1]);
      }
    }
    if (options.reportErrors !== false) {
      enableErrors(fn);
    }
    if (fn.isBridge) {
      fn.cycles.change(
        COMMAND,
        0,
        [COMMAND.IO_Space_Enable, 1],
        [COMMAND.Memory_Space_Enable, 1],
        [COMMAND.Bus_Master_Enable, 1],
      );
    }
    if (fn.express !== 0 && above !== null && supportedCode(fn) < above) {
      tooSmall.push(fn);
    }
  });
  return tooSmall;
}

function setPayload(top: ScannedFunction, options: FirmwareOptions, above: number | null): void {
  const all: ScannedFunction[] = [];
  forEachBelow([top], (fn) => {
    if (fn.express !== 0) {
      all.push(fn);
    }
  });
  const least = Math.min(above ?? CODE_MAX, ...all.map(supportedCode));
  const policy = options.payload ?? 'default';
  // With `safe`, anything may be plugged into a switch later, and it has to agree with what runs.
  const hasSwitchSlot = all.some((fn) => fn.isHotPlugSlot && fn.portType !== DEVICE_PORT_TYPE.ROOT_PORT);
  const shared = policy === 'peer2peer' || (policy === 'safe' && hasSwitchSlot && above === null) ? 0 : least;
  const visit = (fn: ScannedFunction, pathCode: number): void => {
    let code = pathCode;
    if (fn.express !== 0) {
      code = policy === 'performance' ? Math.min(pathCode, supportedCode(fn)) : shared;
      fn.cycles.change(DEVICE_CONTROL, fn.express, [DEVICE_CONTROL.Max_Payload_Size, code]);
      setReadSize(fn, options, code);
    }
    for (const child of fn.children) {
      visit(child, code);
    }
  };
  visit(top, above ?? CODE_MAX);
}

function setReadSize(fn: ScannedFunction, options: FirmwareOptions, payloadCode: number): void {
  const isLimited = options.payload === 'performance';
  if (fn.isBridge || (options.maxReadRequestBytes === undefined && !isLimited)) {
    return;
  }
  const asked =
    options.maxReadRequestBytes === undefined
      ? CODE_MAX
      : Math.max(0, TRANSFER_SIZE_BYTES.indexOf(options.maxReadRequestBytes));
  fn.cycles.change(DEVICE_CONTROL, fn.express, [
    DEVICE_CONTROL.Max_Read_Request_Size,
    isLimited ? Math.min(asked, payloadCode) : asked,
  ]);
}

/** A message passes a bridge when SERR# is enabled on its secondary side. 6.2.6. */
function enableErrors(fn: ScannedFunction): void {
  if (fn.isBridge) {
    fn.cycles.change(COMMAND, 0, [COMMAND.SERR_Enable, 1]);
    fn.cycles.change(BRIDGE_CONTROL, 0, [BRIDGE_CONTROL.SERR_Enable, 1]);
  }
  const aer = fn.express === 0 ? 0 : fn.cycles.findExtended(EXTENDED_ID.ADVANCED_ERROR_REPORTING);
  if (aer === 0) {
    return;
  }
  fn.cycles.change(
    DEVICE_CONTROL,
    fn.express,
    [DEVICE_CONTROL.Correctable_Error_Reporting_Enable, 1],
    [DEVICE_CONTROL.Non_Fatal_Error_Reporting_Enable, 1],
    [DEVICE_CONTROL.Fatal_Error_Reporting_Enable, 1],
    [DEVICE_CONTROL.Unsupported_Request_Reporting_Enable, 1],
  );
  if (fn.portType === DEVICE_PORT_TYPE.ROOT_PORT) {
    fn.cycles.change(
      ROOT_ERROR_COMMAND,
      aer,
      [ROOT_ERROR_COMMAND.Correctable_Error_Reporting_Enable, 1],
      [ROOT_ERROR_COMMAND.Non_Fatal_Error_Reporting_Enable, 1],
      [ROOT_ERROR_COMMAND.Fatal_Error_Reporting_Enable, 1],
    );
  }
}

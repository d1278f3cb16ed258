/** What routing needs from config space beyond the machine's own fields. Undefined: the bytes do not tell. */
import { CAPABILITY_ID } from '../spec/pci/index.ts';
import { ATS_CONTROL, EXTENDED_ID, LINK_CAPABILITIES } from '../spec/pcie/index.ts';
import {
  findCapability,
  findExtendedCapability,
  type MachineFunction,
  walkCapabilities,
} from '../topology/index.ts';

/** The requester may send translated requests: it has ATS and ATS is enabled. */
export function isAtsEnabled(fn: MachineFunction): boolean | undefined {
  return once(ats, fn, readAts);
}

/** Port Number of Link Capabilities: the place of a switch or root port in egress control vectors. */
export function portNumber(fn: MachineFunction): number | undefined {
  return once(ports, fn, readPortNumber);
}

/** Functions never change, and a matrix asks the same of each of them once a pair. */
const ats = new WeakMap<MachineFunction, boolean | undefined>();
const ports = new WeakMap<MachineFunction, number | undefined>();

function once<T>(
  cache: WeakMap<MachineFunction, T>,
  fn: MachineFunction,
  read: (fn: MachineFunction) => T,
): T | undefined {
  if (!cache.has(fn)) {
    cache.set(fn, read(fn));
  }
  return cache.get(fn);
}

function readAts(fn: MachineFunction): boolean | undefined {
  if (fn.pcieType === null) {
    return false;
  }
  const { config } = fn;
  if (config === undefined || fn.isGone) {
    return undefined;
  }
  const found = findExtendedCapability(walkCapabilities(config), EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES);
  if (found == null) {
    return found === null ? false : undefined;
  }
  const end = found.offset + ATS_CONTROL.offset + 2;
  return end > config.length ? undefined : ATS_CONTROL.Enable.read(viewOf(config), found.offset) === 1;
}

function readPortNumber(fn: MachineFunction): number | undefined {
  const { config } = fn;
  if (config === undefined || fn.isGone) {
    return undefined;
  }
  const found = findCapability(walkCapabilities(config), CAPABILITY_ID.PCI_EXPRESS);
  if (found == null) {
    return undefined;
  }
  const end = found.offset + LINK_CAPABILITIES.offset + 4;
  return end > config.length ? undefined : LINK_CAPABILITIES.Port_Number.read(viewOf(config), found.offset);
}

function viewOf(config: Uint8Array): DataView {
  return new DataView(config.buffer, config.byteOffset, config.byteLength);
}

/**
 * The Identify command: which structure is asked for, and whether it may be.
 *
 * Leaves out NVM sets, domains, ports, UUID lists and other command sets: their CNS are answered with Invalid Field.
 * Follows NVM Express Base 2.1, section 5.1.13.
 */
import { DONE, Memory, type Status } from '../../../fabric/index.ts';
import {
  CNS,
  COMMAND_SET,
  COMMAND_SET_VECTOR,
  CONTROLLER_LIST_IDS,
  CONTROLLER_LIST_NUMID,
  IDENTIFY_BYTES,
  IDENTIFY_CDW10,
  IDENTIFY_CDW11,
  NAMESPACE_LIST,
  NSID_BROADCAST,
  NVME_STATUS,
  PCC_CNTLID,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { NamespaceEntry } from '../subsystem.ts';
import type { AdminHost } from './admin-host.ts';
import { identifyController, identifyControllerNvm } from './identify-controller.ts';
import {
  identifyCommonNamespace,
  identifyNamespace,
  identifyNamespaceIndependent,
  identifyNamespaceNvm,
  namespaceDescriptors,
} from './identify-namespace.ts';

export function identify(host: AdminHost, command: Command): Status {
  const bytes = structureFor(host, command);
  return bytes === null ? DONE : host.data.toHost(command, Memory.over(bytes), 0, IDENTIFY_BYTES);
}

/** The bytes of the answer; null when the command failed. */
function structureFor(host: AdminHost, command: Command): Uint8Array | null {
  const cns = IDENTIFY_CDW10.CNS.of(command.dword(10));
  const { subsystem } = host;
  const isSecond = host.options.version === '2.0' || host.options.version === '2.1';
  switch (cns) {
    case CNS.CONTROLLER:
      return identifyController(host);
    case CNS.NAMESPACE: {
      if (command.nsid === NSID_BROADCAST) {
        const [sample] = subsystem.entries();
        return sample === undefined ? zeroes() : identifyCommonNamespace(sample.namespace);
      }
      // An inactive namespace is a structure of zeroes.
      return ofActive(host, command, (entry) => identifyNamespace(entry, subsystem), zeroes);
    }
    case CNS.ACTIVE_NAMESPACE_LIST:
      return namespaceList(host, command, (entry) => entry.attached.has(host.controllerId));
    case CNS.NAMESPACE_DESCRIPTORS:
      return ofActive(host, command, (entry) => namespaceDescriptors(entry, isSecond), null);
    case CNS.ALLOCATED_NAMESPACE_LIST:
      return namespaceList(host, command, () => true);
    case CNS.ALLOCATED_NAMESPACE:
      return ofAllocated(host, command, (entry) => identifyNamespace(entry, subsystem));
    case CNS.NAMESPACE_CONTROLLER_LIST: {
      const entry = subsystem.entry(command.nsid);
      if (!isValidNsid(host, command)) {
        return null;
      }
      return controllerList(host, command, (id) => entry?.attached.has(id) ?? false);
    }
    case CNS.CONTROLLER_LIST:
      return controllerList(host, command, () => true);
    case CNS.PRIMARY_CONTROLLER_CAPABILITIES: {
      const bytes = zeroes();
      PCC_CNTLID.setValue(new DataView(bytes.buffer), host.controllerId);
      return bytes;
    }
    case CNS.SECONDARY_CONTROLLER_LIST:
    case CNS.NAMESPACE_GRANULARITY_LIST:
      return zeroes();
    case CNS.ENDURANCE_GROUP_LIST: {
      const bytes = zeroes();
      if (IDENTIFY_CDW11.CNSSID.of(command.dword(11)) < 1) {
        const view = new DataView(bytes.buffer);
        CONTROLLER_LIST_NUMID.setValue(view, 1);
        view.setUint16(CONTROLLER_LIST_IDS.at(0), 1, true);
      }
      return bytes;
    }
    default:
      return isSecond ? ofSecondRevision(host, command, cns) : invalidField(command, 10, 0);
  }
}

/** Structures that revision 2.0 brought. */
function ofSecondRevision(host: AdminHost, command: Command, cns: number): Uint8Array | null {
  const { subsystem } = host;
  const csi = IDENTIFY_CDW11.CSI.of(command.dword(11));
  const isByCommandSet =
    (cns >= CNS.COMMAND_SET_NAMESPACE && cns <= CNS.COMMAND_SET_ACTIVE_NAMESPACE_LIST) ||
    cns === CNS.COMMAND_SET_FORMAT_NAMESPACE ||
    cns === CNS.COMMAND_SET_ALLOCATED_NAMESPACE_LIST ||
    cns === CNS.COMMAND_SET_ALLOCATED_NAMESPACE;
  if (isByCommandSet && csi !== COMMAND_SET.NVM) {
    return invalidField(command, 11, 24);
  }
  switch (cns) {
    case CNS.COMMAND_SET_NAMESPACE:
      return ofActive(host, command, (entry) => identifyNamespaceNvm(entry.namespace), zeroes);
    case CNS.COMMAND_SET_CONTROLLER:
      return identifyControllerNvm(host);
    case CNS.COMMAND_SET_ACTIVE_NAMESPACE_LIST:
      return namespaceList(host, command, (entry) => entry.attached.has(host.controllerId));
    case CNS.COMMAND_SET_ALLOCATED_NAMESPACE_LIST:
      return namespaceList(host, command, () => true);
    case CNS.INDEPENDENT_NAMESPACE:
      return ofActive(host, command, (entry) => identifyNamespaceIndependent(entry, subsystem), zeroes);
    case CNS.INDEPENDENT_ALLOCATED_NAMESPACE:
      return ofAllocated(host, command, (entry) => identifyNamespaceIndependent(entry, subsystem));
    case CNS.COMMAND_SET_ALLOCATED_NAMESPACE:
      return ofAllocated(host, command, (entry) => identifyNamespaceNvm(entry.namespace));
    case CNS.FORMAT_NAMESPACE:
    case CNS.COMMAND_SET_FORMAT_NAMESPACE: {
      const [sample] = subsystem.entries();
      const index = IDENTIFY_CDW11.CNSSID.of(command.dword(11));
      if (sample === undefined || index >= sample.namespace.formats.length) {
        return invalidField(command, 11, 0);
      }
      return cns === CNS.FORMAT_NAMESPACE
        ? identifyCommonNamespace(sample.namespace)
        : identifyNamespaceNvm(sample.namespace);
    }
    case CNS.COMMAND_SETS: {
      const id = IDENTIFY_CDW10.CNTID.of(command.dword(10));
      if (id !== 0xffff && id !== host.controllerId) {
        return invalidField(command, 10, 16);
      }
      const bytes = zeroes();
      COMMAND_SET_VECTOR.NVM.write(new DataView(bytes.buffer), 1);
      return bytes;
    }
    default:
      return invalidField(command, 10, 0);
  }
}

function invalidField(command: Command, dword: number, bit: number): null {
  command.failField(NVME_STATUS.INVALID_FIELD, dword, bit);
  return null;
}

function zeroes(): Uint8Array {
  return new Uint8Array(IDENTIFY_BYTES);
}

function isValidNsid(host: AdminHost, command: Command): boolean {
  if (command.nsid >= 1 && command.nsid <= host.options.namespaceCountMax) {
    return true;
  }
  command.failField(NVME_STATUS.INVALID_NAMESPACE, 1, 0);
  return false;
}

/** `inactive` makes the answer for a valid NSID that is not attached here; null: it is an error. */
function ofActive(
  host: AdminHost,
  command: Command,
  make: (entry: NamespaceEntry) => Uint8Array,
  inactive: (() => Uint8Array) | null,
): Uint8Array | null {
  if (!isValidNsid(host, command)) {
    return null;
  }
  const entry = host.subsystem.entry(command.nsid);
  if (entry?.attached.has(host.controllerId) === true) {
    return make(entry);
  }
  return inactive === null ? invalidField(command, 1, 0) : inactive();
}

function ofAllocated(
  host: AdminHost,
  command: Command,
  make: (entry: NamespaceEntry) => Uint8Array,
): Uint8Array | null {
  if (!isValidNsid(host, command)) {
    return null;
  }
  const entry = host.subsystem.entry(command.nsid);
  return entry === undefined ? zeroes() : make(entry);
}

function namespaceList(
  host: AdminHost,
  command: Command,
  isListed: (entry: NamespaceEntry) => boolean,
): Uint8Array | null {
  // FFFFFFFEh and FFFFFFFFh have nothing above them. NVM Express Base 2.1, 5.1.13.2.2.
  if (command.nsid >= NSID_BROADCAST - 1) {
    command.failField(NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return null;
  }
  const bytes = zeroes();
  const view = new DataView(bytes.buffer);
  let count = 0;
  for (const entry of host.subsystem.entries()) {
    if (entry.namespace.nsid > command.nsid && count < NAMESPACE_LIST.count && isListed(entry)) {
      view.setUint32(NAMESPACE_LIST.at(count++), entry.namespace.nsid, true);
    }
  }
  return bytes;
}

function controllerList(
  host: AdminHost,
  command: Command,
  isListed: (controllerId: number) => boolean,
): Uint8Array {
  const first = IDENTIFY_CDW10.CNTID.of(command.dword(10));
  const bytes = zeroes();
  const view = new DataView(bytes.buffer);
  let count = 0;
  for (const { controllerId } of host.subsystem.members()) {
    if (controllerId >= first && count < CONTROLLER_LIST_IDS.count && isListed(controllerId)) {
      view.setUint16(CONTROLLER_LIST_IDS.at(count++), controllerId, true);
    }
  }
  CONTROLLER_LIST_NUMID.setValue(view, count);
  return bytes;
}

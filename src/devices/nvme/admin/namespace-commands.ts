/**
 * Format NVM, Namespace Management and Namespace Attachment. Follows NVM Express Base 2.1, sections 5.1.10, 5.1.20 and 5.1.21, and
 * NVM Command Set 1.1, section 4.1.6.
 *
 * A format is over when its command is; there is no progress to see.
 */
import { DONE, type Memory, type Status } from '../../../fabric/index.ts';
import {
  COMMAND_SET,
  CONTROLLER_LIST_IDS,
  CONTROLLER_LIST_NUMID,
  FORMAT_NVM_CDW10,
  formatIndex,
  GUARD_FORMAT,
  IDENTIFY_BYTES,
  LBA_FORMATS_MAX,
  lbaFormatIndex,
  NAMESPACE_ATTACHMENT_CDW10,
  NAMESPACE_ATTACHMENT_SELECT,
  NAMESPACE_MANAGEMENT_CDW10,
  NAMESPACE_MANAGEMENT_CDW11,
  NAMESPACE_MANAGEMENT_SELECT,
  NS_ANAGRPID,
  NS_DPS,
  NS_FLBAS,
  NS_NCAP,
  NS_NMIC,
  NS_NSZE,
  NSID_BROADCAST,
  NVME_STATUS,
  SECURE_ERASE,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import { LBA_FORMATS, LBA_FORMATS_WIDE, type Namespace } from '../media/index.ts';
import type { NamespaceOptions } from '../options.ts';
import type { AdminHost } from './admin-host.ts';

export function formatNvm(host: AdminHost, command: Command): Status {
  const cdw10 = command.dword(10);
  const index = formatIndex(cdw10);
  const piType = FORMAT_NVM_CDW10.PI.of(cdw10);
  if (FORMAT_NVM_CDW10.SES.of(cdw10) > SECURE_ERASE.CRYPTOGRAPHIC) {
    command.failField(NVME_STATUS.INVALID_FIELD, 10, 9);
    return DONE;
  }
  const targets = formatTargets(host, command);
  if (targets === null) {
    return DONE;
  }
  const request = {
    index,
    isExtended: FORMAT_NVM_CDW10.MSET.of(cdw10) === 1,
    piType,
    isPiFirst: FORMAT_NVM_CDW10.PIL.of(cdw10) === 1,
  };
  for (const namespace of targets) {
    const needsLeave = index >= namespace.commonFormatCount && !host.services.settings.hasExtendedFormats;
    if (piType > 3 || needsLeave || !namespace.canFormat(request)) {
      command.failField(NVME_STATUS.INVALID_FORMAT, 10, piType > 3 ? 5 : 0);
      return DONE;
    }
    if (namespace.isWriteProtected) {
      command.fail(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
      return DONE;
    }
  }
  if (!becomeIdle(host, targets, NVME_STATUS.FORMAT_IN_PROGRESS)) {
    return host.retryLater(command);
  }
  host.selfTest.onFormat();
  for (const namespace of targets) {
    namespace.reformat(request);
  }
  host.subsystem.announce(
    targets.map((namespace) => namespace.nsid),
    host.controllerId,
  );
  return DONE;
}

/** Keeps new I/O out until what is under way has ended. @returns whether it has; then the way is open again */
function becomeIdle(host: AdminHost, targets: readonly Namespace[], status: number): boolean {
  const isIdle = targets.every((namespace) => host.subsystem.isIdle(namespace.nsid));
  for (const namespace of targets) {
    namespace.blockedStatus = isIdle ? 0 : status;
  }
  return isIdle;
}

/** The namespaces to format; null when the command failed. */
function formatTargets(host: AdminHost, command: Command): readonly Namespace[] | null {
  if (command.nsid === NSID_BROADCAST) {
    return [...host.services.activeNamespaces()];
  }
  const namespace = host.namespace(command.nsid);
  if (namespace === undefined) {
    const isValid = command.nsid >= 1 && command.nsid <= host.options.namespaceCountMax;
    command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return null;
  }
  return [namespace];
}

export function manageNamespace(host: AdminHost, command: Command): Status {
  const select = NAMESPACE_MANAGEMENT_CDW10.SEL.of(command.dword(10));
  switch (select) {
    case NAMESPACE_MANAGEMENT_SELECT.CREATE:
      if (NAMESPACE_MANAGEMENT_CDW11.CSI.of(command.dword(11)) !== COMMAND_SET.NVM) {
        command.failField(NVME_STATUS.COMMAND_SET_NOT_SUPPORTED, 11, 24);
        return DONE;
      }
      return host.takeData(command, IDENTIFY_BYTES);
    case NAMESPACE_MANAGEMENT_SELECT.DELETE:
      return deleteNamespaces(host, command);
    default:
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
      return DONE;
  }
}

/** The structure of a create has arrived. */
export function createNamespace(host: AdminHost, command: Command, buffer: Memory): void {
  const bytes = buffer.flat!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizeBlocks = NS_NSZE.value(view);
  const { subsystem } = host;
  const format = [...LBA_FORMATS, ...LBA_FORMATS_WIDE][lbaFormatIndex(NS_FLBAS.value(view))];
  const index = lbaFormatIndex(NS_FLBAS.value(view));
  const needsLeave = index >= LBA_FORMATS.length && !host.services.settings.hasExtendedFormats;
  const piType = NS_DPS.PIT.read(view);
  if (format === undefined || index >= LBA_FORMATS_MAX || needsLeave || piType > 3) {
    command.fail(NVME_STATUS.INVALID_FORMAT);
    return;
  }
  const piBytes = format.guardFormat === GUARD_FORMAT.GUARD_16B ? 8 : 16;
  if (piType !== 0 && format.metadataBytes < piBytes) {
    command.fail(NVME_STATUS.INVALID_FORMAT);
    return;
  }
  if (NS_NCAP.value(view) !== sizeBlocks) {
    // Capacity below size is thin provisioning of capacity, which is not offered here.
    command.fail(NVME_STATUS.THIN_PROVISIONING_NOT_SUPPORTED);
    return;
  }
  const anaGroup = NS_ANAGRPID.value(view);
  if (anaGroup !== 0 && (!subsystem.hasAna || anaGroup !== 1)) {
    command.fail(NVME_STATUS.ANA_GROUP_INVALID);
    return;
  }
  if (sizeBlocks === 0) {
    command.fail(NVME_STATUS.INVALID_FIELD);
    return;
  }
  if (!(sizeBlocks * format.blockBytes <= subsystem.unallocatedBytes)) {
    command.fail(NVME_STATUS.NAMESPACE_INSUFFICIENT_CAPACITY);
    return;
  }
  const nsid = subsystem.freeNsid();
  if (nsid > host.options.namespaceCountMax) {
    command.fail(NVME_STATUS.NAMESPACE_ID_UNAVAILABLE);
    return;
  }
  const options: NamespaceOptions = {
    sizeBlocks,
    blockBytes: format.blockBytes,
    metadataBytes: format.metadataBytes,
    isExtended: NS_FLBAS.DBM.read(view) === 1,
    piType: piType as 0 | 1 | 2 | 3,
    isPiFirst: NS_DPS.PIP.read(view) === 1,
    guardBits:
      format.guardFormat === GUARD_FORMAT.GUARD_16B
        ? 16
        : format.guardFormat === GUARD_FORMAT.GUARD_32B
          ? 32
          : 64,
    storageTagBits: format.storageTagBits,
    isShared: NS_NMIC.SHRNS.read(view) === 1,
    isPatterned: false,
  };
  subsystem.add(nsid, options);
  command.dw0 = nsid;
}

function deleteNamespaces(host: AdminHost, command: Command): Status {
  const { subsystem } = host;
  const isAll = command.nsid === NSID_BROADCAST;
  if (!isAll && subsystem.entry(command.nsid) === undefined) {
    const isValid = command.nsid >= 1 && command.nsid <= host.options.namespaceCountMax;
    command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return DONE;
  }
  const entries = subsystem.entries().filter((entry) => isAll || entry.namespace.nsid === command.nsid);
  const targets = entries.map((entry) => entry.namespace);
  if (!becomeIdle(host, targets, NVME_STATUS.NAMESPACE_NOT_READY)) {
    return host.retryLater(command);
  }
  const nsids = targets.map((namespace) => namespace.nsid);
  for (const nsid of nsids) {
    subsystem.delete(nsid);
  }
  subsystem.announce(nsids, host.controllerId);
  return DONE;
}

export function attachNamespace(host: AdminHost, command: Command): Status {
  const select = NAMESPACE_ATTACHMENT_CDW10.SEL.of(command.dword(10));
  if (select !== NAMESPACE_ATTACHMENT_SELECT.ATTACH && select !== NAMESPACE_ATTACHMENT_SELECT.DETACH) {
    command.failField(NVME_STATUS.INVALID_FIELD, 10, 0);
    return DONE;
  }
  if (host.subsystem.entry(command.nsid) === undefined) {
    const isValid = command.nsid >= 1 && command.nsid <= host.options.namespaceCountMax;
    command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return DONE;
  }
  return host.takeData(command, IDENTIFY_BYTES);
}

/** The list of controllers of an attachment has arrived. */
export function changeAttachment(host: AdminHost, command: Command, buffer: Memory): void {
  const bytes = buffer.flat!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isAttach =
    NAMESPACE_ATTACHMENT_CDW10.SEL.of(command.dword(10)) === NAMESPACE_ATTACHMENT_SELECT.ATTACH;
  const entry = host.subsystem.entry(command.nsid);
  const count = CONTROLLER_LIST_NUMID.value(view);
  if (entry === undefined || count === 0 || count > CONTROLLER_LIST_IDS.count) {
    command.fail(entry === undefined ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.CONTROLLER_LIST_INVALID);
    return;
  }
  const ids = Array.from({ length: count }, (_, i) => view.getUint16(CONTROLLER_LIST_IDS.at(i), true));
  for (const id of ids) {
    if (!host.subsystem.hasController(id)) {
      command.fail(NVME_STATUS.CONTROLLER_LIST_INVALID);
    } else if (isAttach && entry.attached.has(id)) {
      command.fail(NVME_STATUS.NAMESPACE_ALREADY_ATTACHED);
    } else if (isAttach && !entry.namespace.isShared && entry.attached.size + ids.length > 1) {
      command.fail(NVME_STATUS.NAMESPACE_PRIVATE);
    } else if (!isAttach && !entry.attached.has(id)) {
      command.fail(NVME_STATUS.NAMESPACE_NOT_ATTACHED);
    }
  }
  if (command.status !== 0) {
    return;
  }
  for (const id of ids) {
    entry.attached[isAttach ? 'add' : 'delete'](id);
  }
  for (const member of host.subsystem.members()) {
    if (ids.includes(member.controllerId)) {
      member.onNamespacesChanged([command.nsid], host.controllerId);
    }
  }
}

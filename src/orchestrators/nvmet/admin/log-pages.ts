/** Get Log Page: which pages there are, and what is in them. NVM Express Base 2.1, 5.1.12. */
import {
  ADMIN_OPCODE,
  ANA_CHGCNT,
  ANA_GROUP,
  ANA_GROUP_AGID,
  ANA_GROUP_CHGCNT,
  ANA_GROUP_NNV,
  ANA_GROUP_STATE,
  ANA_HEADER,
  ANA_NAGD,
  ASYNC_EVENT,
  bytesOf,
  CHANGED_NAMESPACE_LIST,
  COMMAND_EFFECTS,
  COMMAND_EFFECTS_LOG,
  EFFECTS_ACS,
  EFFECTS_IOCS,
  FIRMWARE_AFI,
  FIRMWARE_FRS,
  FIRMWARE_SLOT_LOG,
  GET_LOG_PAGE_CDW10,
  GET_LOG_PAGE_CDW14,
  ID_FR,
  LOG_PAGE,
  logPageBytes,
  logPageOffset,
  NSID_BROADCAST,
  NVME_STATUS,
  SMART_AVSP,
  SMART_AVSPT,
  SMART_CTEMP,
  SMART_DUR,
  SMART_DUW,
  SMART_HRC,
  SMART_HWC,
  SMART_LOG,
  SMART_NEILE,
  SUPPORTED_LOG_PAGE,
  SUPPORTED_LOG_PAGES,
  setUnsigned,
  smartDataUnits,
} from '../../../spec/nvme/index.ts';
import type { Controller } from '../controller.ts';
import { IO_COMMANDS, isWritingCommand } from '../io/command-list.ts';
import type { TargetNamespace } from '../namespace.ts';
import { type Outcome, refuse } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { ADMIN_COMMANDS } from './commands.ts';
import { discoveryLog } from './discovery-log.ts';

const PAGES_OF_IO: readonly number[] = [
  LOG_PAGE.SUPPORTED_LOG_PAGES,
  LOG_PAGE.ERROR_INFORMATION,
  LOG_PAGE.SMART_HEALTH,
  LOG_PAGE.FIRMWARE_SLOT,
  LOG_PAGE.CHANGED_ATTACHED_NAMESPACES,
  LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS,
  LOG_PAGE.ANA,
  LOG_PAGE.RESERVATION_NOTIFICATION,
];
const PAGES_OF_DISCOVERY: readonly number[] = [
  LOG_PAGE.SUPPORTED_LOG_PAGES,
  LOG_PAGE.ERROR_INFORMATION,
  LOG_PAGE.DISCOVERY,
];
/** Kelvin: a target has no thermometer; 0 would be implausible to tools. */
const ROOM_TEMPERATURE_K = 293;

export function getLogPage(queue: TargetQueue, controller: Controller, request: TargetRequest): Outcome {
  const { sqeView } = request;
  const page = GET_LOG_PAGE_CDW10.LID.read(sqeView);
  const lengthBytes = logPageBytes(sqeView);
  const offsetBytes = logPageOffset(sqeView);
  const pages = controller.isDiscovery ? PAGES_OF_DISCOVERY : PAGES_OF_IO;
  if (!pages.includes(page)) {
    return refuse(NVME_STATUS.INVALID_LOG_PAGE);
  }
  const isIndexed = GET_LOG_PAGE_CDW14.OT.read(sqeView) === 1;
  if (isIndexed || offsetBytes % 4 !== 0 || lengthBytes > queue.maxTransferBytes) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  const refused = queue.checkSend(request, lengthBytes);
  if (refused !== 0) {
    return refused;
  }
  const isKept = GET_LOG_PAGE_CDW10.RAE.read(sqeView) === 1;
  const bytes = build(queue, controller, request, page, isKept);
  if (typeof bytes === 'number') {
    return bytes;
  }
  if (offsetBytes > bytes.length) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  if (!isKept) {
    controller.events.clear(page);
    if (page === LOG_PAGE.RESERVATION_NOTIFICATION && !controller.reservationLog.isEmpty) {
      // Pages that are left are told of again, one at a time.
      controller.events.report(ASYNC_EVENT.RESERVATION_LOG_AVAILABLE);
    }
  }
  return queue.reply(request, bytes, lengthBytes, offsetBytes);
}

function build(
  queue: TargetQueue,
  controller: Controller,
  request: TargetRequest,
  page: number,
  isKept: boolean,
): Uint8Array | Outcome {
  switch (page) {
    case LOG_PAGE.SUPPORTED_LOG_PAGES:
      return supportedPages(controller.isDiscovery ? PAGES_OF_DISCOVERY : PAGES_OF_IO);
    case LOG_PAGE.ERROR_INFORMATION:
      return controller.errorLog.page();
    case LOG_PAGE.SMART_HEALTH:
      return smart(controller, request.nsid);
    case LOG_PAGE.FIRMWARE_SLOT:
      return firmware(controller);
    case LOG_PAGE.CHANGED_ATTACHED_NAMESPACES:
      return changedNamespaces(controller, isKept);
    case LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS:
      return effects();
    case LOG_PAGE.ANA:
      return anaLog(controller, (GET_LOG_PAGE_CDW10.LSP.read(request.sqeView) & 1) === 1);
    case LOG_PAGE.DISCOVERY:
      return discoveryLog(queue.target, controller);
    default:
      return controller.reservationLog.take(isKept);
  }
}

function supportedPages(pages: readonly number[]): Uint8Array {
  const data = new Uint8Array(SUPPORTED_LOG_PAGES.sizeBytes);
  const view = new DataView(data.buffer);
  for (const page of pages) {
    SUPPORTED_LOG_PAGE.LSUPP.write(view, 1, SUPPORTED_LOG_PAGES.at(page));
  }
  return data;
}

/** Of one namespace, or of all for NSID 0 and FFFFFFFFh. */
function smart(controller: Controller, nsid: number): Uint8Array | Outcome {
  let namespaces: Iterable<TargetNamespace> = controller.subsystem.namespaces.values();
  if (nsid !== 0 && nsid !== NSID_BROADCAST) {
    const one = controller.namespace(nsid);
    if (one === undefined) {
      return refuse(NVME_STATUS.INVALID_NAMESPACE);
    }
    namespaces = [one];
  }
  let [readBytes, writeBytes, reads, writes] = [0, 0, 0, 0];
  for (const { counters } of namespaces) {
    readBytes += counters.readBytes;
    writeBytes += counters.writeBytes;
    reads += counters.readCommands;
    writes += counters.writeCommands;
  }
  const data = new Uint8Array(SMART_LOG.sizeBytes);
  const view = new DataView(data.buffer);
  SMART_CTEMP.setValue(view, ROOM_TEMPERATURE_K);
  SMART_AVSP.setValue(view, 100);
  SMART_AVSPT.setValue(view, 10);
  setUnsigned(SMART_DUR, view, smartDataUnits(readBytes));
  setUnsigned(SMART_DUW, view, smartDataUnits(writeBytes));
  setUnsigned(SMART_HRC, view, reads);
  setUnsigned(SMART_HWC, view, writes);
  setUnsigned(SMART_NEILE, view, controller.errorLog.count);
  return data;
}

function firmware(controller: Controller): Uint8Array {
  const data = new Uint8Array(FIRMWARE_SLOT_LOG.sizeBytes);
  const view = new DataView(data.buffer);
  FIRMWARE_AFI.CAFS.write(view, 1);
  const text = controller.subsystem.identity.firmware.padEnd(ID_FR.sizeBytes);
  const slot = bytesOf(FIRMWARE_FRS, view);
  for (let i = 0; i < ID_FR.sizeBytes; i++) {
    slot[i] = text.charCodeAt(i);
  }
  return data;
}

function changedNamespaces(controller: Controller, isKept: boolean): Uint8Array {
  const data = new Uint8Array(CHANGED_NAMESPACE_LIST.sizeBytes);
  const view = new DataView(data.buffer);
  const changed = [...controller.changedNamespaces].sort((a, b) => a - b);
  if (changed.length > CHANGED_NAMESPACE_LIST.count) {
    view.setUint32(0, NSID_BROADCAST, true);
  } else {
    for (const [index, nsid] of changed.entries()) {
      view.setUint32(CHANGED_NAMESPACE_LIST.at(index), nsid, true);
    }
  }
  if (!isKept) {
    controller.changedNamespaces.clear();
  }
  return data;
}

function effects(): Uint8Array {
  const data = new Uint8Array(COMMAND_EFFECTS_LOG.sizeBytes);
  const view = new DataView(data.buffer);
  for (const opcode of [...ADMIN_COMMANDS, ADMIN_OPCODE.FABRICS]) {
    COMMAND_EFFECTS.CSUPP.write(view, 1, EFFECTS_ACS.at(opcode));
  }
  for (const opcode of IO_COMMANDS) {
    COMMAND_EFFECTS.CSUPP.write(view, 1, EFFECTS_IOCS.at(opcode));
    COMMAND_EFFECTS.LBCC.write(view, isWritingCommand(opcode) ? 1 : 0, EFFECTS_IOCS.at(opcode));
  }
  return data;
}

/** The groups that have namespaces of this subsystem, as this port sees them. */
function anaLog(controller: Controller, isGroupsOnly: boolean): Uint8Array {
  const { port, subsystem } = controller;
  const groups = new Map<number, number[]>();
  for (const { nsid, anaGroupId } of subsystem.namespaces.values()) {
    const nsids = groups.get(anaGroupId);
    if (nsids === undefined) {
      groups.set(anaGroupId, [nsid]);
    } else {
      nsids.push(nsid);
    }
  }
  const nsidCount = isGroupsOnly ? 0 : subsystem.namespaces.size;
  const data = new Uint8Array(ANA_HEADER.sizeBytes + groups.size * ANA_GROUP.sizeBytes + 4 * nsidCount);
  const view = new DataView(data.buffer);
  ANA_CHGCNT.setValue(view, port.anaChangeCount);
  ANA_NAGD.setValue(view, groups.size);
  let at = ANA_HEADER.sizeBytes;
  for (const [groupId, nsids] of [...groups].sort(([a], [b]) => a - b)) {
    ANA_GROUP_AGID.setValue(view, groupId, at);
    ANA_GROUP_NNV.setValue(view, isGroupsOnly ? 0 : nsids.length, at);
    ANA_GROUP_CHGCNT.setValue(view, port.anaChangeCountOf(groupId), at);
    ANA_GROUP_STATE.ANAS.write(view, port.anaState(groupId), at);
    at += ANA_GROUP.sizeBytes;
    if (!isGroupsOnly) {
      for (const nsid of nsids) {
        view.setUint32(at, nsid, true);
        at += 4;
      }
    }
  }
  return data;
}

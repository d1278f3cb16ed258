/**
 * Get Log Page: lengths, offsets, which pages there are, and re-arming of asynchronous events.
 *
 * No more is sent than a page has: what the host asks for beyond its end stays as it was. Leaves out the persistent event log,
 * LBA status and everything about data placement. Telemetry is one header without data. Follows NVM Express Base 2.1, section
 * 5.1.12.
 */
import { DONE, Memory, type Status } from '../../../fabric/index.ts';
import {
  ANA_CHGCNT,
  ANA_GROUP,
  ANA_GROUP_AGID,
  ANA_GROUP_CHGCNT,
  ANA_GROUP_NNV,
  ANA_GROUP_STATE,
  ANA_HEADER,
  ANA_NAGD,
  CHANGED_NAMESPACE_LIST,
  COMMAND_SET,
  FEATURE_EFFECTS,
  FEATURE_EFFECTS_LOG,
  GET_LOG_PAGE_CDW10,
  GET_LOG_PAGE_CDW11,
  GET_LOG_PAGE_CDW14,
  LOG_PAGE,
  logPageBytes,
  logPageOffset,
  mdtsBytes,
  NSID_BROADCAST,
  NVME_STATUS,
  SUPPORTED_LOG_PAGE,
  SUPPORTED_LOG_PAGES,
  TELEMETRY_HEADER,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import { ANA_GROUP_ID } from '../subsystem.ts';
import type { AdminHost } from './admin-host.ts';
import { commandEffects } from './command-effects.ts';
import { enduranceGroupLog, smartLog } from './log-health.ts';
import type { Sanitize } from './sanitize.ts';

/** ANA: the host wants groups without their namespaces. */
const ANA_RGO = 1;

export class LogPages {
  readonly #host: AdminHost;
  readonly #sanitize: Sanitize;

  constructor(host: AdminHost, sanitize: Sanitize) {
    this.#host = host;
    this.#sanitize = sanitize;
  }

  get(command: Command): Status {
    const cdw10 = command.dword(10);
    const logPage = GET_LOG_PAGE_CDW10.LID.of(cdw10);
    const lengthBytes = logPageBytes(command.view, command.base);
    const offset = logPageOffset(command.view, command.base);
    const limit = mdtsBytes(this.#host.options.mdts, 0);
    if (limit !== null && lengthBytes > limit) {
      command.failField(NVME_STATUS.INVALID_FIELD, 10, 16);
      return DONE;
    }
    if (offset % 4 !== 0) {
      command.failField(NVME_STATUS.INVALID_FIELD, 12, 0);
      return DONE;
    }
    if (GET_LOG_PAGE_CDW14.OT.of(command.dword(14)) === 1) {
      // No page here has index offsets.
      command.failField(NVME_STATUS.INVALID_FIELD, 14, 23);
      return DONE;
    }
    const page = this.#page(command, logPage);
    if (page === null) {
      return DONE;
    }
    if (offset > page.length) {
      command.failField(NVME_STATUS.INVALID_FIELD, 12, 0);
      return DONE;
    }
    if (GET_LOG_PAGE_CDW10.RAE.of(cdw10) === 0) {
      this.#onRead(logPage);
    }
    const sentBytes = Math.min(lengthBytes, page.length - offset);
    return sentBytes === 0 ? DONE : this.#host.data.toHost(command, Memory.over(page), offset, sentBytes);
  }

  /** The host has seen a page. */
  #onRead(logPage: number): void {
    if (logPage === LOG_PAGE.CHANGED_ATTACHED_NAMESPACES) {
      this.#host.changedNamespaces.clear();
    }
    this.#host.events.onLogRead(logPage);
  }

  /** The whole page; null when the command failed. */
  #page(command: Command, logPage: number): Uint8Array | null {
    const host = this.#host;
    const specific = GET_LOG_PAGE_CDW10.LSP.of(command.dword(10));
    switch (logPage) {
      case LOG_PAGE.ERROR_INFORMATION:
        return host.errors.page();
      case LOG_PAGE.SMART_HEALTH:
        return this.#isSmartNamespace(command) ? smartLog(host) : null;
      case LOG_PAGE.FIRMWARE_SLOT:
        return host.firmware.page();
      case LOG_PAGE.CHANGED_ATTACHED_NAMESPACES:
        return this.#changedNamespaces();
      case LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS:
        if (GET_LOG_PAGE_CDW14.CSI.of(command.dword(14)) !== COMMAND_SET.NVM) {
          command.failField(NVME_STATUS.INVALID_LOG_PAGE, 14, 24);
          return null;
        }
        return commandEffects(host.options);
      case LOG_PAGE.DEVICE_SELF_TEST:
        return host.selfTest.page();
      case LOG_PAGE.TELEMETRY_HOST:
      case LOG_PAGE.TELEMETRY_CONTROLLER:
        return telemetry(logPage, host.options.oui);
      case LOG_PAGE.SANITIZE_STATUS:
        return this.#sanitize.page();
      case LOG_PAGE.ENDURANCE_GROUP:
        if (host.options.version !== '1.3') {
          if (GET_LOG_PAGE_CDW11.LSI.of(command.dword(11)) !== 1) {
            command.failField(NVME_STATUS.INVALID_FIELD, 11, 16);
            return null;
          }
          return enduranceGroupLog(host);
        }
        break;
      case LOG_PAGE.ANA:
        if (host.subsystem.hasAna) {
          return this.#ana((specific & ANA_RGO) !== 0);
        }
        break;
      case LOG_PAGE.SUPPORTED_LOG_PAGES:
        if (this.#hasSupportLogs) {
          return this.#supportedPages();
        }
        break;
      case LOG_PAGE.FEATURES_SUPPORTED_AND_EFFECTS:
        if (this.#hasSupportLogs) {
          return this.#featureEffects();
        }
        break;
      default:
        break;
    }
    command.failField(NVME_STATUS.INVALID_LOG_PAGE, 10, 0);
    return null;
  }

  get #hasSupportLogs(): boolean {
    return this.#host.options.version === '2.0' || this.#host.options.version === '2.1';
  }

  /** SMART is about the controller, or a namespace (LPA bit 0). */
  #isSmartNamespace(command: Command): boolean {
    if (
      command.nsid === 0 ||
      command.nsid === NSID_BROADCAST ||
      this.#host.namespace(command.nsid) !== undefined
    ) {
      return true;
    }
    const isValid = command.nsid <= this.#host.options.namespaceCountMax;
    command.failField(isValid ? NVME_STATUS.INVALID_FIELD : NVME_STATUS.INVALID_NAMESPACE, 1, 0);
    return false;
  }

  #changedNamespaces(): Uint8Array {
    const bytes = new Uint8Array(CHANGED_NAMESPACE_LIST.sizeBytes);
    const view = new DataView(bytes.buffer);
    const nsids = [...this.#host.changedNamespaces].sort((a, b) => a - b);
    if (nsids.length > CHANGED_NAMESPACE_LIST.count) {
      view.setUint32(0, NSID_BROADCAST, true);
    } else {
      nsids.forEach((nsid, index) => {
        view.setUint32(CHANGED_NAMESPACE_LIST.at(index), nsid, true);
      });
    }
    return bytes;
  }

  #ana(isGroupsOnly: boolean): Uint8Array {
    const { subsystem, controllerId } = this.#host;
    const nsids = subsystem
      .entries()
      .filter((entry) => entry.attached.has(controllerId))
      .map((entry) => entry.namespace.nsid);
    const listed = isGroupsOnly ? [] : nsids;
    const bytes = new Uint8Array(ANA_HEADER.sizeBytes + ANA_GROUP.sizeBytes + 4 * listed.length);
    const view = new DataView(bytes.buffer);
    const group = ANA_HEADER.sizeBytes;
    ANA_CHGCNT.setValue(view, subsystem.anaChangeCount);
    ANA_NAGD.setValue(view, 1);
    ANA_GROUP_AGID.setValue(view, ANA_GROUP_ID, group);
    ANA_GROUP_NNV.setValue(view, listed.length, group);
    ANA_GROUP_CHGCNT.setValue(view, subsystem.anaChangeCount, group);
    ANA_GROUP_STATE.ANAS.write(view, subsystem.anaState(controllerId), group);
    listed.forEach((nsid, index) => {
      view.setUint32(group + ANA_GROUP.sizeBytes + 4 * index, nsid, true);
    });
    return bytes;
  }

  #supportedPages(): Uint8Array {
    const bytes = new Uint8Array(SUPPORTED_LOG_PAGES.sizeBytes);
    const view = new DataView(bytes.buffer);
    const pages: number[] = [
      LOG_PAGE.SUPPORTED_LOG_PAGES,
      LOG_PAGE.ERROR_INFORMATION,
      LOG_PAGE.SMART_HEALTH,
      LOG_PAGE.FIRMWARE_SLOT,
      LOG_PAGE.CHANGED_ATTACHED_NAMESPACES,
      LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS,
      LOG_PAGE.DEVICE_SELF_TEST,
      LOG_PAGE.TELEMETRY_HOST,
      LOG_PAGE.TELEMETRY_CONTROLLER,
      LOG_PAGE.ENDURANCE_GROUP,
      LOG_PAGE.FEATURES_SUPPORTED_AND_EFFECTS,
      LOG_PAGE.SANITIZE_STATUS,
    ];
    if (this.#host.subsystem.hasAna) {
      pages.push(LOG_PAGE.ANA);
    }
    for (const page of pages) {
      SUPPORTED_LOG_PAGE.LSUPP.write(view, 1, SUPPORTED_LOG_PAGES.at(page));
    }
    return bytes;
  }

  #featureEffects(): Uint8Array {
    const bytes = new Uint8Array(FEATURE_EFFECTS_LOG.sizeBytes);
    const view = new DataView(bytes.buffer);
    for (const feature of this.#host.features.table.keys()) {
      FEATURE_EFFECTS.FSUPP.write(view, 1, FEATURE_EFFECTS_LOG.at(feature));
    }
    return bytes;
  }
}

/** A header that says that there are no data. */
function telemetry(logPage: number, oui: number): Uint8Array {
  const bytes = new Uint8Array(TELEMETRY_HEADER.sizeBytes);
  const view = new DataView(bytes.buffer);
  for (const register of TELEMETRY_HEADER.registers) {
    if (register.name === 'LID') {
      register.setValue(view, logPage);
    } else if (register.name === 'IEEE') {
      register.setValue(view, oui);
    }
  }
  return bytes;
}

/**
 * Admin commands as tasks: identify, features, log pages, namespaces, formats, queues, abort.
 *
 * Commands whose refusal leaves nothing to do throw; `submit` gives the status whatever it is. Follows NVM Express Base 2.1,
 * section 5, and NVM Command Set 1.1, section 4.1.
 */
import type { Task } from '../../access/index.ts';
import {
  ABORT_CDW10,
  ABORT_RESULT,
  ADMIN_OPCODE,
  CDW11,
  CNS,
  CONTROLLER_LIST_IDS,
  CONTROLLER_LIST_NUMID,
  CREATE_CQ_CDW11,
  CREATE_QUEUE_CDW10,
  CREATE_SQ_CDW11,
  DELETE_QUEUE_CDW10,
  FEATURE_SELECT,
  FORMAT_NVM_CDW10,
  GET_FEATURES_CDW10,
  GET_LOG_PAGE_CDW10,
  GET_LOG_PAGE_CDW11,
  GET_LOG_PAGE_CDW12,
  GET_LOG_PAGE_CDW13,
  GET_LOG_PAGE_CDW14,
  IDENTIFY_BYTES,
  IDENTIFY_CDW10,
  IDENTIFY_CDW11,
  NAMESPACE_ATTACHMENT_CDW10,
  NAMESPACE_ATTACHMENT_SELECT,
  NAMESPACE_MANAGEMENT_CDW10,
  NAMESPACE_MANAGEMENT_SELECT,
  NS_DPS,
  NS_FLBAS,
  NS_NCAP,
  NS_NMIC,
  NS_NSZE,
  NSID_BROADCAST,
  PRP1,
  SECURE_ERASE,
  SET_FEATURES_CDW10,
} from '../../spec/nvme/index.ts';
import { type CommandResult, checkResult } from './command-result.ts';
import { Command, type CommandRunner } from './command-runner.ts';
import { namespaceIds } from './identify.ts';
import type { QueuePair } from './queue-pair.ts';

/** A log page is read in pieces of at most this. */
const LOG_PIECE_BYTES = 4096;
/** A controller with more namespaces than this is believed up to here. */
const NAMESPACES_MAX = 65_536;

export interface LogPageOptions {
  readonly nsid?: number;
  /** Log Specific Parameter. */
  readonly parameter?: number;
  readonly specificId?: number;
  readonly offsetBytes?: number;
  /** Leave the event that the page belongs to unacknowledged. Default false. */
  readonly retainsEvent?: boolean;
}

export interface FeatureOptions {
  readonly nsid?: number;
  /** FEATURE_SELECT. Default the current value. */
  readonly select?: number;
  readonly cdw11?: number;
  /** What comes with the value, in both directions. */
  readonly data?: Uint8Array;
}

export interface SetFeatureOptions {
  readonly nsid?: number;
  readonly isSaved?: boolean;
  readonly cdw12?: number;
  readonly cdw13?: number;
  readonly cdw14?: number;
  readonly cdw15?: number;
  readonly data?: Uint8Array;
}

export interface FormatOptions {
  /** Protection information type, 0 to 3. */
  readonly protection?: number;
  readonly protectionFirst?: boolean;
  readonly extendedMetadata?: boolean;
  /** SECURE_ERASE. */
  readonly erase?: number;
}

export interface NewNamespace {
  readonly sizeBlocks: number;
  readonly capacityBlocks: number;
  readonly formatIndex: number;
  readonly protection?: number;
  readonly isShared?: boolean;
}

export class AdminCommands {
  readonly #runner: CommandRunner;
  readonly #queue: QueuePair;
  readonly #label: string;

  constructor(runner: CommandRunner, queue: QueuePair, label: string) {
    this.#runner = runner;
    this.#queue = queue;
    this.#label = label;
  }

  /**
   * Any command. The CID is the driver's; with `data` the data pointer is too, otherwise it goes out as it is.
   * @param data what the command takes, and where what it leaves is put
   */
  *submit(sqe: Uint8Array, data: Uint8Array | null = null): Task<CommandResult> {
    return data === null || data.length === 0
      ? yield* this.#runner.run(this.#queue, sqe, null)
      : yield* this.#runner.runWithBuffer(this.#queue, sqe, data);
  }

  /** As `submit`. @throws {NvmeError} NVME_COMMAND, or the error of its loss */
  *checked(command: Command, what: string, data: Uint8Array | null = null): Task<CommandResult> {
    return checkResult(yield* this.submit(command.bytes, data), this.#label, what);
  }

  /** @throws {NvmeError} as `checked` */
  *identify(cns: number, nsid = 0, commandSet = 0, specificId = 0): Task<Uint8Array> {
    const bytes = new Uint8Array(IDENTIFY_BYTES);
    yield* this.checked(identifyCommand(cns, nsid, commandSet, specificId), `Identify ${cns}`, bytes);
    return bytes;
  }

  /** As `identify`; null when the controller does not have it. @throws only for losses */
  *identifyIfThere(cns: number, nsid = 0, commandSet = 0): Task<Uint8Array | null> {
    const bytes = new Uint8Array(IDENTIFY_BYTES);
    const command = identifyCommand(cns, nsid, commandSet, 0);
    const result = yield* this.submit(command.bytes, bytes);
    if (result.loss === null && result.status !== 0) {
      return null;
    }
    checkResult(result, this.#label, `Identify ${cns}`);
    return bytes;
  }

  /** NSIDs that are attached to the controller, ascending. Without the list (before revision 1.1): all up to NN. */
  *activeNamespaces(namespaceIdMax: number): Task<number[]> {
    const ids: number[] = [];
    let after = 0;
    for (;;) {
      const bytes = yield* this.identifyIfThere(CNS.ACTIVE_NAMESPACE_LIST, after);
      if (bytes === null) {
        const count = Math.min(namespaceIdMax, 1024);
        return ids.length > 0 ? ids : Array.from({ length: count }, (_, i) => i + 1);
      }
      const page = namespaceIds(bytes, after);
      ids.push(...page);
      const last = page.at(-1);
      if (page.length < IDENTIFY_BYTES / 4 || last === undefined || ids.length >= NAMESPACES_MAX) {
        return ids;
      }
      after = last;
    }
  }

  /** @throws {NvmeError} as `checked` */
  *getLogPage(logPage: number, lengthBytes: number, options: LogPageOptions = {}): Task<Uint8Array> {
    const whole = new Uint8Array(lengthBytes);
    let done = 0;
    while (done < lengthBytes) {
      const piece = Math.min(LOG_PIECE_BYTES, lengthBytes - done);
      const isLast = done + piece === lengthBytes;
      // Reading with RAE 0 re-arms the event: only the last piece may.
      const command = logPageCommand(logPage, piece, done, options, !isLast);
      const bytes = new Uint8Array(Math.ceil(piece / 4) * 4);
      yield* this.checked(command, `Get Log Page ${logPage}`, bytes);
      whole.set(bytes.subarray(0, piece), done);
      done += piece;
    }
    return whole;
  }

  /** @returns the value (dword 0), with the data in `options.data`. @throws {NvmeError} as `checked` */
  *getFeature(feature: number, options: FeatureOptions = {}): Task<number> {
    const command = new Command(ADMIN_OPCODE.GET_FEATURES, options.nsid ?? 0);
    GET_FEATURES_CDW10.FID.write(command.view, feature);
    GET_FEATURES_CDW10.SEL.write(command.view, options.select ?? FEATURE_SELECT.CURRENT);
    CDW11.setValue(command.view, options.cdw11 ?? 0);
    const result = yield* this.checked(command, `Get Features ${feature}`, options.data ?? null);
    return result.dw0;
  }

  /** @returns dword 0 of the completion. @throws {NvmeError} as `checked` */
  *setFeature(feature: number, value: number, options: SetFeatureOptions = {}): Task<number> {
    const command = setFeatureCommand(feature, value, options);
    const result = yield* this.checked(command, `Set Features ${feature}`, options.data ?? null);
    return result.dw0;
  }

  /** As `setFeature`, without an opinion about a refusal. */
  *trySetFeature(feature: number, value: number, options: SetFeatureOptions = {}): Task<CommandResult> {
    return yield* this.submit(setFeatureCommand(feature, value, options).bytes, options.data ?? null);
  }

  /** Formats one namespace; its identity has changed afterwards. @throws {NvmeError} as `checked` */
  *format(nsid: number, formatIndex: number, options: FormatOptions = {}): Task<void> {
    const command = new Command(ADMIN_OPCODE.FORMAT_NVM, nsid);
    FORMAT_NVM_CDW10.LBAFL.write(command.view, formatIndex & 0xf);
    FORMAT_NVM_CDW10.LBAFU.write(command.view, formatIndex >>> 4);
    FORMAT_NVM_CDW10.MSET.write(command.view, options.extendedMetadata === true ? 1 : 0);
    FORMAT_NVM_CDW10.PI.write(command.view, options.protection ?? 0);
    FORMAT_NVM_CDW10.PIL.write(command.view, options.protectionFirst === true ? 1 : 0);
    FORMAT_NVM_CDW10.SES.write(command.view, options.erase ?? SECURE_ERASE.NONE);
    yield* this.checked(command, `Format NVM of namespace ${nsid}`);
  }

  /** @returns the new NSID; it is attached to nobody yet. @throws {NvmeError} as `checked` */
  *createNamespace(namespace: NewNamespace): Task<number> {
    const bytes = new Uint8Array(IDENTIFY_BYTES);
    const view = new DataView(bytes.buffer);
    NS_NSZE.setValue(view, namespace.sizeBlocks);
    NS_NCAP.setValue(view, namespace.capacityBlocks);
    NS_FLBAS.FIDXL.write(view, namespace.formatIndex & 0xf);
    NS_FLBAS.FIDXU.write(view, namespace.formatIndex >>> 4);
    NS_DPS.PIT.write(view, namespace.protection ?? 0);
    NS_NMIC.SHRNS.write(view, namespace.isShared === true ? 1 : 0);
    const command = new Command(ADMIN_OPCODE.NAMESPACE_MANAGEMENT);
    NAMESPACE_MANAGEMENT_CDW10.SEL.write(command.view, NAMESPACE_MANAGEMENT_SELECT.CREATE);
    const result = yield* this.checked(command, 'creating a namespace', bytes);
    return result.dw0;
  }

  /** @param nsid NSID_BROADCAST for all. @throws {NvmeError} as `checked` */
  *deleteNamespace(nsid: number): Task<void> {
    const command = new Command(ADMIN_OPCODE.NAMESPACE_MANAGEMENT, nsid);
    NAMESPACE_MANAGEMENT_CDW10.SEL.write(command.view, NAMESPACE_MANAGEMENT_SELECT.DELETE);
    yield* this.checked(
      command,
      nsid === NSID_BROADCAST ? 'deleting all namespaces' : `deleting namespace ${nsid}`,
    );
  }

  /** @throws {NvmeError} as `checked` */
  *attachNamespace(nsid: number, controllers: readonly number[]): Task<void> {
    yield* this.#attachment(nsid, controllers, NAMESPACE_ATTACHMENT_SELECT.ATTACH, 'attaching');
  }

  /** @throws {NvmeError} as `checked` */
  *detachNamespace(nsid: number, controllers: readonly number[]): Task<void> {
    yield* this.#attachment(nsid, controllers, NAMESPACE_ATTACHMENT_SELECT.DETACH, 'detaching');
  }

  /** Creates the completion queue, then the submission queue. */
  *createQueues(queue: QueuePair, vector: number | null, priority: number): Task<CommandResult> {
    const cq = new Command(ADMIN_OPCODE.CREATE_IO_CQ);
    PRP1.setValue(cq.view, queue.cqAddress);
    CREATE_QUEUE_CDW10.QID.write(cq.view, queue.id);
    CREATE_QUEUE_CDW10.QSIZE.write(cq.view, queue.entries - 1);
    CREATE_CQ_CDW11.PC.write(cq.view, 1);
    CREATE_CQ_CDW11.IEN.write(cq.view, vector === null ? 0 : 1);
    CREATE_CQ_CDW11.IV.write(cq.view, vector ?? 0);
    const first = yield* this.submit(cq.bytes);
    if (first.status !== 0) {
      return first;
    }
    const sq = new Command(ADMIN_OPCODE.CREATE_IO_SQ);
    PRP1.setValue(sq.view, queue.sqAddress);
    CREATE_QUEUE_CDW10.QID.write(sq.view, queue.id);
    CREATE_QUEUE_CDW10.QSIZE.write(sq.view, queue.entries - 1);
    CREATE_SQ_CDW11.PC.write(sq.view, 1);
    CREATE_SQ_CDW11.QPRIO.write(sq.view, priority);
    CREATE_SQ_CDW11.CQID.write(sq.view, queue.id);
    const second = yield* this.submit(sq.bytes);
    if (second.status !== 0 && second.loss === null) {
      const undo = new Command(ADMIN_OPCODE.DELETE_IO_CQ);
      DELETE_QUEUE_CDW10.QID.write(undo.view, queue.id);
      const undone = yield* this.submit(undo.bytes);
      // A loss tells of the whole controller, a refusal of this queue alone.
      return undone.loss === null ? second : undone;
    }
    return second;
  }

  /** @returns whether the controller says that the command was aborted; it completes all the same */
  *abort(queueId: number, cid: number): Task<boolean> {
    const command = new Command(ADMIN_OPCODE.ABORT);
    ABORT_CDW10.SQID.write(command.view, queueId);
    ABORT_CDW10.CID.write(command.view, cid);
    const result = yield* this.submit(command.bytes);
    return result.status === 0 && ABORT_RESULT.IANP.of(result.dw0) === 0;
  }

  *#attachment(nsid: number, controllers: readonly number[], select: number, what: string): Task<void> {
    const bytes = new Uint8Array(IDENTIFY_BYTES);
    const view = new DataView(bytes.buffer);
    CONTROLLER_LIST_NUMID.setValue(view, controllers.length);
    for (const [i, id] of controllers.entries()) {
      view.setUint16(CONTROLLER_LIST_IDS.at(i), id, true);
    }
    const command = new Command(ADMIN_OPCODE.NAMESPACE_ATTACHMENT, nsid);
    NAMESPACE_ATTACHMENT_CDW10.SEL.write(command.view, select);
    yield* this.checked(command, `${what} namespace ${nsid}`, bytes);
  }
}

function identifyCommand(cns: number, nsid: number, commandSet: number, specificId: number): Command {
  const command = new Command(ADMIN_OPCODE.IDENTIFY, nsid);
  IDENTIFY_CDW10.CNS.write(command.view, cns);
  IDENTIFY_CDW11.CSI.write(command.view, commandSet);
  IDENTIFY_CDW11.CNSSID.write(command.view, specificId);
  return command;
}

function setFeatureCommand(feature: number, value: number, options: SetFeatureOptions): Command {
  const command = new Command(ADMIN_OPCODE.SET_FEATURES, options.nsid ?? 0);
  const { view } = command;
  SET_FEATURES_CDW10.FID.write(view, feature);
  SET_FEATURES_CDW10.SV.write(view, options.isSaved === true ? 1 : 0);
  view.setUint32(44, value, true);
  view.setUint32(48, options.cdw12 ?? 0, true);
  view.setUint32(52, options.cdw13 ?? 0, true);
  view.setUint32(56, options.cdw14 ?? 0, true);
  view.setUint32(60, options.cdw15 ?? 0, true);
  return command;
}

function logPageCommand(
  logPage: number,
  pieceBytes: number,
  doneBytes: number,
  options: LogPageOptions,
  hasMore: boolean,
): Command {
  const command = new Command(ADMIN_OPCODE.GET_LOG_PAGE, options.nsid ?? NSID_BROADCAST);
  const { view } = command;
  const dwords = Math.ceil(pieceBytes / 4) - 1;
  const offset = (options.offsetBytes ?? 0) + doneBytes;
  GET_LOG_PAGE_CDW10.LID.write(view, logPage);
  GET_LOG_PAGE_CDW10.LSP.write(view, options.parameter ?? 0);
  GET_LOG_PAGE_CDW10.RAE.write(view, hasMore || options.retainsEvent === true ? 1 : 0);
  GET_LOG_PAGE_CDW10.NUMDL.write(view, dwords & 0xffff);
  GET_LOG_PAGE_CDW11.NUMDU.write(view, dwords >>> 16);
  GET_LOG_PAGE_CDW11.LSI.write(view, options.specificId ?? 0);
  GET_LOG_PAGE_CDW12.LPOL.write(view, offset >>> 0);
  GET_LOG_PAGE_CDW13.LPOU.write(view, Math.floor(offset / 0x1_0000_0000));
  GET_LOG_PAGE_CDW14.CSI.write(view, 0);
  return command;
}

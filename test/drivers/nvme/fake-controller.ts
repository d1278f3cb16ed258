/**
 * A scripted NVMe controller for tests of the driver: enough to be brought up and to read and write, with misbehaviour to
 * order. It is no model of a drive: it believes the host, and what it does wrong it does on purpose.
 */
import { Delivery, PENDING, type Status, sleep, startTask, type Task } from '../../../src/access/index.ts';
import { assert } from '../../../src/base/index.ts';
import {
  DMA_STATUS,
  type EndpointModel,
  type FunctionDescription,
  type FunctionPort,
  Memory,
  TRAFFIC,
  type Traffic,
} from '../../../src/fabric/index.ts';
import {
  ACQ,
  ADMIN_OPCODE,
  AQA,
  ASQ,
  CAP,
  CC,
  CDW0,
  CMBLOC,
  CMBMSC,
  CMBSTS,
  CMBSZ,
  CNS,
  CQE_BYTES,
  CQE_STATUS,
  CSTS,
  DOORBELLS_OFFSET,
  doorbellIndex,
  FEATURE,
  ID_AERL,
  ID_CQES,
  ID_MDTS,
  ID_NN,
  ID_OACS,
  ID_OCFS,
  ID_ONCS,
  ID_SGLS,
  ID_SN,
  ID_SQES,
  ID_VER,
  ID_VWC,
  IDENTIFY_BYTES,
  LBAF,
  NS_LBAF,
  NS_NCAP,
  NS_NGUID,
  NS_NSZE,
  NS_NUSE,
  NVM_OPCODE,
  NVME_STATUS,
  PSDT,
  SGL_TYPE,
  SQE_BYTES,
  STATUS_WORD_DNR,
  setAscii,
  statusWord,
  VS,
} from '../../../src/spec/nvme/index.ts';

/** What goes wrong with one command. */
export interface Misbehaviour {
  /** Never completes; an Abort ends it. `deaf`: not even that. */
  readonly drop?: boolean;
  readonly deaf?: boolean;
  /** Completes with this packed status, without doing anything. */
  readonly status?: number;
  readonly doNotRetry?: boolean;
  /** CRD, 0 to 3. */
  readonly retryDelay?: number;
  /** Completes so many times too often. */
  readonly extraCompletions?: number;
  /** An entry with another CID, SQ id or SQHD before the right one. */
  readonly wrongCid?: number;
  readonly wrongSqid?: number;
  readonly wrongSqhd?: number;
  /** No interrupt for this completion. */
  readonly silent?: boolean;
  /** CSTS.CFS, and nothing more is done until a reset. */
  readonly fatal?: boolean;
  readonly delayPs?: number;
}

export interface FakeNamespace {
  readonly nsid: number;
  readonly blocks: number;
  readonly blockShift: number;
  readonly media: Memory;
}

export interface FakeOptions {
  readonly namespaces?: readonly {
    readonly nsid: number;
    readonly blocks: number;
    readonly blockShift?: number;
  }[];
  readonly mqes?: number;
  readonly dstrd?: number;
  readonly mdts?: number;
  readonly queuesMax?: number;
  readonly sgl?: boolean;
  readonly volatileWriteCache?: boolean;
  readonly shadowDoorbells?: boolean;
  readonly cmbBytes?: number;
  /** CAP.CMBS. Default true. */
  readonly cmbControl?: boolean;
  readonly refusesCmbAddress?: boolean;
  readonly bar0Bytes?: number;
  /** Changes properties, by offset, whenever they are read. */
  readonly property?: (offset: number, value: number) => number;
  /** Changes what Identify returns. */
  readonly identify?: (cns: number, nsid: number, view: DataView) => void;
  /** Looks at every command before it is done. */
  readonly onCommand?: (queueId: number, sqe: DataView) => Misbehaviour | undefined;
  /** RDY never follows EN. */
  readonly neverReady?: boolean;
  /** RDY stays when EN is cleared, until a reset of the function. */
  readonly neverStops?: boolean;
  /** CFS when it is enabled. */
  readonly fatalAtStart?: boolean;
  readonly msixVectors?: number;
  readonly intx?: boolean;
  /** After a reset the media may be of another size: applied to NSZE when the controller starts again. */
  readonly blocksAfterReset?: number;
}

interface SubmissionQueue {
  readonly id: number;
  readonly base: number;
  readonly entries: number;
  readonly cqid: number;
  head: number;
  tail: number;
  isBusy: boolean;
}

interface CompletionQueue {
  readonly id: number;
  readonly base: number;
  readonly entries: number;
  readonly vector: number | null;
  tail: number;
  head: number;
  phase: number;
  /** Completions wait for their turn: entries and interrupts stay in order. */
  readonly waiting: (() => Task<void>)[];
  isBusy: boolean;
}

const CMB_BAR = 2;

export class FakeController implements EndpointModel {
  readonly name = 'fake';
  readonly description: FunctionDescription;
  readonly namespaces = new Map<number, FakeNamespace>();
  readonly cmb: Memory;
  /** What the driver did, for tests to look at. */
  readonly commands: { readonly queueId: number; readonly opcode: number; readonly nsid: number }[] = [];
  readonly doorbells = { sq: 0, cq: 0 };
  readonly propertyWrites: { readonly offset: number; readonly value: number }[] = [];
  readonly features = new Map<number, number>();
  enables = 0;
  cmbAddress = -1;
  readonly options: FakeOptions;

  #port: FunctionPort | undefined;
  readonly #registers = new DataView(new ArrayBuffer(DOORBELLS_OFFSET));
  readonly #sqs = new Map<number, SubmissionQueue>();
  readonly #cqs = new Map<number, CompletionQueue>();
  readonly #dma = new Map<number, Delivery<Status>>();
  readonly #dropped = new Map<string, () => void>();
  readonly #events: (() => number)[] = [];
  readonly #eventRequests: { readonly sq: SubmissionQueue; readonly cid: number }[] = [];
  #shadow: { readonly values: number; readonly events: number } | null = null;
  #nextToken = 1;
  #epoch = 0;
  #isGone = false;

  constructor(options: FakeOptions = {}) {
    this.options = options;
    for (const { nsid, blocks, blockShift } of options.namespaces ?? [{ nsid: 1, blocks: 4096 }]) {
      const shift = blockShift ?? 12;
      this.namespaces.set(nsid, {
        nsid,
        blocks,
        blockShift: shift,
        media: Memory.extents(Math.min(blocks, 2 ** 24) * 2 ** shift),
      });
    }
    this.cmb = Memory.flat(options.cmbBytes ?? 4096);
    this.description = {
      vendorId: 0x1234,
      deviceId: 0x5678,
      subsystemVendorId: 0,
      subsystemDeviceId: 0,
      revision: 0,
      classCode: 0x01_08_02,
      bars: [
        {
          index: 0,
          kind: 'memory',
          sizeBytes: options.bar0Bytes ?? 0x4000,
          is64Bit: true,
          isPrefetchable: false,
          regions: [{ kind: 'registers', offsetBytes: 0, lengthBytes: options.bar0Bytes ?? 0x4000 }],
        },
        {
          index: CMB_BAR,
          kind: 'memory',
          sizeBytes: 2 ** Math.ceil(Math.log2(Math.max(4096, options.cmbBytes ?? 4096))),
          is64Bit: true,
          isPrefetchable: true,
          regions: [
            {
              kind: 'memory',
              offsetBytes: 0,
              memory: this.cmb,
              memoryOffset: 0,
              lengthBytes: this.cmb.sizeBytes,
              isOpen: true,
            },
          ],
        },
      ],
      interruptPin: 1,
      msix:
        options.intx === true
          ? null
          : {
              vectorCount: options.msixVectors ?? 8,
              tableBar: 0,
              tableOffsetBytes: 0x3000,
              pendingBar: 0,
              pendingOffsetBytes: 0x3800,
            },
      msiVectorCount: 0,
      express: null,
      sriov: null,
      serialNumber: null,
    };
    this.#resetRegisters();
  }

  attach(port: FunctionPort): void {
    this.#port = port;
  }

  detach(): void {
    this.#isGone = true;
    this.#forget();
  }

  reset(): void {
    this.#forget();
    this.#resetRegisters();
  }

  onDma(token: number, status: Status): void {
    const delivery = this.#dma.get(token);
    this.#dma.delete(token);
    delivery?.deliver(status);
  }

  readRegister(_bar: number, offset: number, lengthBytes: number): number {
    if (offset >= DOORBELLS_OFFSET || lengthBytes !== 4) {
      return 0;
    }
    const value = this.#registers.getUint32(offset, true);
    return (this.options.property?.(offset, value) ?? value) >>> 0;
  }

  writeRegister(_bar: number, offset: number, _lengthBytes: number, value: number): void {
    if (offset >= DOORBELLS_OFFSET) {
      this.#doorbell(offset, value);
      return;
    }
    this.propertyWrites.push({ offset, value });
    if (offset === CC.offset) {
      this.#configure(value);
    } else if (offset === CMBMSC.offset || offset === CMBMSC.offset + 4) {
      this.#registers.setUint32(offset, value, true);
      if (offset === CMBMSC.offset) {
        this.#configureCmb(value);
      }
    } else if ([AQA.offset, ASQ.offset, ASQ.offset + 4, ACQ.offset, ACQ.offset + 4].includes(offset)) {
      this.#registers.setUint32(offset, value, true);
    }
  }

  /** The controller breaks, as if by itself. */
  breakDown(): void {
    CSTS.CFS.write(this.#registers, 1);
    this.#epoch++;
  }

  /** Reports an asynchronous event, now or when it is next asked for one. */
  report(dw0: number): void {
    this.reportMany(1, () => dw0);
  }

  reportMany(count: number, dw0: () => number): void {
    for (let i = 0; i < count; i++) {
      this.#events.push(dw0);
    }
    this.#sendEvents();
  }

  /** Writes any completion into a queue. */
  scribble(queueId: number, cid: number, sqid: number, sqhd: number): void {
    const cq = this.#cqs.get(queueId)!;
    this.#post(cq, () => this.#writeEntry(cq, cid, sqid, sqhd, 0, 0, true));
  }

  /** Fills a whole completion queue with entries of its present phase. */
  scribbleAll(queueId: number): void {
    const cq = this.#cqs.get(queueId)!;
    for (let i = 0; i < cq.entries; i++) {
      this.scribble(queueId, 0x7ff0 + i, queueId, 0);
    }
  }

  #resetRegisters(): void {
    const { options } = this;
    const view = this.#registers;
    new Uint8Array(view.buffer).fill(0);
    CAP.MQES.write(view, options.mqes ?? 1023);
    CAP.CQR.write(view, 1);
    CAP.TO.write(view, 4);
    CAP.DSTRD.write(view, options.dstrd ?? 0);
    CAP.CSS.write(view, 1);
    CAP.MPSMAX.write(view, 4);
    VS.setValue(view, 0x1_0400);
    if (options.cmbBytes !== undefined) {
      CAP.CMBS.write(view, options.cmbControl === false ? 0 : 1);
      if (options.cmbControl === false) {
        this.#showCmb();
      }
    }
    this.cmbAddress = -1;
  }

  #showCmb(): void {
    const view = this.#registers;
    CMBLOC.BIR.write(view, CMB_BAR);
    for (const field of [CMBSZ.SQS, CMBSZ.RDS, CMBSZ.WDS, CMBSZ.LISTS]) {
      field.write(view, 1);
    }
    CMBSZ.SZ.write(view, (this.options.cmbBytes ?? 0) / 4096);
  }

  #configureCmb(low: number): void {
    const view = this.#registers;
    CMBLOC.setValue(view, 0);
    CMBSZ.setValue(view, 0);
    this.cmbAddress = -1;
    if (this.options.cmbBytes === undefined || CMBMSC.CRE.of(low) === 0) {
      return;
    }
    this.#showCmb();
    if (CMBMSC.CMSE.of(low) === 1) {
      if (this.options.refusesCmbAddress === true) {
        CMBSTS.CBAI.write(view, 1);
        return;
      }
      this.cmbAddress = CMBMSC.CBA.read(view) * 4096;
    }
  }

  #configure(value: number): void {
    const view = this.#registers;
    const was = CC.EN.read(view);
    CC.setValue(view, value);
    if (CC.SHN.of(value) !== 0) {
      CSTS.SHST.write(view, 2);
    }
    if (was === 0 && CC.EN.of(value) === 1) {
      this.enables++;
      if (this.options.fatalAtStart === true) {
        CSTS.CFS.write(view, 1);
        return;
      }
      const entries = (kind: 'sq' | 'cq') => (kind === 'sq' ? AQA.ASQS : AQA.ACQS).read(view) + 1;
      this.#cqs.set(0, this.#completionQueue(0, ACQ.ACQB.read(view) * 4096, entries('cq'), 0));
      this.#sqs.set(0, this.#submissionQueue(0, ASQ.ASQB.read(view) * 4096, entries('sq'), 0));
      if (this.options.neverReady !== true) {
        CSTS.RDY.write(view, 1);
      }
    } else if (was === 1 && CC.EN.of(value) === 0 && this.options.neverStops !== true) {
      const cmb = [CMBLOC, CMBSZ].map((register) => register.value(view));
      const msc = [0, 4].map((offset) => view.getUint32(CMBMSC.offset + offset, true));
      this.#forget();
      this.#resetRegisters();
      // A controller reset leaves the CMB as it is.
      CMBLOC.setValue(view, cmb[0]!);
      CMBSZ.setValue(view, cmb[1]!);
      view.setUint32(CMBMSC.offset, msc[0]!, true);
      view.setUint32(CMBMSC.offset + 4, msc[1]!, true);
    }
  }

  #forget(): void {
    this.#epoch++;
    this.#sqs.clear();
    this.#cqs.clear();
    this.#dropped.clear();
    this.#eventRequests.length = 0;
    this.#shadow = null;
  }

  #submissionQueue(id: number, base: number, entries: number, cqid: number): SubmissionQueue {
    return { id, base, entries, cqid, head: 0, tail: 0, isBusy: false };
  }

  #completionQueue(id: number, base: number, entries: number, vector: number | null): CompletionQueue {
    return { id, base, entries, vector, tail: 0, head: 0, phase: 1, waiting: [], isBusy: false };
  }

  #doorbell(offset: number, value: number): void {
    const index = doorbellIndex(offset, CAP.DSTRD.read(this.#registers));
    const id = Math.floor(index / 2);
    if (index % 2 === 0) {
      this.doorbells.sq++;
      const sq = this.#sqs.get(id);
      if (sq !== undefined && value < sq.entries) {
        // With shadow doorbells the register only says that there is something to read.
        if (this.#shadow === null || id === 0) {
          sq.tail = value;
        }
        this.#fetch(sq);
      }
    } else {
      this.doorbells.cq++;
      const cq = this.#cqs.get(id);
      if (cq !== undefined) {
        cq.head = value;
        this.#level();
      }
    }
  }

  #run(task: Task<void>): void {
    const epoch = this.#epoch;
    startTask(
      task,
      () => {},
      (error) => {
        if (error !== STOP) {
          throw error;
        }
        assert(this.#epoch !== epoch || this.#isGone, 'a task of the fake was stopped for nothing');
      },
    );
  }

  #fetch(sq: SubmissionQueue): void {
    if (sq.isBusy) {
      return;
    }
    sq.isBusy = true;
    this.#run(this.#fetching(sq));
  }

  *#fetching(sq: SubmissionQueue): Task<void> {
    const epoch = this.#epoch;
    let isTold = false;
    for (;;) {
      const shadow = sq.id === 0 ? null : this.#shadow;
      if (shadow !== null) {
        const at = 2 * sq.id * (4 << CAP.DSTRD.read(this.#registers));
        const value = yield* this.#load(shadow.values + at, 4);
        this.#check(epoch);
        sq.tail = new DataView(value.buffer).getUint32(0, true);
        if (sq.head === sq.tail && !isTold) {
          // Ask to be told about the next entry, then look again: the host may just have missed the question.
          const word = new Uint8Array(4);
          new DataView(word.buffer).setUint32(0, sq.tail, true);
          yield* this.#store(shadow.events + at, word, TRAFFIC.CONTROL);
          this.#check(epoch);
          isTold = true;
          continue;
        }
      }
      if (sq.head === sq.tail) {
        break;
      }
      isTold = false;
      const count = Math.min(sq.tail > sq.head ? sq.tail - sq.head : sq.entries - sq.head, 16);
      const bytes = yield* this.#load(sq.base + sq.head * SQE_BYTES, count * SQE_BYTES);
      this.#check(epoch);
      sq.head = (sq.head + count) % sq.entries;
      for (let i = 0; i < count; i++) {
        const sqe = new DataView(bytes.buffer, i * SQE_BYTES, SQE_BYTES);
        this.#run(this.#execute(sq, sqe));
      }
    }
    sq.isBusy = false;
  }

  *#execute(sq: SubmissionQueue, sqe: DataView): Task<void> {
    const epoch = this.#epoch;
    const opcode = CDW0.OPC.read(sqe);
    const cid = CDW0.CID.read(sqe);
    this.commands.push({ queueId: sq.id, opcode, nsid: sqe.getUint32(4, true) });
    const how = this.options.onCommand?.(sq.id, sqe) ?? {};
    if (how.fatal === true) {
      this.breakDown();
      return;
    }
    if (how.delayPs !== undefined) {
      yield* sleep(this.#port!.executor, how.delayPs);
      this.#check(epoch);
    }
    if (how.drop === true) {
      if (how.deaf !== true) {
        this.#dropped.set(`${sq.id}/${cid}`, () =>
          this.#complete(sq, cid, { status: NVME_STATUS.ABORT_REQUESTED, dw0: 0 }, {}),
        );
      }
      return;
    }
    if (how.status !== undefined) {
      this.#complete(sq, cid, { status: how.status, dw0: 0 }, how);
      return;
    }
    const result = yield* sq.id === 0 ? this.#admin(sq, sqe) : this.#io(sqe);
    this.#check(epoch);
    if (result !== null) {
      this.#complete(sq, cid, result, how);
    }
  }

  #complete(
    sq: SubmissionQueue,
    cid: number,
    result: { readonly status: number; readonly dw0: number },
    how: Misbehaviour,
  ): void {
    const cq = this.#cqs.get(sq.cqid);
    if (cq === undefined) {
      return;
    }
    const send = (entryCid: number, sqid: number, sqhd: number, isSilent: boolean): void => {
      const word = statusWord(
        result.status,
        0,
        (how.doNotRetry === true ? STATUS_WORD_DNR : 0) | ((how.retryDelay ?? 0) << CQE_STATUS.CRD.low),
      );
      this.#post(cq, () => this.#writeEntry(cq, entryCid, sqid, sqhd, result.dw0, word, !isSilent));
    };
    if (how.wrongCid !== undefined) {
      send(how.wrongCid, sq.id, sq.head, true);
    }
    if (how.wrongSqid !== undefined) {
      send(cid, how.wrongSqid, sq.head, true);
    }
    send(cid, sq.id, how.wrongSqhd ?? sq.head, how.silent === true);
    for (let i = 0; i < (how.extraCompletions ?? 0); i++) {
      send(cid, sq.id, sq.head, false);
    }
  }

  /** Entries are written one after the other, each with its interrupt behind it. */
  #post(cq: CompletionQueue, entry: () => Task<void>): void {
    cq.waiting.push(entry);
    if (!cq.isBusy) {
      cq.isBusy = true;
      this.#run(this.#posting(cq));
    }
  }

  *#posting(cq: CompletionQueue): Task<void> {
    const epoch = this.#epoch;
    for (let next = cq.waiting.shift(); next !== undefined; next = cq.waiting.shift()) {
      yield* next();
      this.#check(epoch);
    }
    cq.isBusy = false;
  }

  *#writeEntry(
    cq: CompletionQueue,
    cid: number,
    sqid: number,
    sqhd: number,
    dw0: number,
    word: number,
    hasInterrupt: boolean,
  ): Task<void> {
    const epoch = this.#epoch;
    const bytes = new Uint8Array(CQE_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, dw0, true);
    view.setUint16(8, sqhd, true);
    view.setUint16(10, sqid, true);
    view.setUint16(12, cid, true);
    view.setUint16(14, word | cq.phase, true);
    const at = cq.base + cq.tail * CQE_BYTES;
    cq.tail++;
    if (cq.tail === cq.entries) {
      cq.tail = 0;
      cq.phase ^= 1;
    }
    yield* this.#store(at, bytes, TRAFFIC.CONTROL);
    this.#check(epoch);
    if (hasInterrupt && cq.vector !== null) {
      if (this.#port!.interruptMode === 'intx') {
        this.#level();
      } else {
        this.#port!.interrupt(cq.vector);
      }
    }
  }

  #level(): void {
    if (this.options.intx === true) {
      this.#port!.setIntx([...this.#cqs.values()].some((cq) => cq.head !== cq.tail && cq.vector !== null));
    }
  }

  *#admin(
    sq: SubmissionQueue,
    sqe: DataView,
  ): Task<{ readonly status: number; readonly dw0: number } | null> {
    const opcode = CDW0.OPC.read(sqe);
    const cdw10 = sqe.getUint32(40, true);
    const cdw11 = sqe.getUint32(44, true);
    const ok = { status: NVME_STATUS.SUCCESS, dw0: 0 };
    switch (opcode) {
      case ADMIN_OPCODE.IDENTIFY: {
        const page = this.#identify(cdw10 & 0xff, sqe.getUint32(4, true));
        if (page === null) {
          return { status: NVME_STATUS.INVALID_FIELD, dw0: 0 };
        }
        yield* this.#transfer(sqe, page, true);
        return ok;
      }
      case ADMIN_OPCODE.SET_FEATURES: {
        const feature = cdw10 & 0xff;
        this.features.set(feature, cdw11);
        if (feature === FEATURE.NUMBER_OF_QUEUES) {
          const max = (this.options.queuesMax ?? 16) - 1;
          return { status: 0, dw0: Math.min(cdw11 & 0xffff, max) | (Math.min(cdw11 >>> 16, max) << 16) };
        }
        return ok;
      }
      case ADMIN_OPCODE.GET_FEATURES:
        return { status: 0, dw0: this.features.get(cdw10 & 0xff) ?? 0 };
      case ADMIN_OPCODE.CREATE_IO_CQ: {
        const id = cdw10 & 0xffff;
        if (id === 0 || id > (this.options.queuesMax ?? 16)) {
          return { status: NVME_STATUS.INVALID_QUEUE_ID, dw0: 0 };
        }
        const vector = (cdw11 & 2) === 0 ? null : cdw11 >>> 16;
        this.#cqs.set(id, this.#completionQueue(id, address(sqe, 24), (cdw10 >>> 16) + 1, vector));
        return ok;
      }
      case ADMIN_OPCODE.CREATE_IO_SQ: {
        const id = cdw10 & 0xffff;
        this.#sqs.set(id, this.#submissionQueue(id, address(sqe, 24), (cdw10 >>> 16) + 1, cdw11 >>> 16));
        return ok;
      }
      case ADMIN_OPCODE.ABORT: {
        const key = `${cdw10 & 0xffff}/${cdw10 >>> 16}`;
        const finish = this.#dropped.get(key);
        this.#dropped.delete(key);
        finish?.();
        return { status: 0, dw0: finish === undefined ? 1 : 0 };
      }
      case ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST:
        this.#eventRequests.push({ sq, cid: CDW0.CID.read(sqe) });
        this.#sendEvents();
        return null;
      case ADMIN_OPCODE.GET_LOG_PAGE:
        yield* this.#transfer(sqe, new Uint8Array(((cdw10 >>> 16) + 1) * 4), true);
        return ok;
      case ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG:
        this.#shadow = { values: address(sqe, 24), events: address(sqe, 32) };
        return ok;
      default:
        return { status: NVME_STATUS.INVALID_OPCODE, dw0: 0 };
    }
  }

  #sendEvents(): void {
    while (this.#events.length > 0 && this.#eventRequests.length > 0) {
      const event = this.#events.shift()!;
      const { sq, cid } = this.#eventRequests.shift()!;
      this.#complete(sq, cid, { status: 0, dw0: event() }, {});
    }
  }

  #identify(cns: number, nsid: number): Uint8Array | null {
    const { options } = this;
    const bytes = new Uint8Array(IDENTIFY_BYTES);
    const view = new DataView(bytes.buffer);
    switch (cns) {
      case CNS.CONTROLLER:
        ID_SQES.setValue(view, 0x66);
        ID_CQES.setValue(view, 0x44);
        ID_MDTS.setValue(view, options.mdts ?? 5);
        ID_NN.setValue(view, 16);
        ID_VER.setValue(view, 0x1_0400);
        setAscii(ID_SN, view, 'FAKE0001');
        ID_AERL.setValue(view, 3);
        ID_VWC.VWCP.write(view, options.volatileWriteCache === true ? 1 : 0);
        ID_SGLS.SGLS.write(view, options.sgl === true ? 1 : 0);
        ID_OACS.DBCS.write(view, options.shadowDoorbells === true ? 1 : 0);
        ID_OCFS.setValue(view, 1);
        for (const field of [ID_ONCS.NVMCMPS, ID_ONCS.NVMWZSV, ID_ONCS.NVMDSMSV, ID_ONCS.NVMVFYS]) {
          field.write(view, 1);
        }
        break;
      case CNS.NAMESPACE: {
        const namespace = this.namespaces.get(nsid);
        if (namespace === undefined) {
          break;
        }
        const blocks = this.enables > 1 ? (options.blocksAfterReset ?? namespace.blocks) : namespace.blocks;
        NS_NSZE.setValue(view, blocks);
        NS_NCAP.setValue(view, blocks);
        NS_NUSE.setValue(view, blocks);
        LBAF.LBADS.write(view, namespace.blockShift, NS_LBAF.at(0));
        bytes[NS_NGUID.offset] = nsid;
        break;
      }
      case CNS.ACTIVE_NAMESPACE_LIST: {
        const ids = [...this.namespaces.keys()].filter((id) => id > nsid).sort((a, b) => a - b);
        for (const [i, id] of ids.entries()) {
          view.setUint32(4 * i, id, true);
        }
        break;
      }
      default:
        return null;
    }
    options.identify?.(cns, nsid, view);
    return bytes;
  }

  *#io(sqe: DataView): Task<{ readonly status: number; readonly dw0: number }> {
    const fail = (status: number) => ({ status, dw0: 0 });
    const opcode = CDW0.OPC.read(sqe);
    const namespace = this.namespaces.get(sqe.getUint32(4, true));
    if (namespace === undefined) {
      return fail(NVME_STATUS.INVALID_NAMESPACE);
    }
    if (opcode === NVM_OPCODE.FLUSH) {
      return fail(NVME_STATUS.SUCCESS);
    }
    const block = 2 ** namespace.blockShift;
    const start = address(sqe, 40) * block;
    const length = ((sqe.getUint32(48, true) & 0xffff) + 1) * block;
    if (start + length > namespace.blocks * block) {
      return fail(NVME_STATUS.LBA_OUT_OF_RANGE);
    }
    switch (opcode) {
      case NVM_OPCODE.READ: {
        const bytes = new Uint8Array(length);
        namespace.media.read(start, bytes, 0, length);
        return fail(yield* this.#transfer(sqe, bytes, true));
      }
      case NVM_OPCODE.WRITE: {
        const bytes = new Uint8Array(length);
        const status = yield* this.#transfer(sqe, bytes, false);
        if (status === NVME_STATUS.SUCCESS) {
          namespace.media.write(start, bytes, 0, length);
        }
        return fail(status);
      }
      case NVM_OPCODE.COMPARE: {
        const bytes = new Uint8Array(length);
        const status = yield* this.#transfer(sqe, bytes, false);
        const there = new Uint8Array(length);
        namespace.media.read(start, there, 0, length);
        const isSame = there.every((byte, i) => byte === bytes[i]);
        return fail(isSame ? status : NVME_STATUS.COMPARE_FAILURE);
      }
      case NVM_OPCODE.WRITE_ZEROES:
        namespace.media.fill(start, length, 0);
        return fail(NVME_STATUS.SUCCESS);
      case NVM_OPCODE.VERIFY:
        return fail(NVME_STATUS.SUCCESS);
      case NVM_OPCODE.DATASET_MANAGEMENT: {
        const ranges = new Uint8Array(((sqe.getUint32(40, true) & 0xff) + 1) * 16);
        yield* this.#transfer(sqe, ranges, false);
        const view = new DataView(ranges.buffer);
        for (let at = 0; at < ranges.length; at += 16) {
          namespace.media.fill(address(view, at + 8) * block, view.getUint32(at + 4, true) * block, 0);
        }
        return fail(NVME_STATUS.SUCCESS);
      }
      default:
        return fail(NVME_STATUS.INVALID_OPCODE);
    }
  }

  /** Moves the data of a command by its data pointer. @returns packed status */
  *#transfer(sqe: DataView, bytes: Uint8Array, isToHost: boolean): Task<number> {
    const epoch = this.#epoch;
    const runs =
      CDW0.PSDT.read(sqe) === PSDT.PRP
        ? yield* this.#prpRuns(sqe, bytes.length)
        : yield* this.#sglRuns(sqe, bytes.length);
    let done = 0;
    for (const [start, length] of runs) {
      this.#check(epoch);
      if (isToHost) {
        yield* this.#store(start, bytes.subarray(done, done + length), TRAFFIC.DATA);
      } else {
        const piece = yield* this.#load(start, length, TRAFFIC.DATA);
        bytes.set(piece, done);
      }
      done += length;
    }
    this.#check(epoch);
    return done === bytes.length ? NVME_STATUS.SUCCESS : NVME_STATUS.DATA_SGL_LENGTH_INVALID;
  }

  *#prpRuns(sqe: DataView, length: number): Task<[number, number][]> {
    const page = 4096 << CC.MPS.read(this.#registers);
    const first = address(sqe, 24);
    const runs: [number, number][] = [[first, Math.min(length, page - (first % page))]];
    let left = length - runs[0]![1];
    if (left > 0 && left <= page) {
      const second = address(sqe, 32);
      assert(second % page === 0, 'PRP2 is not a page', { second });
      runs.push([second, left]);
      return runs;
    }
    let list = address(sqe, 32);
    while (left > 0) {
      assert(list % 8 === 0, 'a PRP list is not aligned', { list });
      const room = Math.floor((page - (list % page)) / 8);
      const due = Math.ceil(left / page);
      const count = Math.min(room, due);
      const entries = yield* this.#load(list, count * 8);
      const view = new DataView(entries.buffer);
      for (let i = 0; i < count; i++) {
        const entry = address(view, 8 * i);
        if (i === room - 1 && due > room) {
          list = entry;
          break;
        }
        assert(entry % page === 0, 'an entry of a PRP list is not a page', { entry });
        runs.push([entry, Math.min(left, page)]);
        left -= Math.min(left, page);
      }
    }
    return runs;
  }

  *#sglRuns(sqe: DataView, length: number): Task<[number, number][]> {
    const runs: [number, number][] = [];
    let descriptors = new Uint8Array(sqe.buffer.slice(sqe.byteOffset + 24, sqe.byteOffset + 40));
    let total = 0;
    for (let hops = 0; hops < 1000; hops++) {
      const view = new DataView(descriptors.buffer);
      let next: [number, number] | undefined;
      for (let at = 0; at < descriptors.length; at += 16) {
        const type = descriptors[at + 15]! >>> 4;
        const start = address(view, at);
        const bytes = view.getUint32(at + 8, true);
        if (type === SGL_TYPE.DATA_BLOCK) {
          runs.push([start, bytes]);
          total += bytes;
        } else {
          assert(at === descriptors.length - 16, 'a segment descriptor is not the last', { at });
          assert(bytes % 16 === 0 && bytes > 0, 'a segment is no whole descriptors', { bytes });
          next = [start, bytes];
        }
      }
      if (next === undefined) {
        break;
      }
      descriptors = (yield* this.#load(next[0], next[1])) as Uint8Array<ArrayBuffer>;
    }
    assert(total === length, 'an SGL describes other than the data', { total, length });
    return runs;
  }

  *#load(addr: number, length: number, traffic: Traffic = TRAFFIC.CONTROL): Task<Uint8Array> {
    const memory = Memory.flat(length);
    // What the controller recognises as its own memory never goes to the bus.
    if (
      this.cmbAddress >= 0 &&
      addr >= this.cmbAddress &&
      addr + length <= this.cmbAddress + this.cmb.sizeBytes
    ) {
      this.cmb.read(addr - this.cmbAddress, memory.flat!, 0, length);
      return memory.flat!;
    }
    const status = yield* this.#request((token) =>
      this.#port!.dmaRead(addr, memory, 0, length, traffic, token),
    );
    assert(status === 0 || status === DMA_STATUS.DISABLED, 'the fake read from nowhere', {
      addr,
      length,
      status,
    });
    return memory.flat!;
  }

  *#store(addr: number, bytes: Uint8Array, traffic: Traffic): Task<void> {
    if (
      this.cmbAddress >= 0 &&
      addr >= this.cmbAddress &&
      addr + bytes.length <= this.cmbAddress + this.cmb.sizeBytes
    ) {
      this.cmb.write(addr - this.cmbAddress, bytes, 0, bytes.length);
      return;
    }
    const memory = Memory.over(bytes.slice());
    yield* this.#request((token) => this.#port!.dmaWrite(addr, memory, 0, bytes.length, traffic, token));
  }

  *#request(start: (token: number) => Status): Task<Status> {
    const token = this.#nextToken++;
    const delivery = new Delivery<Status>();
    this.#dma.set(token, delivery);
    const status = start(token);
    if (status !== PENDING) {
      this.#dma.delete(token);
      return status;
    }
    return yield* delivery.wait();
  }

  /** Nothing goes on over a reset. */
  #check(epoch: number): void {
    if (this.#epoch !== epoch) {
      throw STOP;
    }
  }
}

const STOP = new Error('reset');

function address(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

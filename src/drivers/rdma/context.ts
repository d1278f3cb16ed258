/**
 * The verbs of one RDMA NIC: everything that is made, changed and destroyed. What is fast (posting, polling) is with the queues.
 *
 * Verbs that talk to the NIC are tasks. What is made belongs to the caller, who destroys it in the opposite order.
 */
import {
  type BarWindow,
  type DmaMapping,
  type DmaSegment,
  type PciFunction,
  read32,
  type Span,
  type Task,
} from '../../access/index.ts';
import {
  CMD_ADDR_HIGH,
  CMD_ADDR_LOW,
  CMD_PD,
  CMD_SIZES,
  CQ_ENTRY_BYTES,
  CREATE_MR,
  CREATE_QP,
  INLINE_BYTES_MAX,
  mtuBytes,
  QP_STATE,
  QP_TYPE,
  type QpStateName,
  QUERY_QP,
  RECEIVE_ENTRY_BYTES,
  RNIC_CAP,
  RNIC_DOORBELLS_END,
  RNIC_EVENT_TYPE,
  RNIC_GID_0,
  RNIC_MAC_HIGH,
  RNIC_MAC_LOW,
  RNIC_PORT,
  RNIC_TABLE_ENTRIES_MAX,
  RNIC_TABLE_ENTRY_BYTES,
  receiveDoorbell,
  SEND_ENTRY_BYTES,
  SGE_COUNT_MAX,
  SRQ_LIMIT,
  sendDoorbell,
  sharedReceiveDoorbell,
} from '../../spec/rdma/index.ts';
import { CommandChannel } from './command-channel.ts';
import { CompletionQueue } from './completion-queue.ts';
import { accessBits, MemoryRegion, MemoryWindow, ProtectionDomain } from './memory.ts';
import { writeAttributes } from './modify.ts';
import { NumberPool } from './number-pool.ts';
import { PostRing } from './post-ring.ts';
import { QueuePair } from './queue-pair.ts';
import { RdmaError } from './rdma-error.ts';
import { SharedReceiveQueue } from './shared-receive-queue.ts';
import type { AccessFlags, AsyncEvent, DeviceAttributes, QpAttr, QpInitAttr } from './types.ts';

export interface RdmaOptions {
  /** For messages; default the address of the function. */
  readonly label?: string;
  /** Maps a whole span of peer memory, as `p2pdma` does it. Without one, spans of peers are refused. */
  readonly mapPeer?: (span: Span, client: PciFunction) => DmaMapping;
}

const EVENT_NAMES = Object.fromEntries(
  Object.entries(RNIC_EVENT_TYPE).map(([name, value]) => [value, name]),
) as Readonly<Record<number, AsyncEvent['type']>>;

const STATE_NAMES = Object.fromEntries(
  Object.entries(QP_STATE).map(([name, value]) => [value, name]),
) as Readonly<Record<number, QpStateName>>;

/** Regions and windows at once; keys are an index and 8 bits that tell one use of it from the next. */
const KEYS = 2 ** 20;
/** InfiniBand keeps 0 and 1 for management. */
const FIRST_QPN = 2;

export class RdmaContext {
  readonly label: string;
  readonly fn: PciFunction;
  readonly attributes: DeviceAttributes;
  /** Something happened to a queue or the port. Called from the executor. */
  onAsyncEvent: (event: AsyncEvent) => void = () => {};
  readonly #registers: BarWindow;
  readonly #channel: CommandChannel;
  readonly #mapPeer: RdmaOptions['mapPeer'];
  readonly #pds = new NumberPool(1, 0x1_0000);
  readonly #cqns: NumberPool;
  readonly #srqns: NumberPool;
  readonly #qpns: NumberPool;
  readonly #keys = new NumberPool(1, KEYS);
  readonly #variants = new Map<number, number>();
  readonly #qps = new Map<number, QueuePair>();
  readonly #cqs = new Map<number, CompletionQueue>();

  private constructor(
    fn: PciFunction,
    label: string,
    registers: BarWindow,
    channel: CommandChannel,
    attributes: DeviceAttributes,
    mapPeer: RdmaOptions['mapPeer'],
  ) {
    this.fn = fn;
    this.label = label;
    this.attributes = attributes;
    this.#registers = registers;
    this.#channel = channel;
    this.#mapPeer = mapPeer;
    this.#cqns = new NumberPool(0, attributes.maxCq);
    this.#srqns = new NumberPool(0, attributes.maxSrq);
    this.#qpns = new NumberPool(FIRST_QPN, attributes.maxQp);
    channel.onEventEntry = (type, number) => this.#onEvent(type, number);
  }

  /** Brings the NIC up. @throws {RdmaError} RDMA_START */
  static *open(fn: PciFunction, options: RdmaOptions = {}): Task<RdmaContext> {
    const label = options.label ?? String(fn.bdf);
    fn.enable({ memory: true, busMaster: true });
    fn.dma.setAddressBits(64);
    const registers = fn.bar(0);
    const cap = registers === undefined ? 0xffff_ffff : yield* read32(registers, RNIC_CAP.offset);
    if (
      registers === undefined ||
      registers.lengthBytes < RNIC_DOORBELLS_END ||
      cap === 0xffff_ffff ||
      RNIC_CAP.VERSION.of(cap) !== 1
    ) {
      throw new RdmaError('RDMA_START', {
        message: `${label}: no RDMA NIC answers here`,
        detail: { cap },
        hint: 'is it an `rnic` of the lab, and is BAR 0 assigned?',
        exitStatus: 3,
      });
    }
    const port = yield* read32(registers, RNIC_PORT.offset);
    const macHigh = yield* read32(registers, RNIC_MAC_HIGH.offset);
    const macLow = yield* read32(registers, RNIC_MAC_LOW.offset);
    const gid: [number, number, number, number] = [0, 0, 0, 0];
    for (let i = 0; i < 4; i++) {
      gid[i] = yield* read32(registers, RNIC_GID_0.offset + 4 * i);
    }
    const channel = yield* CommandChannel.start(fn, registers, label);
    const entries = 2 ** RNIC_CAP.ENTRIES.of(cap);
    const attributes: DeviceAttributes = {
      mac: { high: macHigh, low: macLow },
      gid,
      isLinkUp: RNIC_PORT.LINK.of(port) === 1,
      maxQp: 2 ** RNIC_CAP.QPS.of(cap),
      maxCq: 2 ** RNIC_CAP.CQS.of(cap),
      maxSrq: 2 ** RNIC_CAP.SRQS.of(cap),
      maxQpWr: entries,
      maxCqe: entries,
      maxSge: SGE_COUNT_MAX,
      maxInlineData: INLINE_BYTES_MAX,
      maxQpRdAtom: 2 ** RNIC_CAP.READS.of(cap),
      activeMtu: mtuBytes(RNIC_PORT.MTU.of(port)),
    };
    return new RdmaContext(fn, label, registers, channel, attributes, options.mapPeer);
  }

  queryDevice(): DeviceAttributes {
    return this.attributes;
  }

  /** The function was taken away; every verb fails from then on. */
  set onGone(handler: () => void) {
    this.#channel.onGone = handler;
  }

  /** @throws {RdmaError} RDMA_LIMIT */
  allocPd(): ProtectionDomain {
    return new ProtectionDomain(this.#take(this.#pds, 'protection domains'));
  }

  /** @throws {RdmaError} RDMA_BUSY */
  deallocPd(pd: ProtectionDomain): void {
    if (pd.users > 0) {
      throw new RdmaError('RDMA_BUSY', {
        message: `${this.label}: a protection domain with ${pd.users} queues or regions in it`,
        detail: { users: pd.users },
        hint: 'destroy them first',
        exitStatus: 3,
      });
    }
    this.#pds.give(pd.handle);
  }

  /**
   * Registers memory: a range of a span, host or peer. The span stays the caller's and must outlive the region.
   * @returns a region whose `addr` is the first bus address
   * @throws {RdmaError} RDMA_LIMIT, RDMA_NO_MAPPER, RDMA_RANGE, those of commands; {MappingError} when it may not be reached
   */
  *regMr(
    pd: ProtectionDomain,
    span: Span,
    access: AccessFlags,
    offsetBytes = 0,
    lengthBytes = span.lengthBytes - offsetBytes,
  ): Task<MemoryRegion> {
    if (!(offsetBytes >= 0 && lengthBytes > 0 && offsetBytes + lengthBytes <= span.lengthBytes)) {
      throw new RdmaError('RDMA_RANGE', {
        message: `${this.label}: bytes ${offsetBytes} to ${offsetBytes + lengthBytes} of a span of ${span.lengthBytes}`,
        detail: { offsetBytes, lengthBytes, spanBytes: span.lengthBytes },
        hint: 'a region is a part of its span, and not empty',
        exitStatus: 3,
      });
    }
    if (span.kind === 'host') {
      return yield* this.regMapping(pd, this.fn.dma.mapHost(span, offsetBytes, lengthBytes), access);
    }
    if (this.#mapPeer === undefined) {
      throw new RdmaError('RDMA_NO_MAPPER', {
        message: `${this.label}: peer memory, and nobody to map it`,
        hint: 'open the NIC with `mapPeer`',
        exitStatus: 3,
      });
    }
    const mapping = this.#mapPeer(span, this.fn);
    return yield* this.regMapping(pd, partOf(mapping, offsetBytes, lengthBytes), access);
  }

  /** Registers what was mapped for this NIC by somebody else: registered peer memory, a DMA-BUF. Takes the mapping over. */
  *regMapping(pd: ProtectionDomain, mapping: DmaMapping, access: AccessFlags): Task<MemoryRegion> {
    const { segments } = mapping;
    const lengthBytes = segments.reduce((sum, segment) => sum + segment.lengthBytes, 0);
    try {
      if (segments.length === 0 || segments.length > RNIC_TABLE_ENTRIES_MAX) {
        throw new RdmaError('RDMA_LIMIT', {
          message: `${this.label}: a region of ${segments.length} pieces; 1 to ${RNIC_TABLE_ENTRIES_MAX} fit`,
          detail: { pieces: segments.length },
          hint: 'register it in parts',
          exitStatus: 3,
        });
      }
      const key = this.#newKey();
      const table = this.fn.dma.allocCoherent(segments.length * RNIC_TABLE_ENTRY_BYTES);
      const addr: number = segments[0]!.addr;
      try {
        segments.forEach((segment, i) => {
          const at = i * RNIC_TABLE_ENTRY_BYTES;
          setWide(table.view, at, segment.addr);
          setWide(table.view, at + 8, segment.lengthBytes);
        });
        yield* this.#channel.run('CREATE_MR', key, (view, base) => {
          setRing(view, base, table.addr);
          CMD_PD.setValue(view, pd.handle, base);
          CREATE_MR.ACCESS.setValue(view, accessBits(access), base);
          setWide(view, base + CREATE_MR.VA_LOW.offset, addr);
          setWide(view, base + CREATE_MR.LENGTH_LOW.offset, lengthBytes);
          CREATE_MR.COUNT.setValue(view, segments.length, base);
        });
      } catch (error) {
        this.#keys.give(key >>> 8);
        throw error;
      } finally {
        table.free();
      }
      pd.users++;
      return new MemoryRegion(pd, addr, lengthBytes, key, mapping);
    } catch (error) {
      mapping.unmap();
      throw error;
    }
  }

  /** Requests that name it afterwards fail. @throws {RdmaError} RDMA_COMMAND when a window is bound to it */
  *deregMr(region: MemoryRegion): Task<void> {
    yield* this.#channel.run('DESTROY_MR', region.lkey);
    this.#keys.give(region.lkey >>> 8);
    region.isValid = false;
    region.pd.users--;
    region.mapping.unmap();
  }

  /** A window of type 2, bound to nothing yet. */
  *allocMw(pd: ProtectionDomain): Task<MemoryWindow> {
    const key = this.#newKey();
    yield* this.#channel.run('CREATE_MW', key, (view, base) => CMD_PD.setValue(view, pd.handle, base));
    pd.users++;
    return new MemoryWindow(pd, key);
  }

  *deallocMw(window: MemoryWindow): Task<void> {
    yield* this.#channel.run('DESTROY_MW', window.rkey);
    this.#keys.give(window.rkey >>> 8);
    window.pd.users--;
  }

  /** @param cqe  at least so many entries */
  *createCq(cqe: number): Task<CompletionQueue> {
    const log = this.#logOf(cqe);
    const cqn = this.#take(this.#cqns, 'completion queues');
    const memory = this.fn.dma.allocCoherent(2 ** log * CQ_ENTRY_BYTES);
    yield* this.#channel.run('CREATE_CQ', cqn, (view, base) => {
      setRing(view, base, memory.addr);
      CMD_SIZES.FIRST.write(view, log, base);
    });
    const cq = new CompletionQueue(cqn, 2 ** log, memory, this.#registers, this.#qps);
    this.#cqs.set(cqn, cq);
    return cq;
  }

  *destroyCq(cq: CompletionQueue): Task<void> {
    yield* this.#channel.run('DESTROY_CQ', cq.cqn);
    this.#cqs.delete(cq.cqn);
    this.#cqns.give(cq.cqn);
    cq.memory.free();
  }

  /** @param limit  an event once fewer entries are left; 0 is none */
  *createSrq(pd: ProtectionDomain, maxWr: number, limit = 0): Task<SharedReceiveQueue> {
    const log = this.#logOf(maxWr);
    const srqn = this.#take(this.#srqns, 'shared receive queues');
    const memory = this.fn.dma.allocCoherent(2 ** log * RECEIVE_ENTRY_BYTES);
    yield* this.#channel.run('CREATE_SRQ', srqn, (view, base) => {
      setRing(view, base, memory.addr);
      CMD_SIZES.FIRST.write(view, log, base);
      CMD_PD.setValue(view, pd.handle, base);
      SRQ_LIMIT.setValue(view, limit, base);
    });
    pd.users++;
    const doorbell = sharedReceiveDoorbell(srqn);
    return new SharedReceiveQueue(
      srqn,
      pd,
      new PostRing(2 ** log, RECEIVE_ENTRY_BYTES, memory, this.#registers, doorbell),
    );
  }

  /** Arms the limit again: it fires once. */
  *modifySrq(srq: SharedReceiveQueue, limit: number): Task<void> {
    yield* this.#channel.run('MODIFY_SRQ', srq.srqn, (view, base) => SRQ_LIMIT.setValue(view, limit, base));
  }

  *destroySrq(srq: SharedReceiveQueue): Task<void> {
    yield* this.#channel.run('DESTROY_SRQ', srq.srqn);
    this.#srqns.give(srq.srqn);
    srq.pd.users--;
    srq.ring.memory.free();
  }

  *createQp(attributes: QpInitAttr): Task<QueuePair> {
    const sendLog = this.#logOf(attributes.maxSendWr ?? 64);
    const receiveLog = this.#logOf(attributes.srq === undefined ? (attributes.maxRecvWr ?? 64) : 1);
    const qpn = this.#take(this.#qpns, 'queue pairs');
    const send = this.fn.dma.allocCoherent(2 ** sendLog * SEND_ENTRY_BYTES);
    const receive = this.fn.dma.allocCoherent(2 ** receiveLog * RECEIVE_ENTRY_BYTES);
    const { pd, sendCq, recvCq, srq } = attributes;
    yield* this.#channel.run('CREATE_QP', qpn, (view, base) => {
      setRing(view, base, send.addr);
      CMD_SIZES.FIRST.write(view, sendLog, base);
      CMD_SIZES.SECOND.write(view, receiveLog, base);
      CMD_PD.setValue(view, pd.handle, base);
      setWide(view, base + CREATE_QP.RECEIVE_LOW.offset, receive.addr);
      CREATE_QP.SEND_CQ.setValue(view, sendCq.cqn, base);
      CREATE_QP.RECEIVE_CQ.setValue(view, recvCq.cqn, base);
      CREATE_QP.SRQ.setValue(view, srq?.srqn ?? 0xffff_ffff, base);
      CREATE_QP.TYPE.setValue(view, QP_TYPE[attributes.qpType], base);
      CREATE_QP.ALL_SIGNALED.setValue(view, attributes.sqSigAll === true ? 1 : 0, base);
    });
    pd.users++;
    const registers = this.#registers;
    const qp = new QueuePair(
      qpn,
      attributes,
      new PostRing(2 ** sendLog, SEND_ENTRY_BYTES, send, registers, sendDoorbell(qpn)),
      new PostRing(2 ** receiveLog, RECEIVE_ENTRY_BYTES, receive, registers, receiveDoorbell(qpn)),
    );
    this.#qps.set(qpn, qp);
    return qp;
  }

  /** @throws {RdmaError} RDMA_COMMAND for a change that is none, or one that lacks an attribute */
  *modifyQp(qp: QueuePair, attributes: QpAttr): Task<void> {
    yield* this.#channel.run('MODIFY_QP', qp.qpNum, (view, base) =>
      writeAttributes(view, base, attributes, qp.qpNum),
    );
    if (attributes.qpState === 'RESET') {
      qp.sendRing.reset();
      qp.receiveRing.reset();
    }
  }

  *queryQp(
    qp: QueuePair,
  ): Task<{ readonly qpState: QpStateName; readonly sqPsn: number; readonly rqPsn: number }> {
    const view = yield* this.#channel.run('QUERY_QP', qp.qpNum);
    return {
      qpState: STATE_NAMES[QUERY_QP.STATE.value(view)]!,
      sqPsn: QUERY_QP.SQ_PSN.value(view),
      rqPsn: QUERY_QP.RQ_PSN.value(view),
    };
  }

  *destroyQp(qp: QueuePair): Task<void> {
    yield* this.#channel.run('DESTROY_QP', qp.qpNum);
    this.#qps.delete(qp.qpNum);
    this.#qpns.give(qp.qpNum);
    qp.attributes.pd.users--;
    qp.sendRing.memory.free();
    qp.receiveRing.memory.free();
  }

  /** Switches the NIC off; nothing that was made works any more. Idempotent. */
  close(): void {
    this.#channel.close();
  }

  #onEvent(type: number, number: number): void {
    if (type === RNIC_EVENT_TYPE.COMPLETION) {
      this.#cqs.get(number)?.onCompletion();
      return;
    }
    const name = EVENT_NAMES[type];
    if (name !== undefined) {
      this.onAsyncEvent({ type: name, number });
    }
  }

  #newKey(): number {
    const index = this.#take(this.#keys, 'regions');
    const variant = ((this.#variants.get(index) ?? 0) + 1) % 256;
    this.#variants.set(index, variant);
    return index * 256 + variant;
  }

  #take(pool: NumberPool, what: string): number {
    const number = pool.take();
    if (number === undefined) {
      throw new RdmaError('RDMA_LIMIT', {
        message: `${this.label}: no more ${what}`,
        detail: { what },
        hint: 'destroy some that are not needed',
        exitStatus: 3,
      });
    }
    return number;
  }

  #logOf(entries: number): number {
    let log = 0;
    while (2 ** log < entries) {
      log++;
    }
    if (!(entries >= 1) || 2 ** log > this.attributes.maxQpWr) {
      throw new RdmaError('RDMA_LIMIT', {
        message: `${this.label}: a queue of ${entries} entries`,
        detail: { entries, max: this.attributes.maxQpWr },
        hint: `1 to ${this.attributes.maxQpWr}`,
        exitStatus: 3,
      });
    }
    return log;
  }
}

function setWide(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function setRing(view: DataView, base: number, address: number): void {
  CMD_ADDR_LOW.setValue(view, address % 2 ** 32, base);
  CMD_ADDR_HIGH.setValue(view, Math.floor(address / 2 ** 32), base);
}

/** A range of a mapping that covers a whole span. */
function partOf(mapping: DmaMapping, offsetBytes: number, lengthBytes: number): DmaMapping {
  const segments: DmaSegment[] = [];
  let start = 0;
  for (const segment of mapping.segments) {
    const from = Math.max(offsetBytes, start);
    const to = Math.min(offsetBytes + lengthBytes, start + segment.lengthBytes);
    if (to > from) {
      segments.push({
        addr: (segment.addr + from - start) as DmaSegment['addr'],
        lengthBytes: to - from,
      });
    }
    start += segment.lengthBytes;
  }
  return {
    segments,
    get isValid() {
      return mapping.isValid !== false;
    },
    unmap: () => mapping.unmap(),
  };
}

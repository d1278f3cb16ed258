/**
 * The RDMA NIC: one PCI function with queues in host memory, and one Ethernet port that speaks RoCE v2.
 *
 * Registers, commands and entries are `spec/rdma/device-*.ts`. Work reaches it through doorbells; packets leave through `transmitter.ts`
 * and arrive at `receive`. Everything it moves for a program goes through the keys in `memory-table.ts`.
 */
import { addressFromDwords } from '../../base/index.ts';
import type {
  EndpointModel,
  Executor,
  ExpressDescription,
  FunctionDescription,
  FunctionPort,
  ResetKind,
  Status,
} from '../../fabric/index.ts';
import {
  DOORBELL,
  doorbellKind,
  doorbellQueue,
  PACKET,
  RNIC_BAR_BYTES,
  RNIC_CAP,
  RNIC_CMD_HIGH,
  RNIC_CMD_LOW,
  RNIC_CMD_TAIL,
  RNIC_CQS_LOG,
  RNIC_CTRL,
  RNIC_DOORBELLS,
  RNIC_DOORBELLS_END,
  RNIC_ENTRIES_LOG,
  RNIC_EVENT_HEAD,
  RNIC_EVENT_HIGH,
  RNIC_EVENT_LOW,
  RNIC_GID_0,
  RNIC_ID,
  RNIC_MAC_HIGH,
  RNIC_MAC_LOW,
  RNIC_MSIX_PENDING,
  RNIC_MSIX_TABLE,
  RNIC_PORT,
  RNIC_QPS_LOG,
  RNIC_READS_LOG,
  RNIC_REGISTERS,
  RNIC_SIZES,
  RNIC_SRQS_LOG,
  RNIC_STATUS,
} from '../../spec/rdma/index.ts';
import { DeviceError } from '../nvme/index.ts';
import { AtomicUnit } from './atomic-unit.ts';
import { CommandUnit, RnicObjects } from './command-unit.ts';
import { type RnicCore, RnicCounters } from './core.ts';
import { DmaTable } from './dma-table.ts';
import { FRAME_BYTES, type Frame, FramePool } from './frame.ts';
import { Completion, EventRing } from './host-rings.ts';
import { type Gid, type Identity, isMappedV4 } from './identity.ts';
import { MemoryTable } from './memory-table.ts';
import { PARSED, parsePacket } from './packet.ts';
import type { QueuePair } from './queue-pair.ts';
import { Transmitter, type TxHost } from './transmitter.ts';
import type { EthernetWire, WireEnd, WireOptions } from './wire.ts';

const EVENT = { PUMP: 0, WIRE_FREE: 1 } as const;
const LARGEST_MTU_CODE = 5;

export interface RnicOptions {
  readonly name: string;
  readonly express: ExpressDescription | null;
  /** 16 high and 32 low bits; not a group address. */
  readonly mac: { readonly high: number; readonly low: number };
  /** As a GID: an IPv4 address is ::ffff:a.b.c.d. */
  readonly gid: Gid;
  readonly vendorId?: number;
  readonly deviceId?: number;
}

export class Rnic implements EndpointModel, WireEnd, TxHost, RnicCore {
  readonly name: string;
  readonly description: FunctionDescription;
  readonly identity: Identity;
  readonly counters = new RnicCounters();
  readonly dma = new DmaTable();
  readonly regions = new MemoryTable();
  readonly atomics = new AtomicUnit(this.dma);
  readonly tx: Transmitter;
  readonly completion = new Completion();
  readonly #registers = new DataView(new ArrayBuffer(RNIC_REGISTERS.sizeBytes));
  readonly #pool = new FramePool();
  #objects = new RnicObjects();
  #events: EventRing | null = null;
  #commands: CommandUnit | null = null;
  #port: FunctionPort | undefined;
  #wire: EthernetWire | null = null;
  #end: 0 | 1 = 0;
  #ready: QueuePair[] = [];
  #isPumpAsked = false;
  /** Counts the times it was switched on; events of an earlier time are ignored. */
  #run = 0;

  /** @throws {DeviceError} DEVICE_OPTIONS */
  constructor(options: RnicOptions) {
    const { mac, gid } = options;
    const isGroup = (mac.high & 0x100) !== 0;
    if (isGroup || mac.high > 0xffff || gid.every((part) => part === 0)) {
      throw new DeviceError('DEVICE_OPTIONS', {
        message: `${options.name}: an RDMA NIC needs a MAC address of its own and an IP address`,
        detail: { mac, gid },
        hint: 'the lowest bit of the first byte of a MAC address is 0',
      });
    }
    this.name = options.name;
    this.identity = { macHigh: mac.high, macLow: mac.low, gid };
    this.tx = new Transmitter(this.dma, this.regions, this.#pool, this);
    const vendorId = options.vendorId ?? RNIC_ID.vendorId;
    const deviceId = options.deviceId ?? RNIC_ID.deviceId;
    this.description = {
      vendorId,
      deviceId,
      classCode: RNIC_ID.classCode,
      subsystemVendorId: vendorId,
      subsystemDeviceId: deviceId,
      revision: 1,
      bars: [
        {
          index: 0,
          kind: 'memory',
          sizeBytes: RNIC_BAR_BYTES,
          is64Bit: true,
          isPrefetchable: false,
          regions: [
            { kind: 'registers', offsetBytes: 0, lengthBytes: RNIC_REGISTERS.sizeBytes },
            {
              kind: 'registers',
              offsetBytes: RNIC_DOORBELLS,
              lengthBytes: RNIC_DOORBELLS_END - RNIC_DOORBELLS,
            },
          ],
        },
      ],
      interruptPin: 1,
      msix: {
        vectorCount: 1,
        tableBar: 0,
        tableOffsetBytes: RNIC_MSIX_TABLE,
        pendingBar: 0,
        pendingOffsetBytes: RNIC_MSIX_PENDING,
      },
      msiVectorCount: 1,
      express: options.express,
      sriov: null,
      serialNumber: null,
    };
    this.#clear();
  }

  /** Hangs it on a wire, once; `options` are of what it sends. @throws {DeviceError} DEVICE_OPTIONS when both ends are taken */
  plug(wire: EthernetWire, options: WireOptions = {}): void {
    this.#end = wire.plug(this, options);
    this.#wire = wire;
  }

  get executor(): Executor {
    return this.#port!.executor;
  }

  get events(): EventRing {
    return this.#events!;
  }

  attach(port: FunctionPort): void {
    this.#port = port;
    this.dma.port = port;
  }

  detach(): void {
    this.#stop();
    this.#port = undefined;
    this.dma.port = undefined;
  }

  reset(_kind: ResetKind): void {
    this.#stop();
    this.#clear();
  }

  readRegister(_bar: number, offsetBytes: number, lengthBytes: number): number {
    if (lengthBytes !== 4 || offsetBytes >= RNIC_REGISTERS.sizeBytes) {
      return 0;
    }
    if (offsetBytes === RNIC_PORT.offset) {
      RNIC_PORT.LINK.write(this.#registers, this.#wire?.isWhole === true ? 1 : 0);
    }
    return this.#registers.getUint32(offsetBytes, true);
  }

  writeRegister(_bar: number, offsetBytes: number, lengthBytes: number, value: number): void {
    if (lengthBytes !== 4) {
      return;
    }
    if (offsetBytes >= RNIC_DOORBELLS) {
      this.#doorbell(offsetBytes, value);
      return;
    }
    const registers = this.#registers;
    switch (offsetBytes) {
      case RNIC_CTRL.offset:
        RNIC_CTRL.setValue(registers, value & 1);
        if ((value & 1) === 0) {
          this.#stop();
        } else if (!this.#isRunning) {
          this.#start();
        }
        break;
      case RNIC_CMD_LOW.offset:
      case RNIC_CMD_HIGH.offset:
      case RNIC_EVENT_LOW.offset:
      case RNIC_EVENT_HIGH.offset:
      case RNIC_SIZES.offset:
        if (!this.#isRunning) {
          registers.setUint32(offsetBytes, value, true);
        }
        break;
      case RNIC_CMD_TAIL.offset:
        this.#commands?.doorbell(value & 0xffff);
        break;
      case RNIC_EVENT_HEAD.offset:
        this.#events?.take(value & 0xffff);
        break;
      default:
        break;
    }
  }

  onDma(token: number, status: Status): void {
    this.dma.onDma(token, status);
  }

  onEvent(code: number, run: number): void {
    if (run !== this.#run) {
      return;
    }
    if (code === EVENT.WIRE_FREE) {
      this.tx.onWireFree();
    } else {
      this.#isPumpAsked = false;
      this.#pump();
    }
  }

  schedule(qp: QueuePair): void {
    if (!qp.isScheduled && !qp.isDestroyed) {
      qp.isScheduled = true;
      this.#ready.push(qp);
    }
    if (!this.#isPumpAsked && this.tx.hasRoom && this.#port !== undefined) {
      this.#isPumpAsked = true;
      this.executor.after(0, this, EVENT.PUMP, this.#run);
    }
  }

  onRoom(): void {
    if (this.#ready.length > 0 && !this.#isPumpAsked) {
      this.#isPumpAsked = true;
      this.executor.after(0, this, EVENT.PUMP, this.#run);
    }
  }

  transmit(frame: Frame): number {
    this.counters.sentFrames++;
    if (this.#wire === null) {
      frame.release();
      return 0;
    }
    return this.#wire.send(this.#end, frame);
  }

  wakeTransmitter(delayPs: number): void {
    this.executor.after(delayPs, this, EVENT.WIRE_FREE, this.#run);
  }

  /** A frame has arrived; it is the NIC's now. */
  receive(frame: Frame): void {
    const { counters } = this;
    counters.receivedFrames++;
    if (!this.#isRunning) {
      counters.noQueuePair++;
      frame.release();
      return;
    }
    switch (parsePacket(frame, this.identity)) {
      case PARSED.DONE:
        this.#dispatch(frame);
        return;
      case PARSED.FOREIGN:
        counters.foreign++;
        break;
      case PARSED.BAD_ICRC:
        counters.badIcrc++;
        break;
      default:
        counters.malformed++;
        break;
    }
    frame.release();
  }

  /** Any bytes at all, as if they had come over the wire. Longer ones than any frame are cut. */
  receiveBytes(bytes: Uint8Array): void {
    const frame = this.#pool.take();
    frame.lengthBytes = Math.min(bytes.length, FRAME_BYTES);
    frame.bytes.set(bytes.subarray(0, frame.lengthBytes));
    this.receive(frame);
  }

  get #isRunning(): boolean {
    return RNIC_STATUS.RDY.read(this.#registers) === 1;
  }

  #dispatch(frame: Frame): void {
    const qp = this.#objects.qps.get(frame.destQp);
    if (qp === undefined) {
      this.counters.noQueuePair++;
      frame.release();
    } else if ((frame.flags & PACKET.RESPONSE) !== 0) {
      if (qp.isConnected) {
        qp.requester.onResponse(frame);
      } else {
        this.counters.noQueuePair++;
      }
      frame.release();
    } else {
      qp.responder.receive(frame);
    }
  }

  #doorbell(offset: number, value: number): void {
    const number = doorbellQueue(offset);
    const count = value & 0xffff;
    const { qps, cqs, srqs } = this.#objects;
    switch (doorbellKind(offset)) {
      case DOORBELL.SEND:
        qps.get(number)?.requester.doorbell(count);
        break;
      case DOORBELL.RECEIVE:
        qps.get(number)?.responder.doorbell(count);
        break;
      case DOORBELL.COMPLETION:
        cqs.get(number)?.take(count);
        break;
      case DOORBELL.ARM:
        cqs.get(number)?.arm(value);
        break;
      case DOORBELL.SHARED_RECEIVE: {
        const srq = srqs.get(number);
        srq?.ring.ring(count, srq.taken);
        break;
      }
      default:
        break;
    }
  }

  /** Every queue pair in turn sends a packet, as long as there is room on the way out. */
  #pump(): void {
    while (this.#ready.length > 0 && this.tx.hasRoom) {
      const qp = this.#ready.shift()!;
      qp.isScheduled = false;
      if (!qp.isDestroyed && qp.emit() && !qp.isScheduled) {
        qp.isScheduled = true;
        this.#ready.push(qp);
      }
    }
  }

  #start(): void {
    const registers = this.#registers;
    this.#run++;
    this.#events = new EventRing(
      addressFromDwords(RNIC_EVENT_LOW.value(registers), RNIC_EVENT_HIGH.value(registers)),
      RNIC_SIZES.EVENT.read(registers),
      this.dma,
      () => this.#port?.interrupt(0),
    );
    this.#commands = new CommandUnit(
      this,
      this.#objects,
      addressFromDwords(RNIC_CMD_LOW.value(registers), RNIC_CMD_HIGH.value(registers)),
      RNIC_SIZES.CMD.read(registers),
      () => RNIC_STATUS.ERR.write(registers, 1),
    );
    RNIC_STATUS.setValue(registers, 0);
    RNIC_STATUS.RDY.write(registers, 1);
  }

  #stop(): void {
    this.#run++;
    for (const qp of this.#objects.qps.values()) {
      qp.destroy();
    }
    this.#objects = new RnicObjects();
    this.#ready = [];
    this.#isPumpAsked = false;
    this.#commands = null;
    this.regions.clear();
    this.atomics.reset();
    this.dma.clear();
    this.tx.reset();
    RNIC_STATUS.setValue(this.#registers, 0);
  }

  #clear(): void {
    const registers = this.#registers;
    new Uint8Array(registers.buffer).fill(0);
    RNIC_CAP.VERSION.write(registers, 1);
    RNIC_CAP.QPS.write(registers, RNIC_QPS_LOG);
    RNIC_CAP.CQS.write(registers, RNIC_CQS_LOG);
    RNIC_CAP.SRQS.write(registers, RNIC_SRQS_LOG);
    RNIC_CAP.ENTRIES.write(registers, RNIC_ENTRIES_LOG);
    RNIC_CAP.READS.write(registers, RNIC_READS_LOG);
    RNIC_PORT.HAS_V4.write(registers, isMappedV4(this.identity.gid) ? 1 : 0);
    RNIC_PORT.MTU.write(registers, LARGEST_MTU_CODE);
    RNIC_MAC_HIGH.setValue(registers, this.identity.macHigh);
    RNIC_MAC_LOW.setValue(registers, this.identity.macLow);
    this.identity.gid.forEach((part, i) => {
      registers.setUint32(RNIC_GID_0.offset + 4 * i, part, true);
    });
  }
}

// A host of the loop transport: Connect, enable, I/O queues; and a target to connect to.
import {
  MemoryTarget,
  type NamespaceConfig,
  newHost,
  newNamespace,
  newPort,
  newSubsystem,
  PooledMemory,
  type PortConfig,
  type SubsystemConfig,
  Target,
  type TargetOptions,
} from '../../../../src/orchestrators/nvmet/index.ts';
import { ADMIN_OPCODE, CC, NVM_OPCODE } from '../../../../src/spec/nvme/index.ts';
import {
  CNTLID_DYNAMIC,
  CONNECT_CATTR,
  CONNECT_CNTLID,
  CONNECT_DATA_BYTES,
  CONNECT_KATO,
  CONNECT_QID,
  CONNECT_SQSIZE,
  FABRICS_TYPE,
  PROPERTY_ATTRIB,
  PROPERTY_OFFSET,
  PROPERTY_VALUE,
} from '../../../../src/spec/nvmeof/index.ts';
import { type CommandOptions, type Completion, type LoopOptions, LoopQueue, type Sent } from './loop.ts';
import { ManualExecutor } from './manual-executor.ts';

export const SUBSYSTEM = 'nqn.2024-01.org.example:disk';
export const HOST_A = 'nqn.2024-01.org.example:host-a';
export const HOST_B = 'nqn.2024-01.org.example:host-b';
export const BLOCK = 512;
export const BLOCKS = 4096;

export interface Bench {
  readonly executor: ManualExecutor;
  readonly target: Target;
  readonly memory: PooledMemory;
  readonly port: PortConfig;
}

export interface BenchOptions extends Partial<TargetOptions> {
  readonly subsystem?: Partial<SubsystemConfig>;
  readonly namespace?: Partial<NamespaceConfig>;
  readonly port?: Partial<PortConfig>;
  readonly memoryBytesMax?: number;
}

/** A target with one subsystem that any host may use, one namespace in memory, one port. */
export function bench(options: BenchOptions = {}): Bench {
  const executor = new ManualExecutor();
  const { subsystem, namespace, port, memoryBytesMax, ...target } = options;
  const made = new Target({ executor, ...target });
  const memory = PooledMemory.ofBytes(memoryBytesMax ?? 64 << 20);
  made.addHost(newHost(HOST_A));
  made.addHost(newHost(HOST_B));
  made.addSubsystem({ ...newSubsystem(SUBSYSTEM), allowAnyHost: true, ...subsystem });
  made.enableNamespace(
    SUBSYSTEM,
    { ...newNamespace(1, 'memory'), ...namespace },
    { target: disk('memory'), memory, kind: 'memory', deallocatedReadsZero: true },
  );
  const config = { ...newPort(1, '192.0.2.1', '4420'), subsystems: [SUBSYSTEM], ...port };
  made.addPort(config);
  return { executor, target: made, memory, port: config };
}

export function disk(label: string, blocks = BLOCKS): MemoryTarget {
  return new MemoryTarget({ label, sizeBytes: blocks * BLOCK, blockBytes: BLOCK });
}

export interface ConnectOptions {
  readonly hostNqn?: string;
  readonly subsystemNqn?: string;
  /** Last byte of an otherwise fixed host identifier. */
  readonly host?: number;
  readonly queueId?: number;
  readonly controllerId?: number;
  readonly sqsize?: number;
  readonly katoMs?: number;
  readonly cattr?: number;
  readonly edit?: (sqe: DataView) => void;
  readonly editData?: (data: DataView) => void;
  readonly inCapsule?: boolean | 'span';
}

export function hostId(host: number): Uint8Array {
  const id = new Uint8Array(16).fill(0x11);
  id[15] = host;
  return id;
}

/** The command and its data. */
export function connectCommand(options: ConnectOptions = {}): CommandOptions {
  const data = new Uint8Array(CONNECT_DATA_BYTES);
  const view = new DataView(data.buffer);
  data.set(hostId(options.host ?? 1), 0);
  CONNECT_CNTLID.setValue(view, options.controllerId ?? CNTLID_DYNAMIC);
  put(data, 256, options.subsystemNqn ?? SUBSYSTEM);
  put(data, 512, options.hostNqn ?? HOST_A);
  options.editData?.(view);
  return {
    opcode: ADMIN_OPCODE.FABRICS,
    nsid: FABRICS_TYPE.CONNECT,
    out: data,
    inCapsule: options.inCapsule ?? true,
    edit: (sqe) => {
      CONNECT_QID.setValue(sqe, options.queueId ?? 0);
      CONNECT_SQSIZE.setValue(sqe, options.sqsize ?? 31);
      CONNECT_KATO.setValue(sqe, options.katoMs ?? 0);
      CONNECT_CATTR.setValue(sqe, options.cattr ?? 0);
      options.edit?.(sqe);
    },
  };
}

function put(data: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) {
    data[at + i] = text.charCodeAt(i);
  }
}

export function propertyGet(queue: LoopQueue, offset: number, is8 = false): Completion {
  return queue.run({
    opcode: ADMIN_OPCODE.FABRICS,
    nsid: FABRICS_TYPE.PROPERTY_GET,
    edit: (sqe) => {
      PROPERTY_ATTRIB.SIZE.write(sqe, is8 ? 1 : 0);
      PROPERTY_OFFSET.setValue(sqe, offset);
    },
  }).completion;
}

export function propertySet(queue: LoopQueue, offset: number, value: number): Completion {
  return queue.run({
    opcode: ADMIN_OPCODE.FABRICS,
    nsid: FABRICS_TYPE.PROPERTY_SET,
    edit: (sqe) => {
      PROPERTY_OFFSET.setValue(sqe, offset);
      PROPERTY_VALUE.setValue(sqe, value);
    },
  }).completion;
}

/** CC that Linux writes: 64 and 16 bytes, enabled. */
export const CC_ENABLED = 0x0046_0001;

/** A host with its connections. */
export class LoopHost {
  readonly bench: Bench;
  readonly admin: LoopQueue;
  readonly io: LoopQueue[] = [];
  readonly options: ConnectOptions;
  readonly loop: LoopOptions;

  /** Connects and enables; I/O queues are of `connectIo`. */
  constructor(bench: Bench, options: ConnectOptions = {}, loop: LoopOptions = {}) {
    this.bench = bench;
    this.options = options;
    this.loop = loop;
    this.admin = new LoopQueue(bench.target, bench.port, loop);
    const connected = this.admin.run(connectCommand(options));
    if (connected.completion.status !== 0) {
      throw new Error(`Connect was refused with ${connected.completion.status.toString(16)}`);
    }
    propertySet(this.admin, CC.offset, CC_ENABLED);
  }

  get controllerId(): number {
    return this.admin.handle.controllerId!;
  }

  connectIo(queueId = this.io.length + 1, sqsize = 127): LoopQueue {
    const queue = new LoopQueue(this.bench.target, this.bench.port, this.loop);
    const sent = queue.run(
      connectCommand({ ...this.options, queueId, sqsize, controllerId: this.controllerId }),
    );
    if (sent.completion.status !== 0) {
      throw new Error(`Connect of queue ${queueId} was refused with ${sent.completion.status.toString(16)}`);
    }
    this.io.push(queue);
    return queue;
  }

  /** Closes all connections. */
  leave(): void {
    for (const queue of this.io) {
      queue.drop();
    }
    this.admin.drop();
  }
}

export function read(slba: number, blocks: number, nsid = 1): CommandOptions {
  return { opcode: NVM_OPCODE.READ, nsid, cdw10: slba, cdw12: blocks - 1, in: blocks * BLOCK };
}

export function write(slba: number, data: Uint8Array, nsid = 1): CommandOptions {
  return { opcode: NVM_OPCODE.WRITE, nsid, cdw10: slba, cdw12: data.length / BLOCK - 1, out: data };
}

export function pattern(blocks: number, seed: number): Uint8Array {
  const data = new Uint8Array(blocks * BLOCK);
  for (let i = 0; i < data.length; i++) {
    data[i] = (i * 7 + seed * 31 + (i >> 8)) & 0xff;
  }
  return data;
}

export function identify(cns: number, nsid = 0, csi = 0): CommandOptions {
  return { opcode: ADMIN_OPCODE.IDENTIFY, nsid, cdw10: cns, cdw11: csi * 0x100_0000, in: 4096 };
}

export function logPage(
  page: number,
  lengthBytes: number,
  options: Partial<CommandOptions> & { rae?: boolean } = {},
): CommandOptions {
  const numd = lengthBytes / 4 - 1;
  const { rae = false, ...rest } = options;
  return {
    opcode: ADMIN_OPCODE.GET_LOG_PAGE,
    cdw10: page + (rae ? 0x8000 : 0) + (numd % 0x1_0000) * 0x1_0000,
    cdw11: Math.floor(numd / 0x1_0000),
    in: lengthBytes,
    ...rest,
  };
}

export function waitEvent(queue: LoopQueue): Sent {
  return queue.issue({ opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
}

/**
 * A queue and its commands: entries are put together here, ends go to a promise (administration) or to `onDone` with a token (I/O).
 *
 * I/O makes no promise and allocates nothing for a command.
 */
import {
  ADMIN_OPCODE,
  CDW0,
  DPTR_OFFSET,
  IO_CDW12,
  NSID,
  NVM_OPCODE,
  PSDT,
  SGL_ADDRESS,
  SGL_IDENTIFIER,
  SGL_LENGTH,
  SGL_SUBTYPE,
  SGL_TYPE,
  SLBA,
  SQE_BYTES,
} from '../../../spec/nvme/index.ts';
import {
  AUTHENTICATION_CDW10,
  AUTHENTICATION_LENGTH,
  CNTLID_DYNAMIC,
  CONNECT_CATTR,
  CONNECT_CNTLID,
  CONNECT_DATA_BYTES,
  CONNECT_HOSTID,
  CONNECT_HOSTNQN,
  CONNECT_KATO,
  CONNECT_QID,
  CONNECT_RESULT,
  CONNECT_SQSIZE,
  CONNECT_SUBNQN,
  FABRICS_TYPE,
  FCTYPE,
  SECURITY_PROTOCOL_NVMEOF,
} from '../../../spec/nvmeof/index.ts';
import { HostExchange, type HostSide } from '../auth/host-exchange.ts';
import { NvmeTcpError } from '../errors.ts';
import { type HostAddress, openHostQueue } from './connect.ts';
import type { HostCompletion, HostQueue } from './host-queue.ts';

const AUTHENTICATION_ROOM_BYTES = 4096;

export interface SessionOptions {
  readonly address: HostAddress;
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  /** 16 bytes. */
  readonly hostId: Uint8Array;
  /** Entries of the queue; one less may be outstanding. */
  readonly depth: number;
  readonly hasHeaderDigest?: boolean;
  readonly hasDataDigest?: boolean;
  readonly hpda?: number;
  readonly maxr2t?: number;
  /** Admin queue: milliseconds, 0 for none. */
  readonly keepAliveMs?: number;
  /** The host looks at SQHD; default false, as Linux does for TCP. */
  readonly usesFlowControl?: boolean;
  /** How the host proves itself if it is asked to; null: it cannot. */
  readonly proof: Omit<HostSide, 'hostNqn' | 'subsystemNqn'> | null;
}

export interface Outcome {
  readonly status: number;
  readonly dword0: number;
  readonly dword1: number;
}

interface Waiter {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

export class HostSession {
  /** I/O: called once for each command that `read`, `write` or `flush` took; packed status, 0 for success. */
  onDone: (token: number, status: number) => void = () => {};
  /** The connection is over. */
  onClosed: (error: NvmeTcpError) => void = () => {};
  /** In-capsule data of writes at most, bytes. */
  inCapsuleBytesMax = 0;
  controllerId: number = CNTLID_DYNAMIC;
  readonly #options: SessionOptions;
  readonly #free: number[] = [];
  readonly #tokens: Int32Array;
  readonly #waiters: (Waiter | null)[] = [];
  readonly #sqe = new Uint8Array(SQE_BYTES);
  readonly #view: DataView = new DataView(this.#sqe.buffer);
  #queue: HostQueue | null = null;
  #error: NvmeTcpError | null = null;

  private constructor(options: SessionOptions) {
    this.#options = options;
    const most = Math.max(1, options.depth - 1);
    this.#tokens = new Int32Array(most);
    for (let id = most - 1; id >= 0; id--) {
      this.#free.push(id);
      this.#waiters.push(null);
    }
  }

  /**
   * Connects a queue, and proves the host where the controller asks for it.
   * @param queueId       0: the admin queue
   * @param controllerId  of an I/O queue; CNTLID_DYNAMIC for the admin queue
   * @throws {NvmeTcpError} NVMETCP_CONNECT, NVMETCP_REFUSED, NVMETCP_AUTH_REFUSED and the others of openHostQueue and HostExchange
   */
  static async open(options: SessionOptions, queueId: number, controllerId: number): Promise<HostSession> {
    const session = new HostSession(options);
    const { address, depth, hasHeaderDigest, hasDataDigest, hpda, maxr2t } = options;
    session.#queue = await openHostQueue(address, {
      depth: Math.max(1, depth - 1),
      hasHeaderDigest: hasHeaderDigest ?? false,
      hasDataDigest: hasDataDigest ?? false,
      hpda: hpda ?? 0,
      maxr2t: maxr2t ?? 0,
      onCompletion: (completion) => {
        session.#completed(completion);
      },
      onClosed: (error) => {
        session.#over(error);
      },
    });
    try {
      await session.#connect(queueId, controllerId);
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  }

  /** Commands that may still be sent. */
  get freeCount(): number {
    return this.#free.length;
  }

  get isClosed(): boolean {
    return this.#queue === null || this.#queue.isClosed;
  }

  /** @returns false when the queue is full or closed */
  read(nsid: number, slba: number, blocks: number, into: Uint8Array, token: number): boolean {
    return this.#io(NVM_OPCODE.READ, nsid, slba, blocks, into, token);
  }

  /** As `read`. `from` stays as it is until the end. */
  write(nsid: number, slba: number, blocks: number, from: Uint8Array, token: number): boolean {
    return this.#io(NVM_OPCODE.WRITE, nsid, slba, blocks, from, token);
  }

  flush(nsid: number, token: number): boolean {
    return this.#io(NVM_OPCODE.FLUSH, nsid, 0, 1, null, token);
  }

  /**
   * Sends any command and waits for its end.
   * @param fill  fills the entry: opcode is set, command identifier and data pointer come after
   * @param data  sent when `isSent`, in the capsule if `inCapsule`; else filled with what comes
   * @throws {NvmeTcpError} when the connection ends before
   */
  execute(
    opcode: number,
    fill: (view: DataView) => void,
    data: Uint8Array | null = null,
    inCapsule = false,
  ): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const id = this.#free.pop();
      if (id === undefined || this.isClosed) {
        reject(this.#error ?? closedError());
        return;
      }
      this.#waiters[id] = { resolve, reject };
      this.#sqe.fill(0);
      fill(this.#view);
      this.#submit(id, opcode, data, inCapsule);
    });
  }

  async propertyGet(offset: number, isLong: boolean): Promise<number> {
    const outcome = await this.execute(ADMIN_OPCODE.FABRICS, (view) => {
      FCTYPE.setValue(view, FABRICS_TYPE.PROPERTY_GET);
      view.setUint8(0x28, isLong ? 1 : 0);
      view.setUint32(0x2c, offset, true);
    });
    return refuseUnless(outcome, 'Property Get').dword0 + outcome.dword1 * 2 ** 32;
  }

  async propertySet(offset: number, value: number): Promise<void> {
    const outcome = await this.execute(ADMIN_OPCODE.FABRICS, (view) => {
      FCTYPE.setValue(view, FABRICS_TYPE.PROPERTY_SET);
      view.setUint32(0x2c, offset, true);
      view.setUint32(0x30, value, true);
    });
    refuseUnless(outcome, 'Property Set');
  }

  /** Ends the connection. */
  close(): void {
    this.#queue?.close();
  }

  async #connect(queueId: number, controllerId: number): Promise<void> {
    const { hostNqn, subsystemNqn, hostId, depth, keepAliveMs = 0, usesFlowControl = false } = this.#options;
    const data = new Uint8Array(CONNECT_DATA_BYTES);
    data.set(hostId, CONNECT_HOSTID.offset);
    CONNECT_CNTLID.setValue(new DataView(data.buffer), controllerId);
    data.set(Buffer.from(subsystemNqn), CONNECT_SUBNQN.offset);
    data.set(Buffer.from(hostNqn), CONNECT_HOSTNQN.offset);
    const fill = (view: DataView): void => {
      FCTYPE.setValue(view, FABRICS_TYPE.CONNECT);
      CONNECT_QID.setValue(view, queueId);
      CONNECT_SQSIZE.setValue(view, depth - 1);
      CONNECT_CATTR.DSQFC.write(view, usesFlowControl ? 0 : 1);
      CONNECT_KATO.setValue(view, queueId === 0 ? keepAliveMs : 0);
    };
    const outcome = await this.execute(ADMIN_OPCODE.FABRICS, fill, data, true);
    const { dword0 } = refuseUnless(outcome, 'Connect');
    this.controllerId = CONNECT_RESULT.CNTLID.of(dword0);
    if (CONNECT_RESULT.ATR.of(dword0) === 1 || CONNECT_RESULT.ASCR.of(dword0) === 1) {
      await this.#authenticate(queueId);
    }
  }

  async #authenticate(queueId: number): Promise<void> {
    const { proof, hostNqn, subsystemNqn } = this.#options;
    if (proof === null) {
      throw new NvmeTcpError('NVMETCP_AUTH_NO_SECRET', {
        message: 'the controller wants the host to prove itself, and the host has no secret',
        hint: 'give the secret that the target has for this host',
        exitStatus: 3,
      });
    }
    const exchange = new HostExchange({ ...proof, hostNqn, subsystemNqn }, queueId + 1);
    await this.#authenticationSend(exchange.negotiate());
    await this.#authenticationSend(exchange.reply(await this.#authenticationReceive()));
    let last: Uint8Array | null;
    try {
      last = exchange.finish(await this.#authenticationReceive());
    } catch (error) {
      if (error instanceof NvmeTcpError && error.code === 'NVMETCP_AUTH_CONTROLLER') {
        await this.#authenticationSend(exchange.failure());
      }
      throw error;
    }
    if (last !== null) {
      await this.#authenticationSend(last);
    }
  }

  async #authenticationSend(message: Uint8Array): Promise<void> {
    const fill = authenticationFill(FABRICS_TYPE.AUTHENTICATION_SEND, message.length);
    refuseUnless(
      await this.execute(ADMIN_OPCODE.FABRICS, fill, message, this.#fitsInCapsule(message)),
      'Authentication Send',
    );
  }

  async #authenticationReceive(): Promise<Uint8Array> {
    const room = new Uint8Array(AUTHENTICATION_ROOM_BYTES);
    const fill = authenticationFill(FABRICS_TYPE.AUTHENTICATION_RECEIVE, room.length);
    refuseUnless(await this.execute(ADMIN_OPCODE.FABRICS, fill, room), 'Authentication Receive');
    return room;
  }

  #fitsInCapsule(data: Uint8Array): boolean {
    return data.length <= this.inCapsuleBytesMax;
  }

  #io(
    opcode: number,
    nsid: number,
    slba: number,
    blocks: number,
    data: Uint8Array | null,
    token: number,
  ): boolean {
    const id = this.#free.pop();
    if (id === undefined || this.isClosed) {
      if (id !== undefined) {
        this.#free.push(id);
      }
      return false;
    }
    this.#tokens[id] = token;
    this.#sqe.fill(0);
    const view = this.#view;
    NSID.setValue(view, nsid);
    if (data !== null) {
      SLBA.setValue(view, slba);
      IO_CDW12.NLB.write(view, blocks - 1);
    }
    this.#submit(id, opcode, data, opcode === NVM_OPCODE.WRITE && this.#fitsInCapsule(data!));
    return true;
  }

  #submit(id: number, opcode: number, data: Uint8Array | null, inCapsule: boolean): void {
    const view = this.#view;
    // Whatever the command, data are described by SGL1.
    CDW0.setValue(view, (opcode | (PSDT.SGL_MPTR_BUFFER << 14) | (id << 16)) >>> 0);
    SGL_ADDRESS.setValue(view, 0, DPTR_OFFSET);
    SGL_LENGTH.setValue(view, data?.length ?? 0, DPTR_OFFSET);
    const type = inCapsule ? SGL_TYPE.DATA_BLOCK : SGL_TYPE.TRANSPORT_DATA_BLOCK;
    const subtype = inCapsule ? SGL_SUBTYPE.OFFSET : SGL_SUBTYPE.TRANSPORT;
    SGL_IDENTIFIER.setValue(view, (type << 4) | subtype, DPTR_OFFSET);
    this.#queue!.submit(id, this.#sqe, data, inCapsule);
  }

  #completed(completion: HostCompletion): void {
    const id = completion.commandId;
    this.#free.push(id);
    const waiter = this.#waiters[id];
    if (waiter === null || waiter === undefined) {
      this.onDone(this.#tokens[id]!, completion.status);
      return;
    }
    this.#waiters[id] = null;
    const { status, dword0, dword1 } = completion;
    waiter.resolve({ status, dword0, dword1 });
  }

  #over(error: NvmeTcpError): void {
    this.#error = error;
    for (const [id, waiter] of this.#waiters.entries()) {
      this.#waiters[id] = null;
      waiter?.reject(error);
    }
    this.onClosed(error);
  }
}

function authenticationFill(type: number, lengthBytes: number): (view: DataView) => void {
  return (view) => {
    FCTYPE.setValue(view, type);
    AUTHENTICATION_CDW10.SPSP0.write(view, 1);
    AUTHENTICATION_CDW10.SPSP1.write(view, 1);
    AUTHENTICATION_CDW10.SECP.write(view, SECURITY_PROTOCOL_NVMEOF);
    AUTHENTICATION_LENGTH.setValue(view, lengthBytes);
  };
}

function refuseUnless(outcome: Outcome, what: string): Outcome {
  if (outcome.status !== 0) {
    throw new NvmeTcpError('NVMETCP_REFUSED', {
      message: `the controller refuses ${what}: status ${outcome.status.toString(16)}h`,
      hint: 'the log of the target says why',
      detail: { status: outcome.status, dword0: outcome.dword0 },
      exitStatus: 3,
    });
  }
  return outcome;
}

function closedError(): NvmeTcpError {
  return new NvmeTcpError('NVMETCP_CLOSED', {
    message: 'the queue is full or its connection is over',
    hint: 'the log of the target says why',
    exitStatus: 3,
  });
}

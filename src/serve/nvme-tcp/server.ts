/**
 * The server: listens at the ports of a target and makes a `Connection` of every host that comes, within `NvmeTcpLimits`.
 *
 * One timer looks at all connections; a connection costs none. Where a port is configured for TLS the first byte tells what a host
 * wants: a handshake record or an ICReq. Leaves out what commands mean (`orchestrators/nvmet`) and keep-alive, which is the target's.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { PortConfig, QueueHandle, TransportQueue } from '../../orchestrators/index.ts';
import { Connection } from './connection.ts';
import { NvmeTcpError } from './errors.ts';
import { DEFAULT_LIMITS, type NvmeTcpLimits } from './limits.ts';
import { NvmeTcpCounters, type NvmeTcpListener } from './listener.ts';
import { SLAB_BYTES, SlabPool } from './slab-pool.ts';
import type { SecureIdentity } from './tls/identity.ts';
import { type PskTable, secureServerSocket, TLS_FIRST_BYTE } from './tls/secure-socket.ts';

/** Connections that the kernel keeps for us until we take them. */
const BACKLOG = 256;
const SWEEP_MS_MAX = 500;

export interface NvmeTcpServerOptions {
  /** Makes the target's side of a queue. */
  readonly open: (queue: TransportQueue) => QueueHandle;
  readonly limits?: Partial<NvmeTcpLimits>;
  /** Keys of hosts; null: no TLS. */
  readonly keys: PskTable | null;
  readonly listener: NvmeTcpListener | null;
  /** A clock that never goes back, ms. */
  readonly nowMs: () => number;
}

/** A socket that is not a connection yet. */
interface Arrival {
  readonly socket: Socket;
  readonly sinceMs: number;
}

export class NvmeTcpServer {
  readonly counters = new NvmeTcpCounters();
  readonly #options: NvmeTcpServerOptions;
  readonly #limits: NvmeTcpLimits;
  readonly #pool: SlabPool;
  readonly #servers: Server[] = [];
  readonly #arrivals = new Set<Arrival>();
  readonly #connections = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  #onIdle: (() => void) | null = null;
  #isClosing = false;

  constructor(options: NvmeTcpServerOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#limits = limits;
    this.#pool = new SlabPool({
      countMax: Math.max(2, Math.floor(limits.sendBytesMax / SLAB_BYTES)),
      perOwnerMax: Math.max(1, Math.floor(limits.connectionSendBytesMax / SLAB_BYTES)),
    });
    const shortest = Math.min(
      limits.handshakeMs,
      limits.connectMs,
      limits.pduMs,
      limits.stallMs,
      limits.lingerMs,
    );
    this.#timer = setInterval(
      () => {
        this.#sweep();
      },
      Math.max(5, Math.min(SWEEP_MS_MAX, shortest / 4)),
    );
    this.#timer.unref();
  }

  /** Hosts that are connected, or about to be. */
  get connectionCount(): number {
    return this.#arrivals.size + this.#connections.size;
  }

  /** Memory for sending that is held now, bytes. */
  get sendBytes(): number {
    return this.#pool.heldBytes;
  }

  /**
   * Listens where a port says: address, and service number (0: any that is free).
   * @returns the number of the port
   * @throws {NvmeTcpError} NVMETCP_LISTEN
   */
  listen(port: PortConfig): Promise<number> {
    const { transportAddress, serviceId } = port.address;
    const server = createServer({ noDelay: true, pauseOnConnect: false }, (socket) => {
      this.#arrive(socket, port);
    });
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      // Stays: an accept that fails later (no descriptors left) must not end the process.
      server.on('error', (error: NodeJS.ErrnoException) => {
        this.counters.acceptFailures++;
        reject(
          new NvmeTcpError('NVMETCP_LISTEN', {
            message: `cannot listen at ${transportAddress} port ${serviceId}: ${error.code ?? error.message}`,
            hint: 'is the address one of this machine, and does nobody else listen there (ss -ltn)?',
            detail: { address: transportAddress, port: serviceId },
            cause: error,
            exitStatus: 3,
          }),
        );
      });
      server.listen({ host: transportAddress, port: Number(serviceId), backlog: BACKLOG }, () => {
        const address = server.address();
        resolve(address !== null && typeof address === 'object' ? address.port : Number(serviceId));
      });
    });
  }

  /**
   * Takes no more hosts, lets commands that have begun end, and then ends all connections.
   * @param timeoutMs  for that; what is left is ended by force
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#stopListening();
    for (const { socket } of this.#arrivals) {
      socket.destroy();
    }
    for (const connection of this.#connections) {
      connection.drain();
    }
    if (this.connectionCount > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    await this.close();
  }

  /** Ends all connections by force. Idempotent. */
  async close(): Promise<void> {
    this.#stopListening();
    clearInterval(this.#timer);
    for (const { socket } of this.#arrivals) {
      socket.destroy();
    }
    for (const connection of this.#connections) {
      connection.destroy('the server shuts down');
    }
    if (this.connectionCount > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  #stopListening(): void {
    this.#isClosing = true;
    for (const server of this.#servers.splice(0)) {
      server.close();
    }
  }

  #arrive(socket: Socket, port: PortConfig): void {
    const hostAddress = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    if (this.#isClosing || this.connectionCount >= this.#limits.connectionsMax) {
      this.counters.turnedAway++;
      this.#options.listener?.onTurnedAway?.(hostAddress, 'too many connections');
      socket.destroy();
      return;
    }
    this.#evict();
    this.counters.connections++;
    const { keys } = this.#options;
    const isTlsPort = port.address.specific === 'tls1.3';
    if (keys === null || !isTlsPort) {
      if (port.address.secureChannel === 'required') {
        this.#turnAway(socket, hostAddress, 'the port asks for TLS, and no keys are configured');
        return;
      }
      this.#connect(socket, port, hostAddress, null);
      return;
    }
    const arrival: Arrival = { socket, sinceMs: this.#options.nowMs() };
    this.#arrivals.add(arrival);
    socket.once('close', () => {
      this.#leave(arrival);
    });
    socket.on('error', ignore);
    socket.once('readable', () => {
      this.#firstByte(arrival, port, hostAddress, keys);
    });
  }

  #firstByte(arrival: Arrival, port: PortConfig, hostAddress: string, keys: PskTable): void {
    const { socket } = arrival;
    const first: Buffer | null = socket.read();
    if (first === null || first.length === 0) {
      if (!socket.destroyed && !socket.readableEnded) {
        socket.once('readable', () => {
          this.#firstByte(arrival, port, hostAddress, keys);
        });
      }
      return;
    }
    socket.unshift(first);
    if (first[0] !== TLS_FIRST_BYTE) {
      this.#leave(arrival);
      if (port.address.secureChannel === 'required') {
        this.#turnAway(socket, hostAddress, 'it does not speak TLS, which the port asks for');
      } else {
        this.#connect(socket, port, hostAddress, null);
      }
      return;
    }
    secureServerSocket(socket, keys, {
      onSecure: (secure, identity) => {
        this.#leave(arrival);
        this.#connect(secure, port, hostAddress, identity);
      },
      onFailure: (error) => {
        this.counters.tlsFailures++;
        this.#options.listener?.onTurnedAway?.(hostAddress, `TLS: ${error.message.trim()}`);
      },
    });
  }

  #turnAway(socket: Socket, hostAddress: string, why: string): void {
    this.counters.turnedAway++;
    this.#options.listener?.onTurnedAway?.(hostAddress, why);
    socket.on('error', ignore);
    socket.destroy();
  }

  #connect(socket: Socket, port: PortConfig, hostAddress: string, identity: SecureIdentity | null): void {
    const { open, listener, nowMs } = this.#options;
    const connection = new Connection({
      socket,
      hostAddress,
      port,
      limits: this.#limits,
      pool: this.#pool,
      counters: this.counters,
      listener,
      identity,
      open,
      onClosed: this.#onClosed,
      nowMs,
    });
    this.#connections.add(connection);
    listener?.onConnect?.(hostAddress, identity !== null);
    socket.resume();
  }

  readonly #onClosed = (connection: Connection): void => {
    this.#connections.delete(connection);
    this.#looksIdle();
  };

  #leave(arrival: Arrival): void {
    if (this.#arrivals.delete(arrival)) {
      this.#looksIdle();
    }
  }

  #looksIdle(): void {
    if (this.#isClosing && this.connectionCount === 0) {
      this.#onIdle?.();
    }
  }

  /** Makes room among those that have not connected: the oldest goes. */
  #evict(): void {
    const pending = [...this.#connections].filter((connection) => connection.isPending);
    if (this.#arrivals.size + pending.length < this.#limits.pendingMax) {
      return;
    }
    this.counters.evicted++;
    for (const arrival of this.#arrivals) {
      arrival.socket.destroy();
      return;
    }
    pending[0]?.destroy('too many hosts that do not connect');
  }

  #sweep(): void {
    const nowMs = this.#options.nowMs();
    for (const { socket, sinceMs } of this.#arrivals) {
      if (nowMs - sinceMs > this.#limits.handshakeMs) {
        this.counters.timeouts++;
        socket.destroy();
      }
    }
    for (const connection of this.#connections) {
      connection.check(nowMs);
    }
  }
}

/** What fails with a socket that is thrown away is of no interest. */
function ignore(): void {}

/**
 * The server: sockets, one for each device, and the turns of the machine between messages.
 *
 * Whoever owns the thread calls `step` again and again. Each step waits for messages, a deadline of the machine, or `wake`;
 * answers what has come; and then lets the machine work.
 */
import { PS_PER_MS } from '../../access/index.ts';
import { assert } from '../../base/index.ts';
import type { EventQueue } from '../../fabric/index.ts';
import { EventFd, NativeBuffer, POLL_IN, PollSet, SocketIo, UnixListener } from '../../host/index.ts';
import { Connection, RECEIVE_BYTES } from './connection.ts';
import { ServeCounters } from './counters.ts';
import type { GuestMemory } from './guest-memory.ts';
import { ClientInterrupts } from './interrupts.ts';
import type { EndReason, ServeListener } from './listener.ts';
import type { RemoteDma } from './remote-dma.ts';
import { RequestHandler } from './request-handler.ts';
import { checkDevice, type ServedDevice } from './served-device.ts';

/** Events of the machine between two looks at the sockets. */
const EVENTS_PER_STEP = 256;
/** The longest time that `poll` takes. */
const WAIT_MS_MAX = 0x7fff_ffff;

export interface ServerOptions {
  readonly devices: readonly ServedDevice[];
  /** Of the machine; driven by hand, that is by the server alone. */
  readonly queue: EventQueue;
  /** The machine's system memory and what lies beyond it: those that its fabric was made with. */
  readonly memory: GuestMemory;
  readonly remote: RemoteDma;
  readonly log: ServeListener | null;
  /** What time it is. Never less than before. */
  readonly nowPs: () => number;
}

/** A device and its socket. */
class Port {
  readonly device: ServedDevice;
  readonly counters = new ServeCounters();
  readonly interrupts: ClientInterrupts;
  readonly listener: UnixListener;
  connection: Connection | null = null;
  /** Places in the poll set of this step; -1 for none. */
  connectionIndex = -1;
  unmaskIndex = -1;
  listenerIndex = -1;

  constructor(device: ServedDevice, log: ServeListener | null) {
    this.device = device;
    this.listener = UnixListener.open(device.socketPath);
    this.interrupts = new ClientInterrupts(device, this.counters, log);
    device.fn.interruptDelivery = this.interrupts;
  }
}

export class VfioUserServer {
  readonly #options: ServerOptions;
  readonly #wake = new EventFd();
  readonly #ports: Port[] = [];
  readonly #io = new SocketIo();
  readonly #poll = new PollSet();
  /** Of connections that are over, to be used again. */
  readonly #buffers: NativeBuffer[] = [];
  #isClosed = false;

  /** @throws {ServeError} SERVE_NOT_SERVABLE; {HostError} HOST_NO_FFI, HOST_NOT_LINUX */
  constructor(options: ServerOptions) {
    this.#options = options;
    for (const device of options.devices) {
      checkDevice(device);
    }
  }

  /** An event counter: whoever adds to it, from whichever thread, ends the wait of `step`. */
  get wakeFd(): number {
    return this.#wake.fd;
  }

  /**
   * Opens the sockets.
   * @throws {HostError} HOST_SOCKET_PATH, HOST_SOCKET_IN_USE, HOST_NOT_SOCKET, HOST_CALL_FAILED; then none is open
   */
  open(): void {
    assert(this.#ports.length === 0 && !this.#isClosed, 'a server was opened twice');
    try {
      for (const device of this.#options.devices) {
        this.#ports.push(new Port(device, this.#options.log));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Ends the wait of `step`. */
  wake(): void {
    this.#wake.signal();
  }

  /**
   * One turn.
   * @param timeoutMs  to wait at most when nothing is to be done; 0 for not at all, -1 for without end
   * @returns whether it was woken
   */
  step(timeoutMs: number): boolean {
    const poll = this.#poll;
    poll.clear();
    const wakeIndex = poll.add(this.#wake.fd, POLL_IN);
    for (const port of this.#ports) {
      const { connection } = port;
      port.connectionIndex = connection === null ? -1 : poll.add(connection.fd, connection.pollEvents);
      const { unmaskFd } = port.interrupts;
      port.unmaskIndex = unmaskFd < 0 ? -1 : poll.add(unmaskFd, POLL_IN);
      port.listenerIndex = poll.add(port.listener.fd, POLL_IN);
    }
    const found = poll.wait(this.#waitMs(timeoutMs));
    if (found > 0) {
      for (const port of this.#ports) {
        this.#serve(port);
      }
    }
    const isWoken = found > 0 && poll.found(wakeIndex) !== 0 && this.#wake.drain();
    this.#run();
    return isWoken;
  }

  /** By name of the device. The objects go on counting. */
  counters(): ReadonlyMap<string, ServeCounters> {
    return new Map(this.#ports.map(({ device, counters }) => [device.name, counters]));
  }

  isConnected(name: string): boolean {
    return this.#ports.some(({ device, connection }) => device.name === name && connection !== null);
  }

  /** Ends all connections and removes the sockets. Idempotent. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    for (const port of this.#ports) {
      this.#disconnect(port, 'shut-down', '');
      port.device.fn.interruptDelivery = null;
      port.listener.close();
    }
    this.#ports.length = 0;
    this.#wake.close();
  }

  #serve(port: Port): void {
    const poll = this.#poll;
    if (port.unmaskIndex >= 0 && poll.found(port.unmaskIndex) !== 0) {
      port.interrupts.unmaskSignalled();
    }
    const { connection } = port;
    if (connection !== null && port.connectionIndex >= 0) {
      if (poll.found(port.connectionIndex) !== 0) {
        connection.advance();
        port.interrupts.flush();
      }
      this.#endIfOver(port);
    }
    if ((poll.found(port.listenerIndex) & POLL_IN) !== 0) {
      this.#accept(port);
    }
  }

  #accept(port: Port): void {
    const fd = port.listener.accept();
    if (fd < 0) {
      return;
    }
    const { log, memory, remote } = this.#options;
    if (port.connection !== null) {
      this.#io.close(fd);
      log?.onTurnedAway?.(port.device);
      return;
    }
    const { device, counters, interrupts } = port;
    const handler = new RequestHandler({ device, counters, listener: log, memory, remote, interrupts });
    const buffer = this.#buffers.pop() ?? new NativeBuffer(RECEIVE_BYTES);
    port.connection = new Connection(fd, this.#io, buffer, handler);
    counters.connections++;
    log?.onConnect?.(device);
  }

  /** Lets the machine work, and sends what it has to say. */
  #run(): void {
    const { queue, nowPs } = this.#options;
    queue.runUntil(nowPs(), EVENTS_PER_STEP);
    for (const port of this.#ports) {
      port.interrupts.flush();
      const { connection } = port;
      if (connection !== null) {
        connection.handler.link?.pump(connection.out);
        if (connection.out.queuedBytes > 0) {
          connection.flush();
        }
        this.#endIfOver(port);
      }
    }
  }

  #endIfOver(port: Port): void {
    const reason = port.connection?.endReason ?? null;
    if (reason !== null) {
      this.#disconnect(port, reason, port.connection!.endDetail);
    }
  }

  #disconnect(port: Port, reason: EndReason, detail: string): void {
    const { connection, device, counters } = port;
    if (connection === null) {
      return;
    }
    port.connection = null;
    if (reason !== 'closed' && reason !== 'shut-down' && reason !== 'connection-lost') {
      counters.violations++;
    }
    connection.handler.leave();
    connection.close();
    this.#buffers.push(connection.buffer);
    this.#options.log?.onDisconnect?.(device, reason, detail);
  }

  /** Until the machine has something to do, at most what the caller wants. */
  #waitMs(timeoutMs: number): number {
    const { queue, nowPs } = this.#options;
    const { nextPs } = queue;
    if (nextPs === Number.POSITIVE_INFINITY || timeoutMs === 0) {
      return timeoutMs;
    }
    const untilMs = Math.ceil(Math.max(0, nextPs - nowPs()) / PS_PER_MS);
    return timeoutMs < 0 ? Math.min(untilMs, WAIT_MS_MAX) : Math.min(untilMs, timeoutMs);
  }
}

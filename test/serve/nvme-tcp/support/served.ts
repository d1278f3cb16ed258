// A target with a namespace in memory behind NVMe/TCP on 127.0.0.1, and ways to it.
import { connect, type Socket } from 'node:net';
import {
  type HostConfig,
  MemoryTarget,
  newHost,
  newNamespace,
  newPort,
  newSubsystem,
  PooledMemory,
  type PortConfig,
  Target,
} from '../../../../src/orchestrators/index.ts';
import {
  DhchapAuthenticator,
  HostController,
  type NvmeTcpLimits,
  NvmeTcpServer,
  type PskTable,
  type SessionOptions,
  WallExecutor,
} from '../../../../src/serve/nvme-tcp/index.ts';

export const SUBSYSTEM = 'nqn.2024-01.org.example:disk';
export const HOST = 'nqn.2024-01.org.example:host-a';
export const BLOCK = 512;
export const BLOCKS = 16_384;

export interface ServedOptions {
  readonly limits?: Partial<NvmeTcpLimits>;
  readonly keys?: PskTable | null;
  readonly hosts?: readonly Partial<HostConfig>[];
  readonly port?: Partial<PortConfig>;
  readonly isTls?: 'optional' | 'required';
  readonly allowAnyHost?: boolean;
}

export interface Served {
  readonly target: Target;
  readonly server: NvmeTcpServer;
  readonly port: number;
  readonly memory: PooledMemory;
  readonly disk: MemoryTarget;
  readonly log: string[];
  session(more?: Partial<SessionOptions>): SessionOptions;
  host(more?: Partial<SessionOptions>): Promise<HostController>;
  raw(): Promise<RawHost>;
  close(): Promise<void>;
}

export async function serve(options: ServedOptions = {}): Promise<Served> {
  const nowMs = (): number => performance.now();
  const hosts = (options.hosts ?? []).map((host) => ({ ...newHost(HOST), ...host }));
  const target = new Target({
    executor: new WallExecutor(nowMs),
    authenticator: new DhchapAuthenticator(hosts),
  });
  const memory = PooledMemory.ofBytes(64 << 20);
  for (const host of hosts) {
    target.addHost(host);
  }
  target.addSubsystem({ ...newSubsystem(SUBSYSTEM), allowAnyHost: options.allowAnyHost ?? true });
  const disk = new MemoryTarget({ label: 'memory', sizeBytes: BLOCK * BLOCKS, blockBytes: BLOCK });
  target.enableNamespace(SUBSYSTEM, newNamespace(1, 'memory'), {
    target: disk,
    memory,
    kind: 'memory',
    deallocatedReadsZero: true,
  });
  const base = newPort(1, '127.0.0.1', '0');
  const config: PortConfig = {
    ...base,
    subsystems: [SUBSYSTEM],
    address: {
      ...base.address,
      secureChannel: options.isTls === 'required' ? 'required' : base.address.secureChannel,
      specific: options.isTls === undefined ? base.address.specific : 'tls1.3',
    },
    ...options.port,
  };
  target.addPort(config);
  const log: string[] = [];
  const server = new NvmeTcpServer({
    open: (queue) => target.openQueue(queue),
    keys: options.keys ?? null,
    listener: {
      onConnect: (_address, isSecure) => log.push(`connect ${isSecure ? 'tls' : 'plain'}`),
      onDisconnect: (_address, why) => log.push(`disconnect: ${why}`),
      onViolation: (_address, what) => log.push(`violation: ${what}`),
      onTurnedAway: (_address, why) => log.push(`turned away: ${why}`),
    },
    nowMs,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  const port = await server.listen(config);
  const session = (more: Partial<SessionOptions> = {}): SessionOptions => ({
    address: { host: '127.0.0.1', port, psk: null },
    hostNqn: HOST,
    subsystemNqn: SUBSYSTEM,
    hostId: new Uint8Array(16).fill(7),
    depth: 32,
    proof: null,
    ...more,
  });
  return {
    target,
    server,
    port,
    memory,
    disk,
    log,
    session,
    host: (more) => HostController.connect(session(more)),
    raw: () => RawHost.open(port),
    close: () => server.close(),
  };
}

/** A socket that says what it likes, and keeps what it hears. */
export class RawHost {
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #isEnded = false;
  readonly #watchers: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#look();
    });
    socket.on('error', () => {});
    socket.on('end', () => this.#end());
    socket.on('close', () => this.#end());
  }

  static open(port: number): Promise<RawHost> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new RawHost(socket)));
    });
  }

  write(...parts: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(parts));
  }

  get received(): Buffer {
    return this.#bytes;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** The next PDU, or null when the connection ended before. */
  async pdu(): Promise<Buffer | null> {
    for (;;) {
      if (this.#bytes.length >= 8) {
        const plen = this.#bytes.readUInt32LE(4);
        if (this.#bytes.length >= plen) {
          const pdu = this.#bytes.subarray(0, plen);
          this.#bytes = this.#bytes.subarray(plen);
          return pdu;
        }
      }
      if (this.#isEnded) {
        return null;
      }
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  async ended(): Promise<void> {
    while (!this.#isEnded) {
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #end(): void {
    this.#isEnded = true;
    this.#look();
  }

  #look(): void {
    for (const watcher of this.#watchers.splice(0)) {
      watcher();
    }
  }
}

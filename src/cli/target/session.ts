/** A target that serves: its backends, the core and the ports, opened together and ended together. */
import { type NamespaceBackend, Target, type TargetNamespace } from '../../orchestrators/index.ts';
import { DhchapAuthenticator, NvmeTcpServer, type PskTable, WallExecutor } from '../../serve/index.ts';
import { Backends } from './backends.ts';
import type { TargetCounters } from './counters.ts';
import type { TargetEvent } from './events.ts';
import type { PlannedNamespace, TargetPlan } from './plan.ts';

export interface ListeningPort {
  readonly portId: number;
  readonly address: string;
  readonly port: number;
  readonly subsystems: readonly string[];
}

export interface SessionOptions {
  /** TLS keys; null: no TLS. */
  readonly keys: PskTable | null;
  /** Whether what the target does for hosts that behave is an event too. */
  readonly isVerbose: boolean;
  /** A clock that never goes back, ms. */
  readonly nowMs: () => number;
  readonly onEvent: (event: TargetEvent) => void;
}

interface OpenNamespace {
  readonly planned: PlannedNamespace;
  readonly backend: NamespaceBackend;
}

export class TargetSession {
  readonly ports: readonly ListeningPort[];
  readonly #target: Target;
  readonly #server: NvmeTcpServer;
  readonly #backends: Backends;
  readonly #namespaces: readonly (readonly [PlannedNamespace, TargetNamespace])[];
  readonly #atS: () => number;

  private constructor(
    ports: readonly ListeningPort[],
    target: Target,
    server: NvmeTcpServer,
    backends: Backends,
    namespaces: readonly (readonly [PlannedNamespace, TargetNamespace])[],
    atS: () => number,
  ) {
    this.ports = ports;
    this.#target = target;
    this.#server = server;
    this.#backends = backends;
    this.#namespaces = namespaces;
    this.#atS = atS;
  }

  /**
   * Every port listens when it resolves; when it rejects nothing is left open.
   * @throws {HostError} of backends; {TargetError} TARGET_BACKEND; {NvmeTcpError} NVMETCP_LISTEN and secrets that are none
   */
  static async open(plan: TargetPlan, options: SessionOptions): Promise<TargetSession> {
    const { nowMs, onEvent, isVerbose, keys } = options;
    const startMs = nowMs();
    const atS = (): number => (nowMs() - startMs) / 1000;
    const authenticator = new DhchapAuthenticator(plan.config.hosts);
    const target = new Target({
      executor: new WallExecutor(nowMs),
      authenticator,
      log: (level, line) => {
        if (isVerbose || level !== 'info') {
          onEvent({ event: 'log', atS: atS(), level, line });
        }
      },
    });
    const server = new NvmeTcpServer({
      open: (queue) => target.openQueue(queue),
      keys,
      nowMs,
      listener: {
        onConnect: (host, secure) => onEvent({ event: 'connected', atS: atS(), host, secure }),
        onDisconnect: (host, why) => onEvent({ event: 'disconnected', atS: atS(), host, why }),
        onViolation: (host, what) => onEvent({ event: 'violation', atS: atS(), host, what }),
        onTurnedAway: (host, why) => onEvent({ event: 'turned-away', atS: atS(), host, why }),
      },
    });
    const backends = new Backends();
    const waiting: OpenNamespace[] = [];
    try {
      for (const planned of plan.namespaces) {
        waiting.push({ planned, backend: backends.open(planned) });
      }
      const { hosts, subsystems, unknown } = plan.config;
      target.keepUnknown(unknown);
      for (const host of hosts) {
        target.addHost(host);
      }
      for (const subsystem of subsystems) {
        target.addSubsystem(subsystem);
      }
      const namespaces: (readonly [PlannedNamespace, TargetNamespace])[] = [];
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        const { planned, backend } = next;
        namespaces.push([planned, target.enableNamespace(planned.subsystemNqn, planned.config, backend)]);
        // The target's from here on.
        waiting.shift();
      }
      const ports = await listen(plan, target, server);
      return new TargetSession(ports, target, server, backends, namespaces, atS);
    } catch (error) {
      await server.close();
      await target.drain();
      await Promise.all(waiting.map(({ backend }) => backend.target.close()));
      backends.close();
      throw error;
    }
  }

  get atS(): number {
    return this.#atS();
  }

  counters(): TargetCounters {
    return {
      atS: this.#atS(),
      connections: this.#server.connectionCount,
      controllers: this.#target.controllerCount,
      transport: { ...this.#server.counters },
      namespaces: this.#namespaces.map(([planned, namespace]) => ({
        subsystem: planned.subsystemNqn,
        nsid: namespace.nsid,
        path: planned.config.device.path,
        kind: namespace.backend.kind,
        sizeBytes: namespace.sizeBytes,
        blockBytes: namespace.blockBytes,
        counters: { ...namespace.counters },
      })),
    };
  }

  /** Takes no more hosts, answers what has begun, closes connections and then backends. @param timeoutMs  for the connections */
  async drain(timeoutMs: number): Promise<void> {
    await this.#server.drain(timeoutMs);
    await this.#target.drain();
    this.#backends.close();
  }
}

async function listen(
  plan: TargetPlan,
  target: Target,
  server: NvmeTcpServer,
): Promise<readonly ListeningPort[]> {
  const listening: ListeningPort[] = [];
  for (const port of plan.ports) {
    const number = await server.listen(port);
    // Before anything can have come: hosts find the number in the discovery log.
    target.addPort({ ...port, address: { ...port.address, serviceId: String(number) } });
    listening.push({
      portId: port.portId,
      address: port.address.transportAddress,
      port: number,
      subsystems: port.subsystems,
    });
  }
  return listening;
}

/**
 * An NVM subsystem: the namespaces that its controllers share, which are attached where, and what all controllers do
 * together (sanitize, subsystem reset).
 *
 * One controller makes one of its own; a lab that wants several paths to a namespace makes one and hands it to each.
 * Leaves out domains, NVM sets and several endurance groups. Follows NVM Express Base 2.1, sections 2.3, 3.2 and 8.1.14.
 */
import { SeededRandom } from '../../base/index.ts';
import { ANA_STATE, NVME_STATUS } from '../../spec/nvme/index.ts';
import { Namespace } from './media/index.ts';
import { DeviceError, type NamespaceOptions, type ResolvedOptions } from './options.ts';

/** A controller as its subsystem sees it. */
export interface SubsystemMember {
  readonly controllerId: number;
  /** Namespaces were attached, detached, made, deleted, resized or formatted. `by` is the controller that was told to. */
  onNamespacesChanged(nsids: readonly number[], by: number): void;
  onSubsystemReset(): void;
  /** A sanitize began, ended or failed, or the path's state changed: what every I/O command fails with may be another. */
  updateIoGate(): void;
  onAnaChanged(): void;
  onSanitized(): void;
  /** Whether no command under way touches a namespace. */
  isIdle(nsid: number): boolean;
}

export interface NamespaceEntry {
  readonly namespace: Namespace;
  /** Controllers that it is attached to. */
  readonly attached: Set<number>;
  /** In the order in which they are sent; null for none. */
  readonly uuid: Uint8Array | null;
  readonly nguid: Uint8Array | null;
  readonly eui64: Uint8Array | null;
  /** Bytes of the capacity that it takes. */
  readonly bytes: number;
}

export interface SubsystemOptions {
  readonly nqn?: string;
  readonly seed?: number;
  /** Controllers that may join; default 1. */
  readonly controllerCountMax?: number;
  /** Asymmetric Namespace Access is reported; default: with several controllers. */
  readonly hasAna?: boolean;
}

/** SOS of the Sanitize Status log. NVM Express Base 2.1, 5.1.12.1.33. */
export const SANITIZE_OUTCOME = { NEVER: 0, DONE: 1, RUNNING: 2, FAILED: 3 } as const;

/** Of all namespaces: one group. */
export const ANA_GROUP_ID = 1;

export class NvmSubsystem {
  readonly nqn: string;
  readonly seed: number;
  readonly controllerCountMax: number;
  readonly hasAna: boolean;
  readonly #entries = new Map<number, NamespaceEntry>();
  readonly #members: (SubsystemMember | undefined)[] = [];
  /** By controller; optimized where nothing is set. */
  readonly #anaStates = new Map<number, number>();
  #tracksPowerLoss = false;
  anaChangeCount = 0;
  capacityBytes = 0;
  /** Sanitize: see admin/sanitize.ts, which owns it. */
  readonly sanitize = {
    /** See SANITIZE_OUTCOME. */
    outcome: SANITIZE_OUTCOME.NEVER as number,
    progress: 0xffff,
    cdw10: 0,
    isAllowedToFail: false,
    /** GDE. */
    isErased: false,
  };

  constructor(options: SubsystemOptions = {}) {
    this.seed = options.seed ?? 1;
    this.controllerCountMax = options.controllerCountMax ?? 1;
    this.hasAna = options.hasAna ?? this.controllerCountMax > 1;
    this.nqn =
      options.nqn ??
      `nqn.2014-08.org.nvmexpress:uuid:${formatUuid(identifier(new SeededRandom(this.seed), 16))}`;
  }

  /**
   * Takes a controller in and makes its namespaces, attached to it; shared ones of others are attached too.
   * @throws {DeviceError} DEVICE_OPTIONS when there is no room, or an NSID is taken
   */
  join(member: SubsystemMember, options: ResolvedOptions): void {
    if (this.#members.filter((other) => other !== undefined).length >= this.controllerCountMax) {
      throw new DeviceError('DEVICE_OPTIONS', {
        message: `the subsystem ${this.nqn} has no room for another controller`,
        hint: 'raise controllerCountMax',
      });
    }
    this.#members[member.controllerId] = member;
    this.capacityBytes += options.capacityBytes;
    for (const entry of this.#entries.values()) {
      if (entry.namespace.isShared) {
        entry.attached.add(member.controllerId);
      }
    }
    this.#tracksPowerLoss ||= options.losesUnflushedWrites;
    for (const one of options.namespaces) {
      const nsid = one.nsid ?? this.freeNsid();
      if (this.#entries.has(nsid)) {
        throw new DeviceError('DEVICE_OPTIONS', {
          message: `two namespaces have the NSID ${nsid}`,
          hint: 'leave nsid out and they are numbered',
        });
      }
      const entry = this.add(nsid, one);
      entry.attached.add(member.controllerId);
      if (entry.namespace.isShared) {
        for (const other of this.members()) {
          entry.attached.add(other.controllerId);
        }
      }
    }
  }

  /** The controller id that the next member should have. */
  nextControllerId(): number {
    return this.#members.length;
  }

  *members(): Iterable<SubsystemMember> {
    for (const member of this.#members) {
      if (member !== undefined) {
        yield member;
      }
    }
  }

  /** Whether no command of any controller touches a namespace: it may be formatted or deleted. */
  isIdle(nsid: number): boolean {
    for (const member of this.members()) {
      if (!member.isIdle(nsid)) {
        return false;
      }
    }
    return true;
  }

  hasController(controllerId: number): boolean {
    return this.#members[controllerId] !== undefined;
  }

  get unallocatedBytes(): number {
    let sum = 0;
    for (const entry of this.#entries.values()) {
      sum += entry.bytes;
    }
    return Math.max(0, this.capacityBytes - sum);
  }

  entry(nsid: number): NamespaceEntry | undefined {
    return this.#entries.get(nsid);
  }

  /** All allocated namespaces, ascending. */
  entries(): readonly NamespaceEntry[] {
    return [...this.#entries.values()].sort((a, b) => a.namespace.nsid - b.namespace.nsid);
  }

  /** The namespace when it is attached to the controller. On the path of every I/O command. */
  attachedNamespace(nsid: number, controllerId: number): Namespace | undefined {
    const entry = this.#entries.get(nsid);
    return entry?.attached.has(controllerId) === true ? entry.namespace : undefined;
  }

  freeNsid(): number {
    let nsid = 1;
    while (this.#entries.has(nsid)) {
      nsid++;
    }
    return nsid;
  }

  /** Makes a namespace, attached to nobody. */
  add(nsid: number, options: NamespaceOptions): NamespaceEntry {
    const random = new SeededRandom((this.seed ^ Math.imul(nsid, 0x9e37_79b1)) >>> 0);
    const uuid = options.uuid === undefined ? identifier(random, 16) : fromHex('uuid', options.uuid, 16);
    if (options.uuid === undefined) {
      // A random UUID of variant 1. RFC 9562, 5.4.
      uuid[6] = (uuid[6]! & 0x0f) | 0x40;
      uuid[8] = (uuid[8]! & 0x3f) | 0x80;
    }
    const entry: NamespaceEntry = {
      namespace: new Namespace({ nsid, options, seed: this.seed, tracksPowerLoss: this.#tracksPowerLoss }),
      attached: new Set(),
      uuid,
      nguid: options.nguid === undefined ? identifier(random, 16) : fromHex('nguid', options.nguid, 16),
      eui64: options.eui64 === undefined ? identifier(random, 8) : fromHex('eui64', options.eui64, 8),
      bytes: options.sizeBlocks * (options.blockBytes ?? 512),
    };
    this.#entries.set(nsid, entry);
    return entry;
  }

  delete(nsid: number): void {
    this.#entries.delete(nsid);
  }

  /** Tells all controllers. */
  announce(nsids: readonly number[], by: number): void {
    for (const member of this.members()) {
      member.onNamespacesChanged(nsids, by);
    }
  }

  /** NSSR: every controller is reset. */
  reset(): void {
    for (const member of this.members()) {
      member.onSubsystemReset();
    }
  }

  /** What every I/O command through a controller fails with; 0 for nothing. */
  ioGateOf(controllerId: number): number {
    const { outcome } = this.sanitize;
    if (outcome === SANITIZE_OUTCOME.RUNNING) {
      return NVME_STATUS.SANITIZE_IN_PROGRESS;
    }
    if (outcome === SANITIZE_OUTCOME.FAILED) {
      return NVME_STATUS.SANITIZE_FAILED;
    }
    switch (this.anaState(controllerId)) {
      case ANA_STATE.INACCESSIBLE:
        return NVME_STATUS.ANA_INACCESSIBLE;
      case ANA_STATE.PERSISTENT_LOSS:
        return NVME_STATUS.ANA_PERSISTENT_LOSS;
      case ANA_STATE.CHANGE:
        return NVME_STATUS.ANA_TRANSITION;
      default:
        return 0;
    }
  }

  anaState(controllerId: number): number {
    return this.#anaStates.get(controllerId) ?? ANA_STATE.OPTIMIZED;
  }

  /** A lab lets the path through a controller degrade; the controller tells its host. See ANA_STATE. */
  setAnaState(controllerId: number, state: number): void {
    this.#anaStates.set(controllerId, state);
    this.anaChangeCount++;
    this.#members[controllerId]?.onAnaChanged();
  }
}

function identifier(random: SeededRandom, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(256));
}

function fromHex(name: string, text: string, length: number): Uint8Array {
  const digits = text.replaceAll('-', '');
  if (!/^[0-9a-f]*$/i.test(digits) || digits.length !== 2 * length) {
    throw new DeviceError('DEVICE_OPTIONS', {
      message: `${name} "${text}" is not ${2 * length} hexadecimal digits`,
      hint: 'leave it out and it is made from the seed',
    });
  }
  return Uint8Array.from({ length }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

function formatUuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * What a target is made of, as configfs and `nvmetcli saveconfig` have it: hosts, ports, subsystems.
 *
 * Names of the JSON stay (`traddr`, `allow_any_host`); `read.ts` and `write.ts` translate, and keep the keys that they do not know.
 * Facts: linux-nvme/nvmetcli nvmet/nvme.py (dump and restore of each node), Linux 7.1.5 drivers/nvme/target/configfs.c (attributes).
 */

/** Keys that we do not know, kept for writing. Those of a group (`attr`, `addr`, `param`, `device`) lie under its name. */
export type UnknownKeys = Readonly<Record<string, unknown>>;

/** All of a target. */
export interface TargetConfig {
  readonly hosts: readonly HostConfig[];
  readonly ports: readonly PortConfig[];
  readonly subsystems: readonly SubsystemConfig[];
  readonly unknown: UnknownKeys;
}

export interface HostConfig {
  readonly nqn: string;
  /** Secrets of in-band authentication as `DHHC-1:..`; null: none. */
  readonly dhchapKey: string | null;
  readonly dhchapCtrlKey: string | null;
  /** `hmac(sha256)`, `hmac(sha384)`, `hmac(sha512)`. */
  readonly dhchapHash: string | null;
  /** `null`, `ffdhe2048` and so on. */
  readonly dhchapDhgroup: string | null;
  readonly unknown: UnknownKeys;
}

export type AnaStateName = 'optimized' | 'non-optimized' | 'inaccessible' | 'persistent-loss' | 'change';

export interface AnaGroupConfig {
  readonly groupId: number;
  readonly state: AnaStateName;
  readonly unknown: UnknownKeys;
}

export type TransportType = 'tcp' | 'rdma' | 'loop' | 'fc';
export type AddressFamily = 'ipv4' | 'ipv6' | 'ib' | 'fc' | 'loop';
/** Whether a connection must be secured: TREQ of the discovery log. */
export type SecureChannel = 'not specified' | 'required' | 'not required';

/** Where something listens; also what a referral points to. */
export interface AddressConfig {
  readonly addressFamily: AddressFamily;
  readonly transportAddress: string;
  readonly serviceId: string;
  readonly transportType: TransportType;
  readonly secureChannel: SecureChannel;
  /** Transport specific: `none` and `tls1.3` for TCP, null: not said. */
  readonly specific: string | null;
}

export interface ReferralConfig {
  readonly name: string;
  readonly portId: number;
  readonly isEnabled: boolean;
  readonly address: AddressConfig;
  readonly unknown: UnknownKeys;
}

export interface PortConfig {
  readonly portId: number;
  readonly address: AddressConfig;
  /** Group 1 is always there. */
  readonly anaGroups: readonly AnaGroupConfig[];
  /** Bytes of data in a capsule; -1: as the transport likes it. */
  readonly inlineDataSize: number;
  readonly isProtectionEnabled: boolean;
  /** Largest queue that a host may ask for; null: 128. */
  readonly maxQueueSize: number | null;
  /** Largest transfer as a power of two of 4 KiB; null: as the target likes it. */
  readonly mdts: number | null;
  readonly referrals: readonly ReferralConfig[];
  /** NQNs of the subsystems that are reached through it. */
  readonly subsystems: readonly string[];
  readonly unknown: UnknownKeys;
}

export interface NamespaceConfig {
  readonly nsid: number;
  readonly isEnabled: boolean;
  readonly anaGroupId: number;
  readonly device: {
    /** What the backend opens: `/dev/nvme0n1`, a file, a drive's name. */
    readonly path: string;
    /** 16 bytes as 8-4-4-4-12 hexadecimal digits; null: none. */
    readonly uuid: string | null;
    readonly nguid: string | null;
  };
  /** File namespaces through the page cache. */
  readonly isBuffered: boolean | null;
  /** Text of the attribute, as `enableStore` of p2pdma reads it; null: never written. */
  readonly p2pmem: string | null;
  /** Persistent reservations. */
  readonly hasReservations: boolean;
  readonly unknown: UnknownKeys;
}

export interface SubsystemConfig {
  readonly nqn: string;
  readonly allowAnyHost: boolean;
  readonly allowedHosts: readonly string[];
  readonly serial: string | null;
  /** `1.3`, `2.1`; null: the target's own. */
  readonly version: string | null;
  readonly model: string | null;
  readonly firmware: string | null;
  readonly cntlidMin: number | null;
  readonly cntlidMax: number | null;
  /** I/O queues of one controller; null: 128. */
  readonly qidMax: number | null;
  readonly isProtectionEnabled: boolean;
  /** Static: a host asks for a controller by its number. Ours, not the kernel's; null: dynamic. */
  readonly controllerModel: 'dynamic' | 'static' | null;
  readonly namespaces: readonly NamespaceConfig[];
  readonly unknown: UnknownKeys;
}

/** What is counted while a target serves, in plain values for people and JSON. */
import type { NamespaceCounters } from '../../orchestrators/index.ts';
import type { NvmeTcpCounters } from '../../serve/index.ts';

export interface ServedNamespace {
  readonly subsystem: string;
  readonly nsid: number;
  /** As the configuration has it. */
  readonly path: string;
  readonly kind: string;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly counters: Readonly<NamespaceCounters>;
}

export interface TargetCounters {
  /** Seconds since serving began. */
  readonly atS: number;
  /** Connections that are there now. */
  readonly connections: number;
  /** Of all hosts, discovery included. */
  readonly controllers: number;
  /** Of the ports, since the start. */
  readonly transport: Readonly<NvmeTcpCounters>;
  readonly namespaces: readonly ServedNamespace[];
}

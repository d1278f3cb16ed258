/** What a server says of itself. */
import type { LogLevel } from './log/levels.ts';

export interface DeviceStatus {
  readonly name: string;
  readonly socket: string;
  readonly isConnected: boolean;
  /** Pulled out: config space and registers read all ones. */
  readonly isEjected: boolean;
  /** Of an NVMe controller: `ready`, ...; null for other devices. */
  readonly phase: string | null;
  /** Where the guest has put its BARs, as long as they decode. */
  readonly bars: readonly { readonly bar: number; readonly address: number; readonly lengthBytes: number }[];
}

export interface FaultStatus {
  readonly id: number;
  /** As it stands in the lab file, or was added. */
  readonly rule: Readonly<Record<string, unknown>>;
  /** How often it has acted. */
  readonly acted: number;
}

export interface ServerStatus {
  /** Seconds since serving began. */
  readonly atS: number;
  readonly lab: string;
  readonly pid: number;
  readonly devices: readonly DeviceStatus[];
  readonly faults: readonly FaultStatus[];
  readonly logs: readonly LogLevel[];
}

/** What is counted while devices are served, in plain values: for people, JSON and the other thread. */

export interface DataCounts {
  /** Payload of commands. */
  readonly dataBytes: number;
  /** Queue entries, lists. */
  readonly controlBytes: number;
}

/** Of one device. Bytes that a device moves are from its point of view: it reads them from somewhere, or writes them there. */
export interface DeviceCounters {
  readonly name: string;
  readonly isConnected: boolean;
  /** Of the guest's processors, to config space and to registers that are not mapped. */
  readonly accesses: number;
  /** NVMe commands that ended; 0 for other devices. */
  readonly commands: number;
  readonly guestMemory: { readonly read: DataCounts; readonly written: DataCounts };
  /** BARs of devices that are served here. */
  readonly peers: { readonly read: DataCounts; readonly written: DataCounts };
  /** Carried out by QEMU, in messages. */
  readonly messages: { readonly read: DataCounts; readonly written: DataCounts };
  readonly interrupts: number;
}

/** Of one link, by the port above it. */
export interface LinkCounters {
  readonly port: string;
  /** Name of what is at its lower end; null where it has none. */
  readonly to: string | null;
  readonly up: DataCounts;
  readonly down: DataCounts;
}

export interface ServerCounters {
  /** Seconds since serving began. */
  readonly atS: number;
  readonly devices: readonly DeviceCounters[];
  readonly links: readonly LinkCounters[];
}

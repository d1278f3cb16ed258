/** An endpoint of a guest's machine as the server wants it. */
import { type EndpointModel, type FabricFunction, Memory } from '../../fabric/index.ts';
import { SharedMemory, WINDOW_BYTES } from '../../host/index.ts';
import type { GuestEndpoint, GuestMachine } from '../../lab/index.ts';
import type { ServedDevice, SharedBar } from '../../serve/index.ts';

/** Memory of BARs that guests may map, by what the machine has of it. */
export class SharedBars {
  readonly #files = new Map<Memory, SharedMemory>();

  /**
   * As `GuestMachineOptions.shareMemory`. Memory that no window can show as a whole is not shared: the guest's accesses to it are
   * calls. @throws {HostError}
   */
  readonly make = (name: string, sizeBytes: number): Memory | null => {
    if (sizeBytes > WINDOW_BYTES) {
      return null;
    }
    const file = new SharedMemory(`peerlane-${name}`, sizeBytes);
    const memory = Memory.over(file.bytes);
    this.#files.set(memory, file);
    return memory;
  };

  /** One file a BAR; of a BAR with several the first. */
  barsOf({ mappable }: GuestEndpoint): readonly SharedBar[] {
    const byBar = new Map<number, (typeof mappable)[number][]>();
    for (const range of mappable) {
      const ranges = byBar.get(range.bar) ?? [];
      if (ranges[0] === undefined || ranges[0].memory === range.memory) {
        byBar.set(range.bar, [...ranges, range]);
      }
    }
    return [...byBar].map(([bar, ranges]) => ({
      bar,
      fd: this.#files.get(ranges[0]!.memory)!.fd,
      // Before the start of the file, where its memory does not begin with the BAR.
      fileOffsetBytes: ranges[0]!.memoryOffset - ranges[0]!.offsetBytes,
      areas: ranges.map(({ offsetBytes, lengthBytes }) => ({ offsetBytes, lengthBytes })),
    }));
  }

  /** The machine is not used any more. */
  close(): void {
    for (const file of this.#files.values()) {
      file.close();
    }
    this.#files.clear();
  }
}

export class ServedEndpoint implements ServedDevice {
  readonly name: string;
  readonly socketPath: string;
  readonly fn: FabricFunction;
  readonly model: EndpointModel;
  readonly bars: readonly SharedBar[];
  readonly #machine: GuestMachine;
  readonly #endpoint: GuestEndpoint;

  constructor(
    machine: GuestMachine,
    endpoint: GuestEndpoint,
    socketPath: string,
    bars: readonly SharedBar[],
  ) {
    this.name = endpoint.name;
    this.socketPath = socketPath;
    this.fn = endpoint.fn;
    this.model = endpoint.model;
    this.bars = bars;
    this.#machine = machine;
    this.#endpoint = endpoint;
  }

  onConfigWrite(): void {
    this.#machine.configWritten(this.#endpoint);
  }

  onReset(): void {
    this.#machine.powerReset(this.#endpoint);
  }
}

/**
 * One endpoint model behind one `PciFunction`, without a fabric: host memory, the BARs, interrupts, and nothing else.
 *
 * In a delaying event queue everything takes a random time, in the order that PCI Express keeps: what the CPU sends arrives
 * in order; writes, interrupts and read completions of the function arrive in order. Loads are then PENDING, and so is DMA.
 */
import {
  type BarWindow,
  type CoherentMemory,
  type ConfigSpace,
  type DmaMapping,
  type DmaSegment,
  type DmaView,
  DONE,
  type EventHandler,
  type Interrupts,
  MMIO_PENDING,
  type MmioReader,
  type PciFunction,
  PENDING,
  PS_PER_MS,
  type Span,
  type Status,
  sleep,
  type Task,
} from '../../../src/access/index.ts';
import {
  assert,
  type Bdf,
  type BusAddr,
  type DmaAddr,
  MappingError,
  type PhysAddr,
} from '../../../src/base/index.ts';
import {
  type BarDescription,
  type BarMemory,
  DMA_STATUS,
  type EndpointModel,
  type EventQueue,
  type FunctionPort,
  Memory,
  type Traffic,
} from '../../../src/fabric/index.ts';

export const HOST_BASE = 0x12_0000_0000;
const BAR_BASE = 0x380_0000_0000;
const PEER_BASE = 0x500_0000_0000;

/** A run of addresses with memory behind it. */
interface Place {
  readonly start: number;
  readonly lengthBytes: number;
  readonly memory: Memory;
  readonly memoryOffset: number;
}

/** Host or peer memory in one or more pieces, anywhere. */
export class TestSpan implements Span {
  readonly kind: 'host' | 'peer';
  readonly provider: Bdf | null;
  readonly lengthBytes: number;
  readonly memory: Memory;
  readonly segments: readonly DmaSegment[];
  mapCount = 0;
  isClosed = false;
  readonly #unplace: () => void;

  constructor(
    memory: Memory,
    segments: readonly DmaSegment[],
    provider: Bdf | null,
    unplace: () => void = () => {},
  ) {
    this.kind = provider === null ? 'host' : 'peer';
    this.provider = provider;
    this.memory = memory;
    this.lengthBytes = memory.sizeBytes;
    this.segments = segments;
    this.#unplace = unplace;
  }

  get bytes(): Uint8Array {
    return this.memory.flat!;
  }

  get isReadable(): boolean {
    return this.kind === 'host';
  }

  copyOut(offsetBytes: number, into: Uint8Array): void {
    assert(this.isReadable && !this.isClosed, 'memory that may not be looked at');
    this.memory.read(offsetBytes, into, 0, into.length);
  }

  copyIn(offsetBytes: number, from: Uint8Array): void {
    assert(this.isReadable && !this.isClosed, 'memory that may not be touched');
    this.memory.write(offsetBytes, from, 0, from.length);
  }

  fill(value: number): void {
    assert(this.isReadable && !this.isClosed, 'memory that may not be touched');
    this.memory.fill(0, this.lengthBytes, value);
  }

  map(): DmaMapping {
    this.mapCount++;
    let isMapped = true;
    return {
      segments: this.segments,
      unmap: () => {
        if (isMapped) {
          isMapped = false;
          this.mapCount--;
        }
      },
    };
  }

  close(): void {
    if (this.isClosed) {
      return;
    }
    if (this.mapCount > 0) {
      throw new MappingError('DMA_IN_USE', {
        message: 'the memory is mapped',
        hint: 'close its users first',
      });
    }
    this.isClosed = true;
    this.#unplace();
  }
}

export interface PlatformOptions {
  readonly executor: EventQueue;
  readonly model: EndpointModel;
  /** Allocations fail beyond this. Default 256 MiB. */
  readonly hostBytes?: number;
  readonly bdf?: string;
  /** Interrupt vectors at most; default what the model has. */
  readonly vectorsMax?: number;
  readonly interrupts?: 'msi-x' | 'intx' | 'none';
  /** A function level reset that does not bring the function back. */
  readonly failsReset?: boolean;
}

const EVENT = { INTX: 0 } as const;

export class DirectPlatform implements PciFunction, FunctionPort, EventHandler {
  readonly bdf: Bdf;
  readonly executor: EventQueue;
  readonly model: EndpointModel;
  onGone: () => void = () => {};
  isPresent = true;
  isBusMaster = false;
  isMemoryEnabled = false;
  resets = 0;
  /** DMA of the model to addresses where nothing is. */
  strayRequests = 0;
  /** Called before every DMA of the model. */
  onDmaRequest: (isWrite: boolean, addr: number, lengthBytes: number) => void = () => {};

  readonly #options: PlatformOptions;
  readonly #places: Place[] = [];
  readonly #windows = new Map<number, BarWindow>();
  #downPs = 0;
  #upPs = 0;
  #nextHost = HOST_BASE;
  #nextPeer = PEER_BASE;
  #hostLeft: number;
  #handler: ((vector: number) => void) | null = null;
  #vectorCount = 0;
  #isIntxAsserted = false;
  #isIntxPending = false;

  constructor(options: PlatformOptions) {
    this.#options = options;
    this.bdf = (options.bdf ?? '0000:01:00.0') as Bdf;
    this.executor = options.executor;
    this.model = options.model;
    this.#hostLeft = options.hostBytes ?? 256 * 1024 * 1024;
    let address = BAR_BASE;
    for (const bar of options.model.description.bars) {
      address = Math.ceil(address / bar.sizeBytes) * bar.sizeBytes;
      this.#windows.set(bar.index, this.#window(bar, address));
      address += bar.sizeBytes;
    }
    options.model.attach(this);
  }

  // --- PciFunction -------------------------------------------------------------------------------------------------

  readonly config: ConfigSpace = {
    read8: () => 0xff,
    read16: () => 0xffff,
    read32: () => 0xffff_ffff,
    write8: () => {},
    write16: () => {},
    write32: () => {},
    findCapability: () => 0,
    findExtendedCapability: () => 0,
  };

  readonly interrupts: Interrupts = this.#interrupts();

  readonly dma: DmaView = {
    addressBits: 64,
    setAddressBits: () => {},
    allocCoherent: (lengthBytes, alignBytes = 4096) => this.#allocCoherent(lengthBytes, alignBytes),
    mapHost: (span) => {
      if (!(span instanceof TestSpan) || span.kind !== 'host' || span.isClosed) {
        throw new MappingError('DMA_NOT_HOST', {
          message: 'not host memory of this machine',
          hint: 'use some',
        });
      }
      return span.map();
    },
    mapPhys: (addr: PhysAddr, lengthBytes) => ({
      segments: [{ addr: addr as number as DmaAddr, lengthBytes }],
      unmap: () => {},
    }),
  };

  bar(index: number): BarWindow | undefined {
    return this.#windows.get(index);
  }

  enable(what: { readonly memory?: boolean; readonly busMaster?: boolean }): void {
    this.isMemoryEnabled = what.memory ?? this.isMemoryEnabled;
    this.isBusMaster = what.busMaster ?? this.isBusMaster;
    this.model.onConfigChange?.();
  }

  *reset(): Task<boolean> {
    this.resets++;
    this.model.reset('function');
    yield* sleep(this.executor, 100 * PS_PER_MS);
    return this.#options.failsReset !== true && this.isPresent;
  }

  // --- the test's side ---------------------------------------------------------------------------------------------

  /** Host memory in one piece. */
  hostSpan(lengthBytes: number): TestSpan {
    const memory = Memory.flat(lengthBytes);
    const place = this.#placeHost(memory, 0, lengthBytes, 4096, 0);
    return new TestSpan(memory, [{ addr: place.start as DmaAddr, lengthBytes }], null, () =>
      this.#remove([place]),
    );
  }

  /** Host memory in pieces of these lengths; each starts `skew` bytes after a page boundary. */
  scatteredSpan(pieces: readonly { readonly lengthBytes: number; readonly skew?: number }[]): TestSpan {
    const total = pieces.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
    const memory = Memory.flat(total);
    const places: Place[] = [];
    let offset = 0;
    for (const { lengthBytes, skew } of pieces) {
      places.push(this.#placeHost(memory, offset, lengthBytes, 4096, skew ?? 0));
      offset += lengthBytes;
    }
    const segments = places.map(({ start, lengthBytes }) => ({ addr: start as DmaAddr, lengthBytes }));
    return new TestSpan(memory, segments, null, () => this.#remove(places));
  }

  /** Memory of some peer. */
  peerSpan(lengthBytes: number, provider: string): TestSpan {
    const memory = Memory.flat(lengthBytes);
    const place = { start: this.#nextPeer, lengthBytes, memory, memoryOffset: 0 };
    this.#nextPeer += Math.ceil(lengthBytes / 0x10_0000) * 0x10_0000;
    this.#places.push(place);
    return new TestSpan(memory, [{ addr: place.start as DmaAddr, lengthBytes }], provider as Bdf);
  }

  /** A part of one of the function's own BARs. */
  barSpan(bar: number, offsetBytes: number, lengthBytes: number, memory: Memory): TestSpan {
    const window = this.#windows.get(bar)!;
    const segment = { addr: (window.busAddr + offsetBytes) as number as DmaAddr, lengthBytes };
    return new TestSpan(memory, [segment], this.bdf);
  }

  /** The function is pulled out. */
  remove(): void {
    if (this.isPresent) {
      this.isPresent = false;
      this.model.detach();
      this.onGone();
    }
  }

  /** Host memory in use. */
  get hostPlaces(): number {
    return this.#places.filter(({ start }) => start < BAR_BASE).length;
  }

  // --- FunctionPort ------------------------------------------------------------------------------------------------

  get interruptMode(): 'msi-x' | 'msi' | 'intx' {
    return this.interrupts.kind === 'intx' ? 'intx' : 'msi-x';
  }

  dmaRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    _traffic: Traffic,
    token: number,
  ): Status {
    this.onDmaRequest(false, addr, lengthBytes);
    const perform = (): Status => {
      if (
        this.#carry(addr, lengthBytes, (memory, at, done, length) =>
          memory.copyTo(at, local, localOffset + done, length),
        )
      ) {
        return DONE;
      }
      local.fill(localOffset, lengthBytes, 0xff);
      return this.isBusMaster ? DMA_STATUS.UNSUPPORTED_REQUEST : DMA_STATUS.DISABLED;
    };
    if (!this.executor.isDelaying) {
      return perform();
    }
    // Reads take their time and pass each other, but not earlier writes.
    const atPs = Math.max(this.executor.nowPs + this.executor.drawDelayPs(), this.#upPs);
    this.#at(atPs, () => {
      if (this.isPresent) {
        this.model.onDma(token, perform());
      }
    });
    return PENDING;
  }

  dmaWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    _traffic: Traffic,
    token: number,
  ): Status {
    this.onDmaRequest(true, addr, lengthBytes);
    if (!this.isBusMaster) {
      return DMA_STATUS.DISABLED;
    }
    const perform = (): void => {
      this.#carry(addr, lengthBytes, (memory, at, done, length) =>
        local.copyTo(localOffset + done, memory, at, length),
      );
    };
    if (!this.executor.isDelaying) {
      perform();
      return DONE;
    }
    this.#up(() => {
      if (this.isPresent) {
        perform();
        this.model.onDma(token, DONE);
      }
    });
    return PENDING;
  }

  interrupt(vector: number): void {
    const deliver = (): void => {
      if (this.isPresent && vector < this.#vectorCount) {
        this.#handler?.(vector);
      }
    };
    if (this.executor.isDelaying) {
      this.#up(deliver);
    } else {
      this.#at(this.executor.nowPs, deliver);
    }
  }

  setIntx(isAsserted: boolean): void {
    this.#isIntxAsserted = isAsserted;
    this.#checkIntx();
  }

  barAddress(index: number): number {
    return this.#windows.get(index)!.busAddr;
  }

  setOpen(range: BarMemory, isOpen: boolean): void {
    range.isOpen = isOpen;
  }

  reportInternalError(): void {}

  onEvent(code: number): void {
    if (code === EVENT.INTX) {
      this.#isIntxPending = false;
      if (this.#isIntxAsserted && this.isPresent) {
        this.#handler?.(0);
        this.#checkIntx();
      }
    }
  }

  #checkIntx(): void {
    if (this.#isIntxAsserted && this.#handler !== null && !this.#isIntxPending) {
      this.#isIntxPending = true;
      this.executor.after(0, this, EVENT.INTX, 0);
    }
  }

  /** Runs a closure at a moment; tests may allocate. */
  #at(atPs: number, run: () => void): void {
    if (this.executor.isDelaying) {
      this.executor.at(atPs, { onEvent: run }, 0, 0);
    } else {
      this.executor.after(0, { onEvent: run }, 0, 0);
    }
  }

  #down(run: () => void): void {
    this.#downPs = Math.max(this.#downPs, this.executor.nowPs + this.executor.drawDelayPs());
    this.#at(this.#downPs, run);
  }

  #up(run: () => void): void {
    this.#upPs = Math.max(this.#upPs, this.executor.nowPs + this.executor.drawDelayPs());
    this.#at(this.#upPs, run);
  }

  /** Calls `move` for each run of memory behind an address range; false when part of it is nowhere. */
  #carry(
    addr: number,
    lengthBytes: number,
    move: (memory: Memory, at: number, done: number, length: number) => void,
  ): boolean {
    if (!this.isBusMaster) {
      return false;
    }
    let done = 0;
    while (done < lengthBytes) {
      const at = addr + done;
      const place = this.#places.find(({ start, lengthBytes: length }) => at >= start && at < start + length);
      if (place === undefined) {
        this.strayRequests++;
        return false;
      }
      const length = Math.min(lengthBytes - done, place.start + place.lengthBytes - at);
      move(place.memory, place.memoryOffset + at - place.start, done, length);
      done += length;
    }
    return true;
  }

  #placeHost(memory: Memory, memoryOffset: number, lengthBytes: number, align: number, skew: number): Place {
    if (lengthBytes > this.#hostLeft) {
      throw new MappingError('DMA_NO_MEMORY', { message: 'no host memory is left', hint: 'give it more' });
    }
    this.#hostLeft -= lengthBytes;
    const start = Math.ceil(this.#nextHost / align) * align + skew;
    const place = { start, lengthBytes, memory, memoryOffset };
    // A gap behind each, so that an overrun hits nothing.
    this.#nextHost = start + lengthBytes + 4096;
    this.#places.unshift(place);
    return place;
  }

  #remove(places: readonly Place[]): void {
    for (const place of places) {
      const index = this.#places.indexOf(place);
      if (index >= 0) {
        this.#places.splice(index, 1);
        this.#hostLeft += place.lengthBytes;
      }
    }
  }

  #allocCoherent(lengthBytes: number, alignBytes: number): CoherentMemory {
    const memory = Memory.flat(lengthBytes);
    const place = this.#placeHost(memory, 0, lengthBytes, alignBytes, 0);
    const bytes = memory.flat!;
    return {
      lengthBytes,
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      addr: place.start as DmaAddr,
      free: () => this.#remove([place]),
    };
  }

  #interrupts(): Interrupts {
    const platform = this;
    return {
      get kind() {
        return platform.#options.interrupts ?? (platform.model.description.msix === null ? 'intx' : 'msi-x');
      },
      get vectorCount() {
        return platform.#vectorCount;
      },
      enable(count, handler) {
        const kind = this.kind;
        const offered =
          kind === 'none' ? 0 : kind === 'intx' ? 1 : (platform.model.description.msix?.vectorCount ?? 0);
        platform.#vectorCount = Math.min(count, offered, platform.#options.vectorsMax ?? 65_536);
        platform.#handler = handler;
        platform.model.onConfigChange?.();
        platform.#checkIntx();
        return platform.#vectorCount;
      },
      mask: () => {},
      unmask: () => {},
      disable() {
        platform.#vectorCount = 0;
        platform.#handler = null;
      },
    };
  }

  #window(bar: BarDescription, address: number): BarWindow {
    const platform = this;
    for (const region of bar.regions) {
      if (region.kind === 'memory') {
        this.#places.push({
          start: address + region.offsetBytes,
          lengthBytes: region.lengthBytes,
          memory: region.memory,
          memoryOffset: region.memoryOffset,
        });
      }
    }
    const regionAt = (offset: number) =>
      bar.regions.find((each) => offset >= each.offsetBytes && offset < each.offsetBytes + each.lengthBytes);
    const load = (offset: number): number => {
      if (!platform.isPresent || !platform.isMemoryEnabled) {
        return 0xffff_ffff;
      }
      const region = regionAt(offset);
      if (region === undefined) {
        return 0;
      }
      if (region.kind === 'registers') {
        return platform.model.readRegister(bar.index, offset, 4) >>> 0;
      }
      return region.isOpen
        ? region.memory.getValue(region.memoryOffset + offset - region.offsetBytes, 4)
        : 0xffff_ffff;
    };
    const store = (offset: number, value: number): void => {
      const region = regionAt(offset);
      if (!platform.isPresent || !platform.isMemoryEnabled || region === undefined) {
        return;
      }
      if (region.kind === 'registers') {
        platform.model.writeRegister(bar.index, offset, 4, value >>> 0);
      } else if (region.isOpen) {
        region.memory.setValue(region.memoryOffset + offset - region.offsetBytes, 4, value);
      }
    };
    return {
      index: bar.index,
      lengthBytes: bar.sizeBytes,
      is64Bit: bar.is64Bit,
      isPrefetchable: bar.isPrefetchable,
      physAddr: address as PhysAddr,
      busAddr: address as BusAddr,
      read32(offset: number, reader: MmioReader): number {
        assert(offset % 4 === 0 && offset >= 0 && offset + 4 <= bar.sizeBytes, 'a load outside its BAR', {
          offset,
        });
        if (!platform.executor.isDelaying) {
          return load(offset);
        }
        platform.#down(() => {
          const value = load(offset);
          platform.#up(() => reader.deliver(platform.isPresent ? value : 0xffff_ffff));
        });
        return MMIO_PENDING;
      },
      write32(offset: number, value: number): void {
        assert(offset % 4 === 0 && offset >= 0 && offset + 4 <= bar.sizeBytes, 'a store outside its BAR', {
          offset,
        });
        assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, 'a store of no dword', {
          value,
        });
        if (platform.executor.isDelaying) {
          platform.#down(() => store(offset, value));
        } else {
          store(offset, value);
        }
      },
      writeBytes(offset: number, from: Uint8Array, fromOffset: number, lengthBytes: number): void {
        const view = new DataView(from.buffer, from.byteOffset + fromOffset, lengthBytes);
        for (let i = 0; i < lengthBytes; i += 4) {
          this.write32(offset + i, view.getUint32(i, true));
        }
      },
      readBytes(): number {
        throw new Error('the NVMe driver reads no runs of bytes');
      },
    };
  }
}

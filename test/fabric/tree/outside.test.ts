import { beforeEach, describe, expect, it } from 'vitest';
import { Dram } from '../../../src/fabric/dram.ts';
import {
  DMA_STATUS,
  DONE,
  type DramRegion,
  EventQueue,
  type InterruptDelivery,
  Memory,
  noTurn,
  PENDING,
  type RemoteMemory,
  type RemoteSink,
  type Status,
  type SystemMemory,
  TRAFFIC,
} from '../../../src/fabric/index.ts';
import { Fabric, type FabricFunction, readBar, writeBar } from '../../../src/fabric/tree/index.ts';
import {
  ACS_BIT,
  boot,
  DRAM_BYTES,
  DRAM_START,
  hostBridge,
  MIB,
  machine,
  port,
  setAcs,
  TestEndpoint,
  write16,
} from './machine.ts';

const HOLE = 0x1000;

/** Answers when it is told to, from 1 MiB of its own that repeats. */
class TestRemote implements RemoteMemory {
  isThere = true;
  readonly memory = Memory.flat(MIB);
  readonly asked: string[] = [];
  readonly waiting: (() => void)[] = [];
  next: Status = DONE;
  isImmediate: Status | null = null;

  reaches(): boolean {
    return this.isThere;
  }
  read(
    fn: FabricFunction,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ): Status {
    this.asked.push(`read ${fn.model!.name} ${addr.toString(16)}/${lengthBytes}`);
    return this.#later(sink, token, () => this.memory.copyTo(addr % MIB, local, localOffset, lengthBytes));
  }
  write(
    fn: FabricFunction,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    sink: RemoteSink,
    token: number,
  ): Status {
    this.asked.push(`write ${fn.model!.name} ${addr.toString(16)}/${lengthBytes}`);
    local.copyTo(localOffset, this.memory, addr % MIB, lengthBytes);
    return this.#later(sink, token, () => {});
  }
  #later(sink: RemoteSink, token: number, act: () => void): Status {
    if (this.isImmediate !== null) {
      return this.isImmediate;
    }
    const status = this.next;
    this.waiting.push(() => {
      if (status === DONE) {
        act();
      }
      sink.onRemote(token, status);
    });
    return PENDING;
  }
}

/** DRAM of which the second MiB is not there, and the third one cannot be written. */
class HoledMemory implements SystemMemory {
  readonly dram = new Dram([{ numaNode: 0, start: DRAM_START, lengthBytes: DRAM_BYTES }]);
  readonly askedBy: (string | null)[] = [];
  get generation(): number {
    return this.dram.generation;
  }
  get sizeBytes(): number {
    return this.dram.sizeBytes;
  }
  regionAt(phys: number, requester: FabricFunction | null): DramRegion | undefined {
    this.askedBy.push(requester?.model?.name ?? null);
    const region = this.dram.regionAt(phys);
    const mib = Math.floor((phys - DRAM_START) / MIB);
    if (region === undefined || mib === 1) {
      return undefined;
    }
    const start = DRAM_START + mib * MIB;
    return {
      ...region,
      start,
      end: start + MIB,
      memoryOffset: start - DRAM_START,
      ...(mib === 2 ? { isReadOnly: true } : {}),
    };
  }
}

let remote: TestRemote;
let memory: HoledMemory;
let fabric: Fabric;
let a: TestEndpoint;
let b: TestEndpoint;
let fnA: FabricFunction;
let fnB: FabricFunction;
let rootPort: FabricFunction;
const local = Memory.flat(8192);

beforeEach(() => {
  remote = new TestRemote();
  memory = new HoledMemory();
  fabric = new Fabric({ queue: new EventQueue({ turn: noTurn }), dram: memory, remote });
  rootPort = hostBridge(fabric).rootBus.addRootPort(1, 0, port('root-port'));
  const { downstream } = rootPort.secondaryBus!.addSwitch(port('switch-upstream'), [
    port('switch-downstream'),
    port('switch-downstream'),
  ]);
  a = new TestEndpoint('a');
  b = new TestEndpoint('b');
  [fnA] = downstream[0]!.secondaryBus!.plug(a) as [FabricFunction];
  [fnB] = downstream[1]!.secondaryBus!.plug(b) as [FabricFunction];
  boot(fabric);
  for (let i = 0; i < local.sizeBytes; i++) {
    local.setValue(i, 1, i % 251);
  }
});

const read = (addr: number, lengthBytes: number, token = 0): Status =>
  a.port.dmaRead(addr, local, 0, lengthBytes, TRAFFIC.DATA, token);
const write = (addr: number, lengthBytes: number, token = 0): Status =>
  a.port.dmaWrite(addr, local, 0, lengthBytes, TRAFFIC.DATA, token);

describe('memory beyond the fabric', () => {
  it('answers what nothing here claims, later, by onDma', () => {
    remote.memory.fill(HOLE, 64, 0x5a);
    expect(read(HOLE, 64, 7)).toBe(PENDING);
    expect(a.ended).toEqual([]);
    expect(fabric.remoteRequests.count).toBe(1);
    remote.waiting[0]!();
    expect(a.ended).toEqual([{ token: 7, status: DONE }]);
    expect(local.getValue(63, 1)).toBe(0x5a);
    expect(local.getValue(64, 1)).toBe(64);
    expect(fabric.remoteRequests.count).toBe(0);
  });

  it('takes writes, and what goes there counts up to the root and not at DRAM', () => {
    expect(write(HOLE, 4096, 9)).toBe(PENDING);
    expect(remote.memory.getValue(HOLE + 250, 1)).toBe(250);
    remote.waiting[0]!();
    expect(a.ended).toEqual([{ token: 9, status: DONE }]);
    const counts = fabric.counters.read();
    expect(counts.rootPorts.dataBytes).toBe(4096);
    expect(counts.dramWrite.dataBytes).toBe(0);
  });

  it('ends a refused read with all ones, and says nothing of a refused posted write', () => {
    remote.next = DMA_STATUS.UNSUPPORTED_REQUEST;
    expect(read(HOLE, 16, 1)).toBe(PENDING);
    expect(write(HOLE, 16, 2)).toBe(PENDING);
    for (const answer of remote.waiting) {
      answer();
    }
    expect(a.ended).toEqual([
      { token: 1, status: DMA_STATUS.UNSUPPORTED_REQUEST },
      { token: 2, status: DONE },
    ]);
    expect(local.getValue(0, 4)).toBe(0xffff_ffff);
  });

  it('passes on an answer that comes at once', () => {
    remote.isImmediate = DMA_STATUS.GONE;
    expect(read(HOLE, 16)).toBe(DMA_STATUS.GONE);
    expect(write(HOLE, 16)).toBe(DMA_STATUS.GONE);
    expect(a.ended).toEqual([]);
    expect(fabric.remoteRequests.count).toBe(0);
  });

  it('never ends what was asked for before a reset, nor writes into memory of the function', () => {
    remote.memory.fill(HOLE, 64, 0x5a);
    read(HOLE, 64, 7);
    fabric.resetFunction(fnA, 'function');
    remote.waiting[0]!();
    expect(a.ended).toEqual([]);
    expect(local.getValue(1, 1)).toBe(1);
    expect(fabric.remoteRequests.count).toBe(0);
  });

  it('is not asked while it does not reach the function, and then the request is unsupported', () => {
    remote.isThere = false;
    expect(read(HOLE, 16)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(remote.asked).toEqual([]);
    remote.isThere = true;
    expect(read(HOLE, 16)).toBe(PENDING);
  });

  it('is not asked for memory, for a peer, nor for a closed range of a peer', () => {
    expect(read(DRAM_START, 64)).toBe(DONE);
    expect(read(b.port.barAddress(0), 64)).toBe(DONE);
    b.port.setOpen(b.range, false);
    expect(read(b.port.barAddress(0), 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(remote.asked).toEqual([]);
  });

  it('is asked for what lies in a window of a bridge that has nothing there', () => {
    // Between the BARs of b: its second BAR has 64 KiB of a MiB.
    const addr = b.port.barAddress(2) + 0x8_0000;
    expect(read(addr, 64)).toBe(PENDING);
    expect(remote.asked).toEqual([`read a ${addr.toString(16)}/64`]);
    const port = fnB.device.bus.link!;
    expect(port.down.dataBytes).toBe(0);
  });

  it('gets no request that ends in memory too', () => {
    expect(read(DRAM_START + MIB - 64, 128)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    expect(local.getValue(0, 4)).toBe(0xffff_ffff);
    expect(write(DRAM_START + MIB - 64, 128)).toBe(DONE);
    expect(remote.asked).toEqual([]);
    expect(memory.dram.regionAt(DRAM_START)!.memory.getValue(MIB - 1, 1)).toBe(0xff);
  });

  it('is not for a fabric that delays requests', () => {
    const queue = new EventQueue({ turn: noTurn, timed: true });
    expect(() => new Fabric({ queue, dram: memory, remote })).toThrow(/delays/);
  });
});

describe('system memory of somebody else', () => {
  it('is asked in the name of the requester', () => {
    memory.askedBy.length = 0;
    read(DRAM_START, 64);
    b.port.dmaRead(DRAM_START, local, 0, 64, TRAFFIC.DATA, 0);
    expect(memory.askedBy).toEqual(['a', 'b']);
  });

  it('drops writes to what is read-only and logs them as unsupported', () => {
    const addr = DRAM_START + 2 * MIB;
    expect(write(addr, 64)).toBe(DONE);
    expect(read(addr, 64)).toBe(DONE);
    expect(local.getValue(1, 1)).toBe(0);
    const aer = rootPort.config.offsets.aer;
    expect((rootPort.config.view.getUint32(aer + 4, true) >>> 20) & 1).toBe(1);
    expect(remote.asked).toEqual([]);
  });
});

describe('a watcher of DMA', () => {
  it('may send other bytes and change what came, in a machine with delays too', () => {
    for (const isDelaying of [false, true]) {
      const other = isDelaying ? machine({ jitterSeed: 3 }) : machine();
      const root = hostBridge(other).rootBus.addRootPort(1, 0, port('root-port'));
      const model = new TestEndpoint('watched');
      const [fn] = root.secondaryBus!.plug(model) as [FabricFunction];
      boot(other);
      const instead = Memory.flat(16);
      fn.dmaWatcher = {
        onWrite: (_addr, from, offset, lengthBytes) => {
          from.copyTo(offset, instead, 0, lengthBytes);
          instead.setValue(0, 1, instead.getValue(0, 1) ^ 0x80);
          return instead;
        },
        onRead: (_addr, into, offset) => into.setValue(offset + 1, 1, 0xee),
      };
      const bytes = Memory.over(new Uint8Array(16).fill(7));
      model.port.dmaWrite(DRAM_START, bytes, 0, 16, TRAFFIC.DATA, 1);
      bytes.fill(0, 8, 9);
      model.port.dmaWrite(DRAM_START + 16, bytes, 0, 8, TRAFFIC.DATA, 2);
      other.queue.runUntilIdle();
      const { memory: dram } = other.dram.regionAt(DRAM_START)!;
      expect([dram.getValue(0, 1), dram.getValue(1, 1), dram.getValue(16, 1)]).toEqual([0x87, 7, 0x89]);
      expect(bytes.getValue(0, 1)).toBe(9);
      const back = Memory.flat(16);
      model.port.dmaRead(DRAM_START, back, 0, 4, TRAFFIC.DATA, 3);
      other.queue.runUntilIdle();
      expect([back.getValue(0, 1), back.getValue(1, 1)]).toEqual([0x87, 0xee]);
      expect(dram.getValue(1, 1)).toBe(7);
    }
  });

  it('sees reads that come from beyond the fabric, with their status', () => {
    const seen: string[] = [];
    fnA.dmaWatcher = {
      onWrite: () => null,
      onRead: (addr, _into, _offset, lengthBytes, traffic, status) =>
        seen.push(`${addr}/${lengthBytes} ${traffic} ${status}`),
    };
    read(HOLE, 16);
    expect(seen).toEqual([]);
    remote.waiting[0]!();
    read(b.port.barAddress(0), 8);
    expect(seen).toEqual([`${HOLE}/16 0 0`, `${b.port.barAddress(0)}/8 0 0`]);
  });
});

describe('interrupts that somebody else takes', () => {
  const taken: string[] = [];
  const delivery: InterruptDelivery = {
    message: (mode, vector) => taken.push(`${mode} ${vector}`),
    pin: (isAsserted) => taken.push(`pin ${isAsserted}`),
  };
  beforeEach(() => {
    taken.length = 0;
    fnA.interruptDelivery = delivery;
  });

  it('come as vectors of MSI-X once config space enables it, whatever the table here says', () => {
    a.port.interrupt(1);
    write16(fnA, fnA.config.offsets.msix + 2, 0x8000);
    a.port.interrupt(1);
    a.port.interrupt(4);
    expect(taken).toEqual(['msi-x 1']);
  });

  it('come as vectors of MSI, shared when fewer are granted', () => {
    write16(fnA, fnA.config.offsets.msi + 2, 0x0011);
    a.port.interrupt(3);
    expect(taken).toEqual(['msi 1']);
  });

  it('come as levels of the pin, without a wire at the root', () => {
    const wires: boolean[] = [];
    fabric.intxSink = (_bridge, _pin, isAsserted) => wires.push(isAsserted);
    a.port.setIntx(true);
    a.port.setIntx(true);
    write16(fnA, 0x04, 0x0406);
    write16(fnA, 0x04, 0x0006);
    fabric.resetFunction(fnA, 'power');
    expect(taken).toEqual(['pin true', 'pin false', 'pin true', 'pin false']);
    expect(wires).toEqual([]);
  });
});

describe('a BAR by offset', () => {
  const into = new Uint8Array(16);

  it('needs no address: registers in aligned pieces, memory as bytes, zeros where nothing is', () => {
    fabric.resetFunction(fnA, 'power');
    a.registers.set(0, 0x0403_0201);
    a.registers.set(4, 0x0605);
    readBar(fnA, 2, 0, into, 2, 6);
    expect([...into.subarray(2, 8)]).toEqual([1, 2, 3, 4, 5, 6]);
    writeBar(fnA, 2, 0x101, Uint8Array.of(9, 1, 2, 3), 1, 3);
    expect(a.log).toEqual(['read 0/4', 'read 4/2', 'write 101/1=1', 'write 102/2=302']);
    writeBar(fnA, 0, 5, Uint8Array.of(0xaa, 0xbb), 0, 2);
    readBar(fnA, 0, 4, into, 0, 4);
    expect([...into.subarray(0, 4)]).toEqual([0, 0xaa, 0xbb, 0]);
    into.fill(7);
    readBar(fnA, 2, 0x4000, into, 0, 4);
    expect([...into.subarray(0, 5)]).toEqual([0, 0, 0, 0, 7]);
  });

  it('crosses from one part to the next: the MSI-X table lies over what is below it', () => {
    a.registers.set(0x3ffc, 0x1111_1111);
    readBar(fnA, 2, 0x3ffc, into, 0, 8);
    expect([...into.subarray(0, 8)]).toEqual([0x11, 0x11, 0x11, 0x11, 0, 0, 0, 0]);
    writeBar(fnA, 2, 0x8000 + 8, Uint8Array.of(1, 2, 3, 4), 0, 4);
    readBar(fnA, 2, 0x8000, into, 0, 16);
    expect([...into]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 0]);
  });

  it('reads all ones and drops stores: a closed range, an injected fault, behind its end, another BAR', () => {
    a.memory.fill(0, 64, 0x22);
    const first = (bar: number, offset: number): number => {
      readBar(fnA, bar, offset, into, 0, 1);
      return into[0]!;
    };
    expect(first(0, 0)).toBe(0x22);
    a.port.setOpen(a.range, false);
    expect(first(0, 0)).toBe(0xff);
    writeBar(fnA, 0, 0, Uint8Array.of(1), 0, 1);
    expect(a.memory.getValue(0, 1)).toBe(0x22);
    a.port.setOpen(a.range, true);
    const fault = { bar: 0, start: 16, end: 32, code: 'unsupported' } as const;
    fabric.injectFault(fnA, fault);
    expect([first(0, 15), first(0, 16), first(0, 31), first(0, 32)]).toEqual([0x22, 0xff, 0xff, 0x22]);
    fabric.removeFault(fnA, fault);
    expect(first(0, 16)).toBe(0x22);
    expect([first(0, MIB), first(1, 0), first(5, 0), first(2, 0x1_0000)]).toEqual([0xff, 0xff, 0xff, 0xff]);
    readBar(fnA, 0, MIB - 1, into, 0, 2);
    expect([...into.subarray(0, 2)]).toEqual([0, 0xff]);
  });
});

describe('a function that is absent for a while', () => {
  it('answers nothing and sends nothing, and comes back as from power on', () => {
    const addr = a.port.barAddress(0);
    fabric.setAbsent(fnA, true);
    const into = new Uint8Array(4);
    readBar(fnA, 0, 0, into, 0, 4);
    expect([...into]).toEqual([0xff, 0xff, 0xff, 0xff]);
    expect(read(DRAM_START, 4)).toBe(DMA_STATUS.GONE);
    expect(write(DRAM_START, 4)).toBe(DMA_STATUS.GONE);
    remote.isThere = false;
    expect(b.port.dmaRead(addr, local, 0, 4, TRAFFIC.DATA, 0)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    fabric.setAbsent(fnA, false);
    expect(a.resets).toEqual(['power', 'power']);
    readBar(fnA, 0, 0, into, 0, 4);
    expect([...into]).toEqual([0, 0, 0, 0]);
    expect(fnA.state.canMaster).toBe(false);
  });
});

describe('windows that no register has', () => {
  it('lead requests down in place of those in the registers', () => {
    const addr = b.port.barAddress(0);
    remote.isThere = false;
    const { bridge } = fnB.device.bus;
    bridge!.setWindows([{ start: addr + MIB, end: addr + 2 * MIB }]);
    expect(read(addr, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    bridge!.setWindows([
      { start: addr + MIB, end: addr + 2 * MIB },
      { start: addr, end: addr + MIB },
    ]);
    expect(read(addr, 64)).toBe(DONE);
    bridge!.setWindows(null);
    expect(read(addr, 64)).toBe(DONE);
  });

  it('of a host bridge may change while it runs', () => {
    setAcs(fnA.device.bus.bridge!, ACS_BIT.RR);
    remote.isThere = false;
    const addr = b.port.barAddress(0);
    expect(read(addr, 64)).toBe(DONE);
    const bridge = fnA.device.bus.hostBridge;
    bridge.setWindows([]);
    expect(read(addr, 64)).toBe(DMA_STATUS.UNSUPPORTED_REQUEST);
    bridge.setWindows([{ start: addr, lengthBytes: MIB }]);
    expect(read(addr, 64)).toBe(DONE);
  });
});

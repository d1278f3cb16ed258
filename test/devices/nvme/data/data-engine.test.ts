import { describe, expect, it } from 'vitest';
import { ADDR_NOWHERE } from '../../../../src/base/index.ts';
import { DESCRIPTORS_MAX } from '../../../../src/devices/nvme/data/index.ts';
import { DMA_STATUS, DONE, Memory, PENDING } from '../../../../src/fabric/index.ts';
import { NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import {
  BAR_BASE,
  Bench,
  type BenchSetup,
  CMB_BASE,
  CMB_BYTES,
  dwords,
  HOST_BASE,
  HOST_BYTES,
  MODES,
  PMR_BASE,
  putAddress,
  putDescriptor,
} from './bench.ts';

const PAGE = 4096;

function payload(lengthBytes: number): Memory {
  const memory = Memory.flat(lengthBytes);
  memory.fillPattern(0, lengthBytes, 7, 0);
  return memory;
}

function prps(prp1: number, prp2 = 0): Record<number, number> {
  const [low1, high1] = dwords(prp1);
  const [low2, high2] = dwords(prp2);
  return { 6: low1, 7: high1, 8: low2, 9: high2 };
}

function sgl(identifier: number, address: number, lengthBytes: number, psdt = 1): Record<number, number> {
  const [low, high] = dwords(address);
  return { 0: psdt << 14, 6: low, 7: high, 8: lengthBytes, 9: identifier * 0x100_0000 };
}

/** Sends a payload by these dwords and gives the status and the bench. */
function send(
  fields: Record<number, number>,
  lengthBytes: number,
  setup: BenchSetup = {},
  prepare: (bench: Bench) => void = () => {},
): { bench: Bench; status: number; from: Memory } {
  const bench = new Bench(setup);
  prepare(bench);
  const command = bench.command(fields);
  const from = payload(lengthBytes);
  return { bench, from, status: bench.settle(command, bench.data.toHost(command, from, 0, lengthBytes)) };
}

function take(
  fields: Record<number, number>,
  lengthBytes: number,
  setup: BenchSetup = {},
  prepare: (bench: Bench) => void = () => {},
): { bench: Bench; status: number; into: Memory; dnr: boolean } {
  const bench = new Bench(setup);
  bench.port.host.fillPattern(0, HOST_BYTES, 9, 0);
  prepare(bench);
  const command = bench.command(fields);
  const into = Memory.flat(lengthBytes);
  const status = bench.settle(command, bench.data.fromHost(command, into, 0, lengthBytes));
  return { bench, into, status, dnr: command.dnr };
}

describe('PRP (Base 2.1, 4.1.1 and 4.3.1)', () => {
  it.each(MODES)('one page, from an offset in the page on (%s)', (mode) => {
    const { bench, status, from } = send(prps(HOST_BASE + 512), 1024, { mode });
    expect(status).toBe(0);
    expect(bench.port.host.firstDifference(512, from, 0, 1024)).toBe(-1);
    expect(bench.port.bytes).toEqual([1024, 0]);
  });

  it.each(MODES)('two pages; PRP2 is the second (%s)', (mode) => {
    const { bench, status, from } = send(prps(HOST_BASE + 0x1800, HOST_BASE + 0x8000), PAGE, { mode });
    expect(status).toBe(0);
    expect(bench.port.host.firstDifference(0x1800, from, 0, 2048)).toBe(-1);
    expect(bench.port.host.firstDifference(0x8000, from, 2048, 2048)).toBe(-1);
  });

  it('neighbouring pages are one request', () => {
    const { bench, status } = send(prps(HOST_BASE + PAGE, HOST_BASE + 2 * PAGE), 2 * PAGE);
    expect(status).toBe(0);
    expect(bench.port.ranges).toEqual([{ addr: HOST_BASE + PAGE, lengthBytes: 2 * PAGE }]);
  });

  it.each(MODES)('a list that starts inside its page and goes on in a second page (%s)', (mode) => {
    const pages = 6;
    // Two entries are left in the first page of the list: one page of data and the next list.
    const list = 0x10_0000 + PAGE - 16;
    const { bench, status, into } = take(
      prps(HOST_BASE, HOST_BASE + list),
      pages * PAGE,
      { mode },
      ({ port }) => {
        putAddress(port.host, list, HOST_BASE + 2 * PAGE);
        putAddress(port.host, list + 8, HOST_BASE + 0x20_0000);
        for (let i = 2; i < pages; i++) {
          putAddress(port.host, 0x20_0000 + 8 * (i - 2), HOST_BASE + 2 * i * PAGE);
        }
      },
    );
    expect(status).toBe(0);
    for (let i = 0; i < pages; i++) {
      expect(into.firstDifference(i * PAGE, bench.port.host, 2 * i * PAGE, PAGE)).toBe(-1);
    }
    expect(bench.port.bytes).toEqual([pages * PAGE, 16 + 8 * (pages - 2)]);
  });

  it('the last entry of a list page is data when it is the last page of the transfer', () => {
    const list = 0x10_0000 + PAGE - 16;
    const { status, bench } = take(prps(HOST_BASE, HOST_BASE + list), 3 * PAGE, {}, ({ port }) => {
      putAddress(port.host, list, HOST_BASE + 2 * PAGE);
      putAddress(port.host, list + 8, HOST_BASE + 4 * PAGE);
    });
    expect(status).toBe(0);
    expect(bench.port.ranges.at(-1)).toEqual({ addr: HOST_BASE + 4 * PAGE, lengthBytes: PAGE });
  });

  it.each([
    ['PRP1 not at a dword', prps(HOST_BASE + 2), 512],
    ['PRP2 as a page with an offset', prps(HOST_BASE, HOST_BASE + 0x2004), 2 * PAGE],
    ['PRP2 as a list not at a qword', prps(HOST_BASE, HOST_BASE + 0x2004), 3 * PAGE],
    ['an entry of a list with an offset', prps(HOST_BASE, HOST_BASE + 0x10_0000), 3 * PAGE],
    ['a next list with an offset', prps(HOST_BASE, HOST_BASE + 0x10_0ff8), 3 * PAGE],
  ])('%s: PRP Offset Invalid, and nothing has moved', (_, fields, length) => {
    const { status, bench, dnr } = take(fields, length, {}, ({ port }) => {
      putAddress(port.host, 0x10_0000, HOST_BASE + 0x3010);
      putAddress(port.host, 0x10_0ff8, HOST_BASE + 0x3010);
    });
    expect(status).toBe(NVME_STATUS.INVALID_PRP_OFFSET);
    expect(dnr).toBe(true);
    expect(bench.port.bytes[0]).toBe(0);
  });

  it.each(MODES)('pages of 64 KiB with a list longer than one fetch (%s)', (mode) => {
    const pageBytes = 0x1_0000;
    const { status } = take(
      prps(HOST_BASE, HOST_BASE + 0x10_0000),
      600 * pageBytes,
      { mode, pageBytes },
      ({ port }) => {
        for (let i = 1; i < 600; i++) {
          putAddress(port.host, 0x10_0000 + 8 * (i - 1), HOST_BASE + (i % 2) * pageBytes * 4);
        }
      },
    );
    expect(status).toBe(0);
  });

  it('values from 2^53 on go nowhere: a read fails, a posted write vanishes', () => {
    const fields = { 6: 0, 7: 0xffff_ffff, 8: 0, 9: 0x20_0000 };
    expect(take(fields, 2 * PAGE).status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
    const { bench, status } = send(fields, 2 * PAGE);
    expect(status).toBe(0);
    expect(bench.port.ranges[0]!.addr).toBe(ADDR_NOWHERE);
    expect(bench.port.host.firstDifference(0, Memory.flat(HOST_BYTES), 0, HOST_BYTES)).toBe(-1);
    const list = take({ ...prps(HOST_BASE), 8: 0xffff_fff8, 9: 0xffff_ffff }, 9 * PAGE);
    expect(list.status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
  });
});

describe('SGL (Base 2.1, 4.3.2)', () => {
  const LIST = 0x10_0000;

  it.each(MODES)('one data block in the command, at any byte (%s)', (mode) => {
    const { bench, status, from } = send(sgl(0x00, HOST_BASE + 3, 1000), 1000, { mode });
    expect(status).toBe(0);
    expect(bench.port.host.firstDifference(3, from, 0, 1000)).toBe(-1);
    expect(bench.port.bytes).toEqual([1000, 0]);
  });

  it.each(MODES)('a segment, then a last segment; a bit bucket swallows bytes to the host (%s)', (mode) => {
    const { bench, status, from } = send(
      sgl(0x20, HOST_BASE + LIST, 48),
      1000,
      { mode },
      ({ port: { host } }) => {
        putDescriptor(host, LIST, 0x00, HOST_BASE, 300);
        putDescriptor(host, LIST + 16, 0x10, 0, 200);
        putDescriptor(host, LIST + 32, 0x30, HOST_BASE + LIST + 0x1000, 32);
        putDescriptor(host, LIST + 0x1000, 0x00, HOST_BASE + 0x2000, 0);
        putDescriptor(host, LIST + 0x1010, 0x00, HOST_BASE + 0x3000, 500);
      },
    );
    expect(status).toBe(0);
    expect(bench.port.host.firstDifference(0, from, 0, 300)).toBe(-1);
    expect(bench.port.host.firstDifference(0x3000, from, 500, 500)).toBe(-1);
    expect(bench.port.bytes).toEqual([800, 80]);
  });

  it('more memory than data is fine (SGLS.SGLLAS); what is left over is not touched', () => {
    const one = send(sgl(0x00, HOST_BASE, 600), 512);
    expect(one.status).toBe(0);
    expect(one.bench.port.bytes).toEqual([512, 0]);
    const list = send(sgl(0x20, HOST_BASE + LIST, 48), 512, {}, ({ port: { host } }) => {
      putDescriptor(host, LIST, 0x00, HOST_BASE, 500);
      putDescriptor(host, LIST + 16, 0x10, 0, 13);
      putDescriptor(host, LIST + 32, 0xff, 0, 13);
    });
    expect(list.status).toBe(0);
    expect(list.bench.port.bytes).toEqual([500, 48]);
  });

  it('a bit bucket has no bytes when data go to the controller', () => {
    const { status, into, bench } = take(sgl(0x30, HOST_BASE + LIST, 32), 512, {}, ({ port: { host } }) => {
      putDescriptor(host, LIST, 0x10, 0, 4096);
      putDescriptor(host, LIST + 16, 0x00, HOST_BASE, 512);
    });
    expect(status).toBe(0);
    expect(into.firstDifference(0, bench.port.host, 0, 512)).toBe(-1);
  });

  it.each(MODES)('a segment longer than one fetch (%s)', (mode) => {
    const count = 700;
    const { status, into, bench } = take(
      sgl(0x30, HOST_BASE + LIST, 16 * count),
      4 * count,
      { mode },
      ({ port: { host } }) => {
        for (let i = 0; i < count; i++) {
          putDescriptor(host, LIST + 16 * i, 0x00, HOST_BASE + 8 * i, 4);
        }
      },
    );
    expect(status).toBe(0);
    for (let i = 0; i < count; i++) {
      expect(into.getValue(4 * i, 4)).toBe(bench.port.host.getValue(8 * i, 4));
    }
  });

  const S = NVME_STATUS;
  it.each<[string, Record<number, number>, [number, number, number][], number]>([
    ['a keyed data block', sgl(0x40, HOST_BASE, 512), [], S.SGL_TYPE_INVALID],
    ['a transport data block', sgl(0x5a, 0, 512), [], S.SGL_TYPE_INVALID],
    ['an offset instead of an address', sgl(0x01, 0, 512), [], S.SGL_TYPE_INVALID],
    ['a vendor type', sgl(0xf0, 0, 512), [], S.SGL_TYPE_INVALID],
    ['too little data', sgl(0x00, HOST_BASE, 511), [], S.DATA_SGL_LENGTH_INVALID],
    ['a segment of no descriptors', sgl(0x30, HOST_BASE + LIST, 0), [], S.INVALID_SGL_SEGMENT],
    ['a segment of half a descriptor', sgl(0x30, HOST_BASE + LIST, 24), [], S.INVALID_SGL_SEGMENT],
    [
      'a segment that does not end with a segment',
      sgl(0x20, HOST_BASE + LIST, 16),
      [[0x00, HOST_BASE, 512]],
      S.INVALID_SGL_SEGMENT,
    ],
    [
      'a segment descriptor that is not the last',
      sgl(0x20, HOST_BASE + LIST, 32),
      [
        [0x30, HOST_BASE + LIST + 32, 16],
        [0x00, HOST_BASE, 512],
      ],
      S.INVALID_SGL_SEGMENT,
    ],
    [
      'a segment descriptor in a last segment',
      sgl(0x30, HOST_BASE + LIST, 16),
      [[0x30, HOST_BASE + LIST + 32, 16]],
      S.INVALID_SGL_SEGMENT,
    ],
    [
      'a list that ends too early',
      sgl(0x30, HOST_BASE + LIST, 16),
      [[0x00, HOST_BASE, 256]],
      S.DATA_SGL_LENGTH_INVALID,
    ],
    [
      'a list that leads back to itself',
      sgl(0x20, HOST_BASE + LIST, 16),
      [[0x20, HOST_BASE + LIST, 16]],
      S.INVALID_SGL_COUNT,
    ],
    ['a reserved PSDT', sgl(0x00, HOST_BASE, 512, 3), [], S.INVALID_FIELD],
  ])('%s is refused', (_, fields, list, status) => {
    const result = take(fields, 512, {}, ({ port: { host } }) => {
      for (const [index, [identifier, address, length]] of list.entries()) {
        putDescriptor(host, LIST + 16 * index, identifier, address, length);
      }
    });
    expect(result.status).toBe(status);
    expect(result.dnr).toBe(true);
    expect(result.bench.port.bytes[0]).toBe(0);
    expect(result.bench.port.requests).toBeLessThanOrEqual(DESCRIPTORS_MAX);
  });

  it('is refused for admin commands (PCIe Transport 1.1, 2.3), and by a controller without SGLs', () => {
    const bench = new Bench();
    const command = bench.command(sgl(0x00, HOST_BASE, 512), 0);
    bench.data.toHost(command, payload(512), 0, 512);
    expect(command.status).toBe(NVME_STATUS.INVALID_FIELD);
    const without = send(sgl(0x00, HOST_BASE, 512), 512, { options: { hasSgl: false } });
    expect(without.status).toBe(NVME_STATUS.INVALID_FIELD);
  });
});

describe('metadata pointer (Base 2.1, 4.1.1)', () => {
  it.each(MODES)('is one contiguous buffer with PSDT 0 and 1 (%s)', (mode) => {
    for (const psdt of [0, 1]) {
      const bench = new Bench({ mode });
      const [low, high] = dwords(HOST_BASE + 0x404);
      const command = bench.command({ 0: psdt << 14, 4: low, 5: high });
      const from = payload(96);
      expect(bench.settle(command, bench.data.metadataToHost(command, from, 0, 96))).toBe(0);
      expect(bench.port.host.firstDifference(0x404, from, 0, 96)).toBe(-1);
    }
  });

  it.each(MODES)('is the address of an SGL descriptor with PSDT 2 (%s)', (mode) => {
    const bench = new Bench({ mode });
    const { host } = bench.port;
    putDescriptor(host, 0x1000, 0x30, HOST_BASE + 0x2000, 32);
    putDescriptor(host, 0x2000, 0x00, HOST_BASE + 0x3000, 40);
    putDescriptor(host, 0x2010, 0x00, HOST_BASE + 0x4001, 24);
    host.fillPattern(0x3000, 0x2000, 3, 0);
    const [low, high] = dwords(HOST_BASE + 0x1000);
    const command = bench.command({ 0: 2 << 14, 4: low, 5: high });
    const into = Memory.flat(64);
    expect(bench.settle(command, bench.data.metadataFromHost(command, into, 0, 64))).toBe(0);
    expect(into.firstDifference(0, host, 0x3000, 40)).toBe(-1);
    expect(into.firstDifference(40, host, 0x4001, 24)).toBe(-1);
  });

  it('refuses misaligned pointers and wrong lengths', () => {
    const run = (fields: Record<number, number>): number => {
      const bench = new Bench();
      putDescriptor(bench.port.host, 0x1000, 0x00, HOST_BASE + 0x2000, 63);
      const command = bench.command(fields);
      bench.data.metadataFromHost(command, Memory.flat(64), 0, 64);
      return command.status;
    };
    const [, high] = dwords(HOST_BASE);
    expect(run({ 4: 2, 5: high })).toBe(NVME_STATUS.INVALID_FIELD);
    expect(run({ 0: 2 << 14, 4: 0x1004, 5: high })).toBe(NVME_STATUS.INVALID_FIELD);
    expect(run({ 0: 2 << 14, 4: 0x1000, 5: high })).toBe(NVME_STATUS.METADATA_SGL_LENGTH_INVALID);
  });
});

describe('own memory (Base 2.1, 8.2.1)', () => {
  it.each(MODES)('data in the CMB or PMR never go on the bus (%s)', (mode) => {
    const { bench, status, from } = send(prps(CMB_BASE + 0x800, PMR_BASE), PAGE, { mode });
    expect(status).toBe(0);
    expect(bench.cmb.firstDifference(0x800, from, 0, 0x800)).toBe(-1);
    expect(bench.pmr.firstDifference(0, from, 0x800, 0x800)).toBe(-1);
    expect(bench.port.requests).toBe(0);
  });

  it('lists are read from the CMB when LISTS allows it', () => {
    const lists = (allowed: boolean) =>
      take(prps(HOST_BASE, CMB_BASE + 0x100), 3 * PAGE, { cmbUse: { lists: allowed } }, ({ cmb }) => {
        putAddress(cmb, 0x100, HOST_BASE + PAGE);
        putAddress(cmb, 0x108, HOST_BASE + 2 * PAGE);
      });
    expect(lists(true).status).toBe(0);
    expect(lists(true).bench.port.bytes).toEqual([3 * PAGE, 0]);
    expect(lists(false).status).toBe(NVME_STATUS.INVALID_CMB_USE);
  });

  it('RDS and WDS are respected, each for its direction', () => {
    expect(send(prps(CMB_BASE), 512, { cmbUse: { readData: false } }).status).toBe(
      NVME_STATUS.INVALID_CMB_USE,
    );
    expect(send(prps(CMB_BASE), 512, { cmbUse: { writeData: false } }).status).toBe(0);
    expect(take(prps(CMB_BASE), 512, { cmbUse: { writeData: false } }).status).toBe(
      NVME_STATUS.INVALID_CMB_USE,
    );
    expect(take(prps(CMB_BASE), 512, { cmbUse: { readData: false } }).status).toBe(0);
  });

  it('one command with two kinds of memory is refused when mixing is not allowed (EC-156)', () => {
    const cmbUse = { mayMix: false };
    for (const fields of [prps(CMB_BASE, HOST_BASE), prps(HOST_BASE, CMB_BASE)]) {
      const result = take(fields, 2 * PAGE, { cmbUse });
      expect(result.status).toBe(NVME_STATUS.INVALID_CMB_USE);
      expect(result.dnr).toBe(true);
      expect(take(fields, 2 * PAGE).status).toBe(0);
    }
    expect(take(prps(CMB_BASE, PMR_BASE), 2 * PAGE, { cmbUse }).status).toBe(0);
    expect(take(prps(HOST_BASE, HOST_BASE + PAGE), 2 * PAGE, { cmbUse }).status).toBe(0);
  });

  it('metadata count too: data in host memory, metadata in the CMB', () => {
    const bench = new Bench({ cmbUse: { mayMix: false } });
    const [low, high] = dwords(CMB_BASE);
    const command = bench.command({ ...prps(HOST_BASE), 4: low, 5: high });
    bench.data.toHost(command, payload(512), 0, 512);
    expect(command.status).toBe(0);
    bench.data.metadataToHost(command, payload(8), 0, 8);
    expect(command.status).toBe(NVME_STATUS.INVALID_CMB_USE);
  });

  it('the registers of the controller itself (EC-157), and a range that leaves the CMB: Data Transfer Error', () => {
    expect(take(prps(BAR_BASE), 512).status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
    expect(take(prps(HOST_BASE, BAR_BASE), 3 * PAGE).status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
    const leaving = send(sgl(0x00, CMB_BASE + CMB_BYTES - 100, 200), 200);
    expect(leaving.status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
  });
});

describe('failures of the bus', () => {
  it.each(MODES)('a read that fails is a Data Transfer Error, which may be tried again (%s)', (mode) => {
    const result = take(prps(HOST_BASE, HOST_BASE + 4 * PAGE), 2 * PAGE, { mode }, ({ port }) => {
      port.failWith = DMA_STATUS.COMPLETER_ABORT;
      port.failAfter = 1;
    });
    expect(result.status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
    expect(result.dnr).toBe(false);
    expect(result.bench.port.pendingCount).toBe(0);
  });

  it.each(MODES)('a list that cannot be fetched moves nothing (%s)', (mode) => {
    const result = take(prps(HOST_BASE, HOST_BASE + PAGE), 9 * PAGE, { mode }, ({ port }) => {
      port.failWith = DMA_STATUS.UNSUPPORTED_REQUEST;
    });
    expect(result.status).toBe(NVME_STATUS.DATA_TRANSFER_ERROR);
    expect(result.bench.port.bytes[0]).toBe(0);
  });

  it.each(['TIMEOUT', 'DISABLED', 'GONE'] as const)('%s is a pathing error', (name) => {
    const result = take(prps(HOST_BASE), 512, {}, ({ port }) => {
      port.failWith = DMA_STATUS[name];
    });
    expect(result.status).toBe(NVME_STATUS.CONTROLLER_PATHING_ERROR);
  });
});

describe('ending early', () => {
  it('asks for nothing more, and ends once when what is under way has ended', () => {
    const bench = new Bench({ mode: 'pending' });
    const list = 0x20_0000;
    for (let i = 0; i < 200; i++) {
      putAddress(bench.port.host, list + 8 * i, HOST_BASE + (i % 2) * 4 * PAGE);
    }
    const command = bench.command(prps(HOST_BASE, HOST_BASE + list));
    const into = Memory.flat(200 * PAGE);
    expect(bench.data.fromHost(command, into, 0, 200 * PAGE)).toBe(PENDING);
    bench.port.step();
    const asked = bench.port.requests;
    command.isAbortWanted = true;
    expect(bench.data.isBusy(command)).toBe(true);
    bench.port.run();
    expect(bench.port.requests).toBe(asked);
    expect(bench.transferred).toEqual([command]);
    expect(command.status).toBe(NVME_STATUS.ABORT_REQUESTED);
    expect(bench.data.isBusy(command)).toBe(false);
  });

  it('a reset forgets what is under way; the slot works again', () => {
    const bench = new Bench({ mode: 'pending' });
    const command = bench.command(prps(HOST_BASE));
    expect(bench.data.fromHost(command, Memory.flat(512), 0, 512)).toBe(PENDING);
    bench.data.reset();
    bench.port.run();
    expect(bench.transferred).toEqual([]);
    expect(bench.settle(command, bench.data.fromHost(command, Memory.flat(512), 0, 512))).toBe(0);
  });

  it('no bytes are done at once', () => {
    const bench = new Bench({ mode: 'pending' });
    const command = bench.command(prps(3));
    expect(bench.data.toHost(command, Memory.flat(1), 0, 0)).toBe(DONE);
    expect(command.status).toBe(0);
  });
});

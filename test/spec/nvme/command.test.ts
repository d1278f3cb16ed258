// Queue entries, data pointers, command dwords. NVM Express Base 2.1, 4 and 5; NVM Command Set 1.1, 3.3.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

/** A command of sixteen dwords. */
function sqe(dwords: Readonly<Record<number, number>>): DataView {
  const view = new DataView(new ArrayBuffer(nvme.SQE_BYTES));
  for (const [number, value] of Object.entries(dwords)) {
    view.setUint32(4 * Number(number), value, true);
  }
  return view;
}

describe('queue entries', () => {
  it('are 64 and 16 bytes (4.1.1, 4.2.1)', () => {
    expect(nvme.SUBMISSION_QUEUE_ENTRY.sizeBytes).toBe(64);
    expect(nvme.COMPLETION_QUEUE_ENTRY.sizeBytes).toBe(16);
  });

  it('have their fields where struct nvme_passthru_cmd has them', () => {
    // nsid 4, cdw2 8, cdw3 12, metadata 16, addr 24, cdw10 40: the layout of linux/nvme_ioctl.h up to the data pointer.
    expect([nvme.NSID, nvme.CDW2, nvme.CDW3, nvme.MPTR, nvme.PRP1, nvme.CDW10].map((r) => r.offset)).toEqual([
      4, 8, 12, 16, 24, 40,
    ]);
    expect(nvme.PRP2.offset).toBe(32);
    expect(nvme.DPTR_OFFSET).toBe(nvme.PRP1.offset);
  });

  it('decode a read of eight blocks', () => {
    const command = sqe({ 0: 0x0042_0002, 1: 1, 10: 0x10, 11: 2, 12: 0xc000_0007 });
    expect(nvme.CDW0.OPC.read(command)).toBe(nvme.NVM_OPCODE.READ);
    expect(nvme.CDW0.CID.read(command)).toBe(0x42);
    expect(nvme.SLBA.value(command)).toBe(0x2_0000_0010);
    expect(nvme.blockCount(nvme.CDW12.value(command))).toBe(8);
    expect(nvme.IO_CDW12.FUA.read(command)).toBe(1);
    expect(nvme.IO_CDW12.LR.read(command)).toBe(1);
  });

  it('keep an LBA that no number holds at or above 2^53', () => {
    expect(nvme.SLBA.value(sqe({ 10: 1, 11: 0x20_0000 }))).toBeGreaterThanOrEqual(2 ** 53);
    expect(nvme.SLBA.value(sqe({ 10: 0xffff_ffff, 11: 0x1f_ffff }))).toBe(2 ** 53 - 1);
  });

  it('put phase and status in the upper half of dword 3 (4.2.3)', () => {
    const entry = new DataView(new ArrayBuffer(16));
    entry.setUint32(12, 0x8173_0042, true);
    expect(nvme.CQE_CID.value(entry)).toBe(0x42);
    expect(nvme.CQE_STATUS.P.read(entry)).toBe(1);
    expect(nvme.CQE_STATUS.SC.read(entry)).toBe(0xb9);
    expect(nvme.CQE_STATUS.SCT.read(entry)).toBe(0);
    expect(nvme.CQE_STATUS.DNR.read(entry)).toBe(1);
  });
});

describe('data pointers', () => {
  it.each([
    [0x1000, 4096, 1],
    [0x1e00, 512, 1],
    [0x1e00, 513, 2],
    [0x1ffc, 8192, 3],
    [0x1000, 8192, 2],
    [0x7f_ffff_f800, 131072, 33],
  ])('a transfer from %d of %d bytes touches %d pages (4.3.1)', (prp1, length, pages) => {
    expect(nvme.prpPageCount(prp1, length, 4096)).toBe(pages);
  });

  it('a PRP list holds what is left of its page (4.3.1)', () => {
    expect(nvme.prpListEntries(0x3000, 4096)).toBe(512);
    expect(nvme.prpListEntries(0x3ff8, 4096)).toBe(1);
  });

  it('an SGL descriptor is 16 bytes with its type in the last (4.3.2)', () => {
    expect(nvme.SGL_DESCRIPTOR.sizeBytes).toBe(16);
    const view = new DataView(new ArrayBuffer(16));
    view.setUint8(15, 0x31);
    expect(nvme.SGL_IDENTIFIER.TYPE.read(view)).toBe(nvme.SGL_TYPE.LAST_SEGMENT);
    expect(nvme.SGL_IDENTIFIER.SUBTYPE.read(view)).toBe(nvme.SGL_SUBTYPE.OFFSET);
  });

  it('a keyed descriptor has 24 bits of length before its key', () => {
    const view = new DataView(new ArrayBuffer(16));
    nvme.SGL_KEYED_LENGTH.setValue(view, 0xab_cdef);
    nvme.SGL_KEY.setValue(view, 0x1234_5678);
    expect(nvme.SGL_KEYED_LENGTH.value(view)).toBe(0xab_cdef);
    expect(nvme.SGL_KEY.value(view)).toBe(0x1234_5678);
  });
});

describe('opcodes', () => {
  it.each([
    ['admin', nvme.ADMIN_OPCODE],
    ['NVM', nvme.NVM_OPCODE],
  ])('of the %s commands are all different', (_, opcodes) => {
    const numbers = Object.values(opcodes);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('tell the direction of the data in bits 1:0 (4.1.1)', () => {
    expect(nvme.NVM_OPCODE.WRITE & 3).toBe(nvme.DATA_DIRECTION.HOST_TO_CONTROLLER);
    expect(nvme.NVM_OPCODE.COPY & 3).toBe(nvme.DATA_DIRECTION.HOST_TO_CONTROLLER);
    expect(nvme.ADMIN_OPCODE.IDENTIFY & 3).toBe(nvme.DATA_DIRECTION.CONTROLLER_TO_HOST);
    expect(nvme.NVM_OPCODE.FLUSH & 3).toBe(nvme.DATA_DIRECTION.NONE);
  });

  it('have names for people', () => {
    expect(nvme.nvmOpcodeName(0x08)).toBe('Write Zeroes');
    expect(nvme.nvmOpcodeName(0x12)).toBe('I/O Management Receive');
    expect(nvme.adminOpcodeName(0x05)).toBe('Create I/O CQ');
    expect(nvme.adminOpcodeName(0x1d)).toBe('NVMe MI Send');
    expect(nvme.adminOpcodeName(0xc5)).toBeNull();
  });
});

describe('command dwords', () => {
  it('join the halves of a log page request (5.1.12)', () => {
    const command = sqe({ 10: 0xffff_0002, 11: 0x0001, 12: 0x200, 13: 1 });
    expect(nvme.logPageBytes(command)).toBe(0x2_0000 * 4);
    expect(nvme.logPageOffset(command)).toBe(0x1_0000_0200);
    expect(nvme.logPageBytes(sqe({ 10: 0x007f_0002 }))).toBe(512);
  });

  it('join the halves of the format index (5.1.10)', () => {
    expect(nvme.formatIndex(0x0000_1005)).toBe(21);
  });

  it('are 0s based where the specification says so', () => {
    expect(nvme.queueSizeEntries(1023)).toBe(1024);
    expect(nvme.blockCount(0)).toBe(1);
    expect(nvme.blockCount(0xffff_ffff)).toBe(65536);
    expect(nvme.rangeCount(0x0000_0fff)).toBe(256);
  });

  it('keep the two PRINFO of a Copy apart (NVM Command Set 1.1, 3.3.2)', () => {
    const command = sqe({ 12: 0x3c00_a302 });
    expect(nvme.rangeCount(nvme.CDW12.value(command))).toBe(3);
    expect(nvme.COPY_CDW12.CDF.read(command)).toBe(3);
    expect(nvme.COPY_CDW12.PRINFOR.read(command)).toBe(0xa);
    expect(nvme.COPY_CDW12.PRINFOW.read(command)).toBe(0xf);
  });

  it('make copy ranges of 32 and 40 bytes, with a namespace in formats 2 and 3', () => {
    const layouts = [nvme.COPY_RANGE_0, nvme.COPY_RANGE_1, nvme.COPY_RANGE_2, nvme.COPY_RANGE_3];
    layouts.forEach((layout, cdf) => {
      expect(layout.sizeBytes).toBe(nvme.COPY_FORMATS[cdf]!.rangeBytes);
      expect(layout.registers.some((register) => register.name === 'SNSID')).toBe(
        nvme.COPY_FORMATS[cdf]!.crossNamespace,
      );
    });
  });

  it('make a range of Dataset Management 16 bytes (NVM Command Set 1.1, 3.3.3)', () => {
    expect(nvme.DSM_RANGE.registers.map((r) => [r.name, r.offset])).toEqual([
      ['CATTR', 0],
      ['LLB', 4],
      ['SLBA', 8],
    ]);
  });
});

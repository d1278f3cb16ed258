// Controller properties, controller memory and doorbells. NVM Express Base 2.1, 3.1.4; NVMe over PCIe Transport 1.1, 3.1.2.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

const properties = (): DataView => new DataView(new ArrayBuffer(0x1000));

describe('controller properties', () => {
  it('stand where Linux and QEMU have them', () => {
    const at = Object.fromEntries(
      nvme.CONTROLLER_PROPERTIES.registers.map((register) => [register.name, register.offset]),
    );
    expect(at).toEqual({
      CAP: 0x0,
      VS: 0x8,
      INTMS: 0xc,
      INTMC: 0x10,
      CC: 0x14,
      CSTS: 0x1c,
      NSSR: 0x20,
      AQA: 0x24,
      ASQ: 0x28,
      ACQ: 0x30,
      CMBLOC: 0x38,
      CMBSZ: 0x3c,
      BPINFO: 0x40,
      BPRSEL: 0x44,
      BPMBL: 0x48,
      CMBMSC: 0x50,
      CMBSTS: 0x58,
      CMBEBS: 0x5c,
      CMBSWTP: 0x60,
      NSSD: 0x64,
      CRTO: 0x68,
      PMRCAP: 0xe00,
      PMRCTL: 0xe04,
      PMRSTS: 0xe08,
      PMREBS: 0xe0c,
      PMRSWTP: 0xe10,
      PMRMSCL: 0xe14,
      PMRMSCU: 0xe18,
    });
  });

  it('decode the CAP of a controller as QEMU presents it', () => {
    // MQES 7FFh, CQR, TO Fh, CSS NVM and others, MPSMAX 4, CMBS: the value of QEMU with a CMB.
    const regs = properties();
    regs.setUint32(0, 0x0f01_07ff, true);
    regs.setUint32(4, 0x0240_0820, true);
    expect(nvme.queueEntriesMax(regs)).toBe(2048);
    expect(nvme.CAP.CQR.read(regs)).toBe(1);
    expect(nvme.readyTimeoutMs(regs)).toBe(7500);
    expect(nvme.CAP.CSS.read(regs)).toBe(0x41);
    expect(nvme.CAP.MPSMIN.read(regs)).toBe(0);
    expect(nvme.memoryPageBytes(nvme.CAP.MPSMAX.read(regs))).toBe(65536);
    expect(nvme.CAP.CMBS.read(regs)).toBe(1);
    expect(nvme.CAP.PMRS.read(regs)).toBe(0);
  });

  it('turn the 0s based sizes of AQA into counts (3.1.4.8)', () => {
    const regs = properties();
    regs.setUint32(0x24, 0x001f_000f, true);
    expect(nvme.adminQueueEntries('sq', regs)).toBe(16);
    expect(nvme.adminQueueEntries('cq', regs)).toBe(32);
  });

  it('keep the page of an admin queue above 4 GiB, and show an address that no number holds as too large', () => {
    const regs = properties();
    nvme.ASQ.setValue(regs, 0x12_3456_7000);
    expect(nvme.adminQueueAddress('sq', regs)).toBe(0x12_3456_7000);
    regs.setUint32(0x30, 0xffff_ffff, true);
    regs.setUint32(0x34, 0xffff_ffff, true);
    expect(nvme.adminQueueAddress('cq', regs)).toBeGreaterThanOrEqual(2 ** 53);
  });
});

describe('controller memory', () => {
  it.each([
    [0, 4096],
    [1, 65536],
    [2, 2 ** 20],
    [3, 2 ** 24],
    [4, 2 ** 28],
    [5, 2 ** 32],
    [6, 2 ** 36],
  ])('has units of 4 KiB times 16 to the power SZU: %d (3.1.4.12)', (szu, unit) => {
    const regs = properties();
    nvme.CMBSZ.SZU.write(regs, szu);
    nvme.CMBSZ.SZ.write(regs, 3);
    nvme.CMBLOC.OFST.write(regs, 2);
    expect(nvme.cmbUnitBytes(regs)).toBe(unit);
    expect(nvme.cmbSizeBytes(regs)).toBe(3 * unit);
    expect(nvme.cmbOffsetBytes(regs)).toBe(2 * unit);
  });

  it('reads the CMB that QEMU makes of cmb_size_mb=64', () => {
    const regs = properties();
    regs.setUint32(0x38, 0x0000_0062, true);
    regs.setUint32(0x3c, 0x0004_021d, true);
    expect(nvme.CMBLOC.BIR.read(regs)).toBe(2);
    expect(nvme.CMBLOC.CDPCILS.read(regs) & nvme.CMBLOC.CDPMLS.read(regs)).toBe(1);
    expect(nvme.cmbSizeBytes(regs)).toBe(64 * 2 ** 20);
    expect(['SQS', 'CQS', 'LISTS', 'RDS', 'WDS'].map((name) => nvme.CMBSZ[name as 'SQS'].read(regs))).toEqual(
      [1, 0, 1, 1, 1],
    );
  });

  it('keeps the address in CMBMSC apart from its two enables (3.1.4.16)', () => {
    const regs = properties();
    regs.setUint32(0x50, 0xe000_0003, true);
    regs.setUint32(0x54, 0x0000_0080, true);
    expect(nvme.cmbBaseAddress(regs)).toBe(0x80_e000_0000);
    expect(nvme.CMBMSC.CRE.read(regs)).toBe(1);
    expect(nvme.CMBMSC.CMSE.read(regs)).toBe(1);
    regs.setUint32(0x54, 0xffff_ffff, true);
    expect(nvme.cmbBaseAddress(regs)).toBeGreaterThanOrEqual(2 ** 53);
  });

  it('joins the halves of PMRMSC and scales the times of the PMR (3.1.4.22, 3.1.4.27)', () => {
    const regs = properties();
    regs.setUint32(0xe14, 0x1000_0002, true);
    regs.setUint32(0xe18, 0x40, true);
    expect(nvme.pmrBaseAddress(regs)).toBe(0x40_1000_0000);
    nvme.PMRCAP.PMRTO.write(regs, 3);
    expect(nvme.pmrTimeoutMs(regs)).toBe(1500);
    nvme.PMRCAP.PMRTU.write(regs, 1);
    expect(nvme.pmrTimeoutMs(regs)).toBe(180_000);
  });

  it('scales elasticity and throughput by their units, and takes a reserved unit for nothing said', () => {
    const regs = properties();
    nvme.CMBEBS.setValue(regs, (16 << 8) | 1);
    nvme.PMRSWTP.setValue(regs, (5 << 8) | 3);
    nvme.PMREBS.setValue(regs, (5 << 8) | 4);
    nvme.CMBSWTP.setValue(regs, (7 << 8) | 2);
    expect(nvme.cmbElasticityBytes(regs)).toBe(16384);
    expect(nvme.pmrWriteBytesPerSecond(regs)).toBe(5 * 2 ** 30);
    expect(nvme.pmrElasticityBytes(regs)).toBe(0);
    expect(nvme.cmbWriteBytesPerSecond(regs)).toBe(7 * 2 ** 20);
  });
});

describe('doorbells', () => {
  it('alternate between tail and head, 4 << DSTRD bytes apart (NVMe over PCIe Transport 1.1, 3.1.2)', () => {
    expect(nvme.doorbellOffset(0, 'sq', 0)).toBe(0x1000);
    expect(nvme.doorbellOffset(0, 'cq', 0)).toBe(0x1004);
    expect(nvme.doorbellOffset(3, 'sq', 0)).toBe(0x1018);
    expect(nvme.doorbellOffset(3, 'cq', 4)).toBe(0x1000 + 7 * 64);
    expect(nvme.doorbellBytes(65, 0)).toBe(520);
  });

  it('are found from their offset, and from no other', () => {
    for (const dstrd of [0, 1, 4, 15]) {
      for (const queue of [0, 1, 64, 65535]) {
        expect(nvme.doorbellIndex(nvme.doorbellOffset(queue, 'sq', dstrd), dstrd)).toBe(2 * queue);
        expect(nvme.doorbellIndex(nvme.doorbellOffset(queue, 'cq', dstrd), dstrd)).toBe(2 * queue + 1);
      }
    }
    expect(nvme.doorbellIndex(0x1002, 0)).toBe(-1);
    expect(nvme.doorbellIndex(0x1004, 1)).toBe(-1);
    expect(nvme.doorbellIndex(0xffc, 0)).toBe(-1);
  });
});

import { describe, expect, it } from 'vitest';
import { ADDR_NOWHERE } from '../../../src/base/index.ts';
import { NvmeController, type NvmeOptions } from '../../../src/devices/nvme/index.ts';
import type { BarMemory } from '../../../src/fabric/index.ts';
import {
  CC,
  CMBEBS,
  CMBLOC,
  CMBMSC,
  CMBSTS,
  CMBSWTP,
  CMBSZ,
  cmbElasticityBytes,
  cmbOffsetBytes,
  cmbSizeBytes,
  cmbWriteBytesPerSecond,
  NVM_OPCODE,
  NVME_STATUS,
  PMRCTL,
  PMRMSCL,
  PMRMSCU,
  PMRSTS,
} from '../../../src/spec/nvme/index.ts';
import { BAR_BASE, BenchHost } from './bench.ts';

const BASE = 0x9_0000_0000;
const BAR2 = BAR_BASE + 2 * 0x1000_0000;

function rig(options: NvmeOptions): {
  host: BenchHost;
  model: NvmeController;
  range: (bar: number) => BarMemory;
} {
  const model = new NvmeController({ namespaces: [{ sizeBlocks: 1024 }], ...options });
  const host = new BenchHost(model);
  const range = (bar: number): BarMemory =>
    model.description.bars
      .find((one) => one.index === bar)!
      .regions.find((one): one is BarMemory => one.kind === 'memory')!;
  return { host, model, range };
}

function openCmb(host: BenchHost, base = BASE): void {
  host.write(CMBMSC.offset, 1);
  host.write(CMBMSC.offset + 4, Math.floor(base / 2 ** 32));
  host.write(CMBMSC.offset, ((base % 2 ** 32) | 3) >>> 0);
}

describe('the Controller Memory Buffer of revision 1.4', () => {
  it('hides its registers until CMBMSC.CRE (3.1.4.16)', () => {
    const { host, model, range } = rig({
      cmb: { sizeBytes: 4 << 20, offsetBytes: 2 << 20, barBytes: 16 << 20 },
    });
    expect([CMBLOC, CMBSZ].map((register) => host.read(register.offset))).toEqual([0, 0]);
    expect(model.properties.getUint8(7) & 2).toBe(2);
    host.write(CMBMSC.offset, 1);
    expect(cmbSizeBytes(model.properties)).toBe(4 << 20);
    expect(cmbOffsetBytes(model.properties)).toBe(2 << 20);
    expect(CMBLOC.BIR.read(model.properties)).toBe(2);
    expect(CMBSZ.RDS.read(model.properties) + CMBSZ.WDS.read(model.properties)).toBe(2);
    expect(range(2).isOpen).toBe(false);
    host.write(CMBMSC.offset, 0);
    expect(host.read(CMBSZ.offset)).toBe(0);
  });

  it('is recognised at CBA while CMSE is set, whatever its BAR says', () => {
    const { host, model, range } = rig({ cmb: { sizeBytes: 1 << 20 } });
    openCmb(host);
    expect(range(2).isOpen).toBe(true);
    expect(model.localAddress(BASE + 8, 8)).toMatchObject({ kind: 'cmb', offset: 8 });
    expect(model.localAddress(BAR2, 8)).toBeNull();
    expect(model.localAddress(BASE - 1, 1)).toBeNull();
    expect(model.localAddress(BASE - 1, 2)).toBe('invalid');
    expect(model.localAddress(BASE + (1 << 20) - 4, 8)).toBe('invalid');
    expect(model.localAddress(BASE + (1 << 20), 8)).toBeNull();
    host.write(CMBMSC.offset, 1);
    expect(range(2).isOpen).toBe(false);
    expect(model.localAddress(BASE, 8)).toBeNull();
  });

  it('keeps a store to the high dword and acts on the low one (EC-158)', () => {
    const { host, model } = rig({ cmb: { sizeBytes: 1 << 20 } });
    openCmb(host);
    host.write(CMBMSC.offset + 4, 0x77);
    expect(model.localAddress(BASE, 8)).not.toBeNull();
    host.write(CMBMSC.offset, 3);
    expect(model.localAddress(BASE, 8)).toBeNull();
    expect(model.localAddress(0x77_0000_0000, 8)).toMatchObject({ offset: 0 });
  });

  it('sets CMBSTS.CBAI for a base from which it would pass 2^64 (3.1.4.17)', () => {
    const { host, model, range } = rig({ cmb: { sizeBytes: 1 << 20 } });
    host.write(CMBMSC.offset + 4, 0xffff_ffff);
    host.write(CMBMSC.offset, 0xfff0_1003);
    expect(CMBSTS.CBAI.read(model.properties)).toBe(1);
    expect(range(2).isOpen).toBe(false);
    host.write(CMBMSC.offset, 0xfff0_0003);
    expect(CMBSTS.CBAI.read(model.properties)).toBe(0);
    // Nothing from 2^53 on is ever recognised.
    expect(model.localAddress(ADDR_NOWHERE, 8)).toBeNull();
  });

  it('keeps CMBMSC over a Controller Reset and loses it in any other (3.7.2)', () => {
    const { host, model } = rig({ cmb: { sizeBytes: 1 << 20 } });
    openCmb(host);
    host.enable();
    host.write(CC.offset, 0);
    host.run();
    expect(model.localAddress(BASE, 8)).not.toBeNull();
    host.model.reset('function');
    expect(host.read(CMBMSC.offset)).toBe(0);
    expect(host.read(CMBSZ.offset)).toBe(0);
    expect(model.localAddress(BASE, 8)).toBeNull();
  });

  it('takes data of commands without a byte on the bus', () => {
    const { host, model, range } = rig({ cmb: { sizeBytes: 1 << 20 } });
    openCmb(host);
    host.enable();
    host.createQueue(1);
    const data = host.port.bytes.data;
    expect(
      host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: BASE + 0x3000, cdw10: 8, cdw12: 7 }).status,
    ).toBe(0);
    expect(host.port.bytes.data).toBe(data);
    const namespace = model.subsystem.entry(1)!.namespace;
    expect(range(2).memory.firstDifference(0x3000, namespace.data!, 4096, 4096)).toBe(-1);
  });

  it('refuses data where RDS or WDS is missing (3.1.4.12)', () => {
    const { host } = rig({ cmb: { sizeBytes: 1 << 20, supports: { readData: false } } });
    openCmb(host);
    host.enable();
    host.createQueue(1);
    const run = (opcode: number): number => host.execute(1, { opcode, nsid: 1, prp1: BASE, cdw12: 7 }).status;
    expect(run(NVM_OPCODE.READ)).toBe(NVME_STATUS.INVALID_CMB_USE);
    expect(run(NVM_OPCODE.WRITE)).toBe(0);
  });

  it('tells of its elasticity buffer and its rate', () => {
    const { host, model } = rig({
      cmb: { sizeBytes: 1 << 20, elasticityBytes: 65_536, writeBytesPerSecond: 3 * 2 ** 30 },
    });
    host.write(CMBMSC.offset, 1);
    expect(CMBEBS.CMBWBZ.read(model.properties)).toBe(65_536);
    expect(cmbElasticityBytes(model.properties)).toBe(65_536);
    expect(CMBSWTP.CMBSWTU.read(model.properties)).toBe(1);
    expect(cmbWriteBytesPerSecond(model.properties)).toBe(3 * 2 ** 30);
  });
});

describe('a Controller Memory Buffer of before', () => {
  it('is there from reset, at the address of its BAR', () => {
    const { host, model, range } = rig({ cmb: { sizeBytes: 1 << 20, isLegacy: true } });
    expect(cmbSizeBytes(model.properties)).toBe(1 << 20);
    expect(model.properties.getUint8(7) & 2).toBe(0);
    expect(range(2).isOpen).toBe(true);
    host.enable();
    expect(model.localAddress(BAR2 + 16, 16)).toMatchObject({ kind: 'cmb', offset: 16 });
    host.createQueue(1);
    expect(host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: BAR2, cdw12: 7 }).status).toBe(0);
  });

  it('makes an address in the registers a transfer error (EC-157)', () => {
    const { host } = rig({ cmb: { sizeBytes: 1 << 20, isLegacy: true } });
    host.enable();
    host.createQueue(1);
    expect(host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: BAR_BASE, cdw12: 7 }).status).toBe(
      NVME_STATUS.DATA_TRANSFER_ERROR,
    );
  });

  it('can share BAR 0 with the registers', () => {
    const { model } = rig({ cmb: { sizeBytes: 1 << 16, isLegacy: true, bar: 0, offsetBytes: 1 << 16 } });
    const [bar] = model.description.bars;
    expect(bar!.regions.map((region) => region.offsetBytes)).toEqual([0, 1 << 16]);
    expect(CMBLOC.BIR.read(model.properties)).toBe(0);
    expect(() => rig({ cmb: { sizeBytes: 1 << 16, bar: 0, offsetBytes: 4096 } })).toThrow(/BAR 0/);
  });
});

describe('the Persistent Memory Region', () => {
  it('opens with PMRCTL.EN, is recognised with PMRMSC.CMSE, and keeps its content (3.1.4.23)', () => {
    const { host, model, range } = rig({ pmr: { sizeBytes: 1 << 20 } });
    expect(PMRSTS.NRDY.read(model.properties)).toBe(1);
    expect(range(4).isOpen).toBe(false);
    host.write(PMRCTL.offset, 1);
    expect(PMRSTS.NRDY.read(model.properties)).toBe(0);
    expect(range(4).isOpen).toBe(true);
    host.write(PMRMSCU.offset, BASE / 2 ** 32);
    host.write(PMRMSCL.offset, 2);
    expect(model.localAddress(BASE + 4096, 64)).toMatchObject({ kind: 'pmr', offset: 4096 });
    range(4).memory.setValue(0, 4, 0x1234_5678);
    host.model.reset('power');
    expect(range(4).isOpen).toBe(false);
    expect(range(4).memory.getValue(0, 4)).toBe(0x1234_5678);
    host.write(PMRCTL.offset, 1);
    host.write(PMRMSCU.offset, 0xffff_ffff);
    host.write(PMRMSCL.offset, 0xffff_f002);
    expect(PMRSTS.CBAI.read(model.properties)).toBe(1);
    host.write(PMRCTL.offset, 0);
    expect(PMRMSCL.CMSE.read(model.properties)).toBe(0);
  });
});

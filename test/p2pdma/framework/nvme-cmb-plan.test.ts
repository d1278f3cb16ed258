/** What Linux does with a controller memory buffer (spec nvme-cmb.md section 2; edge cases 148 to 155). */
import { describe, expect, it } from 'vitest';
import {
  type CmbFacts,
  type CmbPlan,
  kernelBehaviour,
  nvmeCmbPlan,
  rulesFor,
  writesCre,
} from '../../../src/p2pdma/index.ts';
import { BAR_START, MIB } from './fake-function.ts';

const REGISTERS = { SZ: 64, SZU: 2, SQS: true, RDS: true, WDS: true, BIR: 2, OFST: 0 };
const BAR = { lengthBytes: 64 * MIB, physAddr: BAR_START, busAddr: BAR_START - 0x1000 * MIB };

function plan(
  changes: Partial<NonNullable<CmbFacts['registers']>> = {},
  facts: Partial<CmbFacts> = {},
  kernel = '7.1.5',
): CmbPlan {
  const registers = { ...REGISTERS, ...changes };
  return nvmeCmbPlan({ hasCmbmsc: true, registers, bar: BAR, ...facts }, kernelBehaviour(rulesFor(kernel)));
}

describe('nvmeCmbPlan', () => {
  it('registers the whole CMB, writes its bus address, and publishes what takes data both ways', () => {
    expect(plan()).toEqual({
      action: 'add',
      bar: 2,
      offsetBytes: 0,
      sizeBytes: 64 * MIB,
      cmbmscAddress: BAR.busAddr,
      usesForQueues: true,
      publishes: true,
    });
  });

  it('EC-148: less than 2 MiB is left alone from 6.14 on; before, registering fails', () => {
    expect(plan({ SZ: 1 })).toMatchObject({ action: 'none' });
    expect(plan({ SZ: 1 }, {}, '6.12')).toMatchObject({ action: 'add', sizeBytes: MIB });
    expect(plan({ SZ: 1 }, {}, '6.6.129')).toMatchObject({ action: 'none' });
    expect(plan({}, { bar: { ...BAR, physAddr: BAR_START + MIB } })).toMatchObject({ action: 'none' });
  });

  it('EC-149: an offset beyond the BAR is left alone, one at its end is not', () => {
    expect(plan({ OFST: 65 })).toMatchObject({ action: 'none' });
    expect(plan({ OFST: 64 })).toMatchObject({ action: 'add', offsetBytes: 64 * MIB, sizeBytes: 0 });
  });

  it('EC-150: more than the BAR has is cut, whatever the registers say', () => {
    expect(plan({ SZ: 0xf_ffff, SZU: 6 })).toMatchObject({ sizeBytes: 64 * MIB });
    expect(plan({ SZ: 0xf_ffff, SZU: 2, OFST: 62 })).toMatchObject({ sizeBytes: 2 * MIB });
    expect(plan({ SZU: 7 })).toMatchObject({ action: 'none' });
  });

  it('EC-151: with only one of RDS and WDS it is registered and not published', () => {
    for (const changes of [{ WDS: false }, { RDS: false }, { RDS: false, WDS: false }]) {
      expect(plan(changes)).toMatchObject({ action: 'add', publishes: false });
    }
  });

  it('SZ = 0 takes the rest of the BAR', () => {
    expect(plan({ SZ: 0 })).toMatchObject({ action: 'add', sizeBytes: 0 });
  });

  it('a BIR that names no memory BAR is handed on with nothing in it', () => {
    expect(plan({}, { bar: null })).toMatchObject({ action: 'add', sizeBytes: 0 });
  });

  it('writes CMBMSC only where controller and kernel have it', () => {
    expect(plan({}, { hasCmbmsc: false })).toMatchObject({ cmbmscAddress: null });
    expect(plan({}, { hasCmbmsc: false }, '5.4')).toMatchObject({ cmbmscAddress: null });
    expect(
      nvmeCmbPlan({ hasCmbmsc: true, registers: null, bar: null }, kernelBehaviour(rulesFor('5.4'))),
    ).toEqual({
      action: 'none',
      why: 'this kernel does not enable CMBSZ, which reads 0',
    });
    expect(writesCre(kernelBehaviour(rulesFor('5.10.198')), true)).toBe(true);
    expect(writesCre(kernelBehaviour(rulesFor('5.10.198')), false)).toBe(false);
  });

  it('leaves queues out when told to', () => {
    expect(plan({}, { mayHoldQueues: false })).toMatchObject({ usesForQueues: false });
    expect(plan({ SQS: false })).toMatchObject({ usesForQueues: false });
  });
});

// Identify data. NVM Express Base 2.1, 5.1.13; NVM Command Set 1.1, 4.1.5. Offsets are those of libnvme's structures.
import { describe, expect, it } from 'vitest';
import type { Structure } from '../../../src/base/index.ts';
import * as nvme from '../../../src/spec/nvme/index.ts';

const offsets = (structure: Structure, names: readonly string[]): (number | undefined)[] =>
  names.map((name) => structure.registers.find((register) => register.name === name)?.offset);

describe('identify data', () => {
  it.each([
    nvme.IDENTIFY_CONTROLLER,
    nvme.IDENTIFY_CONTROLLER_NVM,
    nvme.IDENTIFY_NAMESPACE,
    nvme.IDENTIFY_NAMESPACE_NVM,
    nvme.IDENTIFY_NAMESPACE_INDEPENDENT,
    nvme.NAMESPACE_CREATE,
    nvme.CONTROLLER_LIST,
    nvme.PRIMARY_CONTROLLER_CAPABILITIES,
    nvme.SECONDARY_CONTROLLER_LIST,
  ])('$name is 4096 bytes', ({ sizeBytes }) => {
    expect(sizeBytes).toBe(4096);
  });

  it.each([nvme.NAMESPACE_LIST, nvme.UUID_LIST, nvme.COMMAND_SET_VECTORS, nvme.CHANGED_NAMESPACE_LIST])(
    '$name fills 4096 bytes',
    ({ sizeBytes, offset }) => {
      expect([offset, sizeBytes]).toEqual([0, 4096]);
    },
  );

  it('of a controller has its fields where the kernel reads them', () => {
    expect(
      offsets(nvme.IDENTIFY_CONTROLLER, [
        'MDTS',
        'CNTLID',
        'VER',
        'OAES',
        'CTRATT',
        'CNTRLTYPE',
        'OACS',
        'FRMW',
        'HMPRE',
        'RPMBS',
        'SANICAP',
        'SQES',
        'NN',
        'ONCS',
        'VWC',
        'AWUN',
        'OCFS',
        'SGLS',
        'MNAN',
      ]),
    ).toEqual([77, 78, 80, 92, 96, 111, 256, 260, 272, 312, 328, 512, 516, 520, 525, 526, 534, 536, 540]);
    expect([nvme.ID_TNVMCAP.offset, nvme.ID_SUBNQN.offset, nvme.ID_PSD.at(1)]).toEqual([280, 768, 2080]);
  });

  it('of a namespace has its fields where the kernel reads them', () => {
    expect(
      offsets(nvme.IDENTIFY_NAMESPACE, [
        'NSZE',
        'FLBAS',
        'DPS',
        'NMIC',
        'DLFEAT',
        'NOIOB',
        'NPWG',
        'MSSRL',
        'MCL',
        'MSRC',
        'ANAGRPID',
        'NSATTR',
      ]),
    ).toEqual([0, 26, 29, 30, 33, 46, 64, 74, 76, 80, 92, 99]);
    expect([nvme.NS_NVMCAP.offset, nvme.NS_NGUID.offset, nvme.NS_EUI64.offset]).toEqual([48, 104, 120]);
    expect([nvme.NS_LBAF.at(0), nvme.NS_LBAF.at(63), nvme.NVM_NS_ELBAF.at(0)]).toEqual([128, 380, 12]);
  });

  it('tells of formats, those that need the leave of the host included', () => {
    const view = new DataView(new ArrayBuffer(4096));
    nvme.NS_NLBAF.setValue(view, 7);
    nvme.NS_NULBAF.setValue(view, 2);
    expect(nvme.lbaFormatCount(view)).toBe(10);
    expect(nvme.lbaFormatIndex(0x15)).toBe(5);
    expect(nvme.lbaFormatIndex(0x35)).toBe(21);
    expect(nvme.lbaDataBytes(0x000c_0008)).toBe(4096);
    expect(nvme.lbaDataBytes(0)).toBeNull();
  });

  it('sets no limit with MDTS 0, and one in units of the smallest page otherwise', () => {
    expect(nvme.mdtsBytes(0, 0)).toBeNull();
    expect(nvme.mdtsBytes(7, 0)).toBe(512 * 1024);
    expect(nvme.mdtsBytes(5, 2)).toBe(512 * 1024);
  });

  it('has entries of the sizes that its lists count with', () => {
    expect(nvme.POWER_STATE_DESCRIPTOR.sizeBytes).toBe(nvme.ID_PSD.strideBytes);
    expect(nvme.SECONDARY_CONTROLLER_ENTRY.sizeBytes).toBe(nvme.SECONDARY_LIST_ENTRIES.strideBytes);
    expect(nvme.UUID_ENTRY.sizeBytes).toBe(nvme.UUID_LIST.strideBytes);
    expect(nvme.SELF_TEST_RESULT.sizeBytes).toBe(nvme.SELF_TEST_RESULTS.strideBytes);
  });

  it('is asked for by CNS that are all different', () => {
    const numbers = Object.values(nvme.CNS);
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

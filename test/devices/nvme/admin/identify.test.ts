import { describe, expect, it } from 'vitest';
import { NvmSubsystem } from '../../../../src/devices/nvme/index.ts';
import {
  asciiOf,
  bytesOf,
  CNS,
  CONTROLLER_LIST_IDS,
  CONTROLLER_LIST_NUMID,
  ID_AERL,
  ID_CNTLID,
  ID_CQES,
  ID_FUSES,
  ID_MDTS,
  ID_MN,
  ID_NPSS,
  ID_OACS,
  ID_OCFS,
  ID_ONCS,
  ID_SQES,
  ID_SUBNQN,
  ID_VER,
  ID_VWC,
  LBAF,
  lbaFormatIndex,
  NAMESPACE_LIST,
  NID_NIDL,
  NID_NIDT,
  NS_FLBAS,
  NS_LBAF,
  NS_NCAP,
  NS_NGUID,
  NS_NSZE,
  NS_NUSE,
  NVME_STATUS,
} from '../../../../src/spec/nvme/index.ts';
import { adminRig } from './rig.ts';

describe('Identify', () => {
  it('describes the controller (5.1.13.2.1)', () => {
    const rig = adminRig({ model: 'Drive of Theseus', mdts: 5, volatileWriteCache: false, version: '2.1' });
    expect(rig.identify(CNS.CONTROLLER).status).toBe(0);
    const view = rig.view();
    expect(asciiOf(ID_MN, view)).toBe('Drive of Theseus');
    expect(ID_MDTS.value(view)).toBe(5);
    expect(ID_VWC.VWCP.read(view)).toBe(0);
    expect(ID_VER.value(view)).toBe(0x0002_0100);
    expect([ID_SQES.value(view), ID_CQES.value(view)]).toEqual([0x66, 0x44]);
    expect(ID_OACS.NMS.read(view)).toBe(1);
    expect(ID_ONCS.NVMCPYS.read(view)).toBe(1);
    expect(ID_OCFS.value(view)).toBe(0xf);
    expect(ID_FUSES.FCWS.read(view)).toBe(1);
    expect(ID_AERL.value(view)).toBe(7);
    expect(ID_NPSS.value(view)).toBe(4);
    expect(asciiOf(ID_SUBNQN, view)).toMatch(/^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f-]{36}$/);
  });

  it('leaves out what a revision did not have', () => {
    const rig = adminRig({ version: '1.3' });
    rig.identify(CNS.CONTROLLER);
    expect(ID_ONCS.NVMCPYS.read(rig.view())).toBe(0);
    expect(ID_ONCS.NVMVFYS.read(rig.view())).toBe(0);
    expect(rig.identify(CNS.INDEPENDENT_NAMESPACE, { nsid: 1 }).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('describes a namespace, zeroes for one that is not active, an error for one that cannot be', () => {
    const rig = adminRig({
      namespaces: [{ sizeBlocks: 100, blockBytes: 4096, metadataBytes: 8, piType: 1 }],
    });
    expect(rig.identify(CNS.NAMESPACE, { nsid: 1 }).status).toBe(0);
    const view = rig.view();
    expect([NS_NSZE, NS_NCAP, NS_NUSE].map((field) => field.value(view))).toEqual([100, 100, 100]);
    const format = NS_LBAF.at(lbaFormatIndex(NS_FLBAS.value(view)));
    expect(LBAF.LBADS.read(view, format)).toBe(12);
    expect(LBAF.MS.read(view, format)).toBe(8);
    expect(rig.identify(CNS.NAMESPACE, { nsid: 5 }).status).toBe(0);
    expect(NS_NSZE.value(rig.view())).toBe(0);
    expect(rig.identify(CNS.NAMESPACE, { nsid: 0 }).status).toBe(NVME_STATUS.INVALID_NAMESPACE);
    expect(rig.identify(CNS.NAMESPACE, { nsid: 100_000 }).status).toBe(NVME_STATUS.INVALID_NAMESPACE);
    expect(rig.identify(CNS.NAMESPACE, { nsid: 0xffff_ffff }).status).toBe(0);
  });

  it('lists namespaces above a number, ascending (5.1.13.2.2)', () => {
    const rig = adminRig({
      namespaces: [{ sizeBlocks: 8, nsid: 7 }, { sizeBlocks: 8 }, { sizeBlocks: 8, nsid: 30 }],
    });
    const list = (nsid: number, cns: number = CNS.ACTIVE_NAMESPACE_LIST): number[] => {
      expect(rig.identify(cns, { nsid }).status).toBe(0);
      return Array.from({ length: 4 }, (_, i) => rig.view().getUint32(NAMESPACE_LIST.at(i), true));
    };
    expect(list(0)).toEqual([1, 7, 30, 0]);
    expect(list(7)).toEqual([30, 0, 0, 0]);
    expect(list(0, CNS.ALLOCATED_NAMESPACE_LIST)).toEqual([1, 7, 30, 0]);
    expect(list(1, CNS.COMMAND_SET_ACTIVE_NAMESPACE_LIST)).toEqual([7, 30, 0, 0]);
    expect(rig.identify(CNS.ACTIVE_NAMESPACE_LIST, { nsid: 0xffff_fffe }).status).toBe(
      NVME_STATUS.INVALID_NAMESPACE,
    );
  });

  it('names a namespace by EUI-64, NGUID, UUID and command set (5.1.13.2.3)', () => {
    const rig = adminRig({ namespaces: [{ sizeBlocks: 8, nguid: '00112233445566778899aabbccddeeff' }] });
    expect(rig.identify(CNS.NAMESPACE_DESCRIPTORS, { nsid: 1 }).status).toBe(0);
    const view = rig.view();
    const found: [number, number][] = [];
    for (let at = 0; NID_NIDT.value(view, at) !== 0; at += 4 + NID_NIDL.value(view, at)) {
      found.push([NID_NIDT.value(view, at), NID_NIDL.value(view, at)]);
    }
    expect(found).toEqual([
      [1, 8],
      [2, 16],
      [3, 16],
      [4, 1],
    ]);
    rig.identify(CNS.NAMESPACE, { nsid: 1 });
    expect([...bytesOf(NS_NGUID, rig.view())].slice(0, 3)).toEqual([0, 0x11, 0x22]);
  });

  it('gives the same identifiers for the same seed, others for another', () => {
    const uuid = (seed: number): string => {
      const rig = adminRig({ seed });
      rig.identify(CNS.NAMESPACE_DESCRIPTORS, { nsid: 1 });
      return String(rig.host.bytes(rig.buffer, 64));
    };
    expect(uuid(1)).toBe(uuid(1));
    expect(uuid(1)).not.toBe(uuid(2));
  });

  it('lists the controllers of a subsystem, and those of a namespace', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 3 });
    const shared = { sizeBlocks: 64, isShared: true };
    const first = adminRig({ namespaces: [shared, { sizeBlocks: 8 }] }, { subsystem });
    const second = adminRig({ namespaces: [{ sizeBlocks: 8 }] }, { subsystem });
    first.identify(CNS.CONTROLLER);
    expect(ID_CNTLID.value(first.view())).toBe(0);
    second.identify(CNS.CONTROLLER);
    expect(ID_CNTLID.value(second.view())).toBe(1);
    const list = (cns: number, nsid = 0): number[] => {
      second.identify(cns, { nsid });
      const view = second.view();
      return Array.from({ length: CONTROLLER_LIST_NUMID.value(view) }, (_, i) =>
        view.getUint16(CONTROLLER_LIST_IDS.at(i), true),
      );
    };
    expect(list(CNS.CONTROLLER_LIST)).toEqual([0, 1]);
    expect(list(CNS.NAMESPACE_CONTROLLER_LIST, 1)).toEqual([0, 1]);
    expect(list(CNS.NAMESPACE_CONTROLLER_LIST, 2)).toEqual([0]);
    // Namespace 2 is the first controller's alone.
    second.identify(CNS.NAMESPACE, { nsid: 2 });
    expect(NS_NSZE.value(second.view())).toBe(0);
    second.identify(CNS.ALLOCATED_NAMESPACE, { nsid: 2 });
    expect(NS_NSZE.value(second.view())).toBe(8);
  });

  it('refuses what it does not have, and says which field it was', () => {
    const rig = adminRig();
    for (const cns of [CNS.UUID_LIST, CNS.DOMAIN_LIST, 0xff]) {
      expect(rig.identify(cns)).toMatchObject({ status: NVME_STATUS.INVALID_FIELD, dnr: true });
    }
    expect(rig.identify(CNS.COMMAND_SET_CONTROLLER, { cdw11: 2 << 24 }).status).toBe(
      NVME_STATUS.INVALID_FIELD,
    );
    expect(rig.identify(CNS.COMMAND_SETS, { cdw10: 0xffff_0000 }).status).toBe(0);
    expect(rig.view().getUint32(0, true)).toBe(1);
  });
});

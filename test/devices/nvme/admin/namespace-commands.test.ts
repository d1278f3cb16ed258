import { describe, expect, it } from 'vitest';
import { NvmSubsystem } from '../../../../src/devices/nvme/index.ts';
import {
  ADMIN_OPCODE,
  ASYNC_EVENT,
  asyncEventDword,
  CNS,
  LBAF,
  LOG_PAGE,
  lbaFormatIndex,
  NS_DPS,
  NS_FLBAS,
  NS_LBAF,
  NS_NSZE,
  NVM_OPCODE,
  NVME_STATUS,
} from '../../../../src/spec/nvme/index.ts';
import { type AdminRig, adminRig } from './rig.ts';

function create(
  rig: AdminRig,
  blocks: number,
  flbas = 0,
  more: { nmic?: number; dps?: number; ncap?: number } = {},
) {
  const bytes = rig.host.bytes(rig.buffer, 4096);
  bytes.fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4096);
  view.setUint32(0, blocks, true);
  view.setUint32(8, more.ncap ?? blocks, true);
  bytes[26] = flbas;
  bytes[29] = more.dps ?? 0;
  bytes[30] = more.nmic ?? 0;
  return rig.host.admin({ opcode: ADMIN_OPCODE.NAMESPACE_MANAGEMENT, prp1: rig.buffer });
}

function attach(rig: AdminRig, nsid: number, controllers: readonly number[], select = 0) {
  const bytes = rig.host.bytes(rig.buffer, 4096);
  bytes.fill(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, 4096);
  view.setUint16(0, controllers.length, true);
  controllers.forEach((id, index) => {
    view.setUint16(2 + 2 * index, id, true);
  });
  return rig.host.admin({ opcode: ADMIN_OPCODE.NAMESPACE_ATTACHMENT, prp1: rig.buffer, nsid, cdw10: select })
    .status;
}

const remove = (rig: AdminRig, nsid: number): number =>
  rig.host.admin({ opcode: ADMIN_OPCODE.NAMESPACE_MANAGEMENT, nsid, cdw10: 1 }).status;

describe('Namespace Management and Attachment (5.1.20, 5.1.21)', () => {
  it('makes a namespace, attaches it, uses it, detaches and deletes it', () => {
    const rig = adminRig({ capacityBytes: 1 << 24 });
    rig.host.createQueue(1);
    expect(create(rig, 256, 4)).toMatchObject({ status: 0, dw0: 3 });
    const read = () =>
      rig.host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 3, prp1: rig.host.alloc(4096) }).status;
    expect(read()).toBe(NVME_STATUS.INVALID_FIELD);
    expect(attach(rig, 3, [0])).toBe(0);
    expect(read()).toBe(0);
    expect(attach(rig, 3, [0])).toBe(NVME_STATUS.NAMESPACE_ALREADY_ATTACHED);
    rig.identify(CNS.NAMESPACE, { nsid: 3 });
    expect(NS_NSZE.value(rig.view())).toBe(256);
    expect(attach(rig, 3, [0], 1)).toBe(0);
    expect(attach(rig, 3, [0], 1)).toBe(NVME_STATUS.NAMESPACE_NOT_ATTACHED);
    expect(remove(rig, 3)).toBe(0);
    expect(remove(rig, 3)).toBe(NVME_STATUS.INVALID_FIELD);
    expect(remove(rig, 100_000)).toBe(NVME_STATUS.INVALID_NAMESPACE);
  });

  it.each([
    ['more than the capacity', 1 << 30, 0, {}, NVME_STATUS.NAMESPACE_INSUFFICIENT_CAPACITY],
    ['no blocks', 0, 0, {}, NVME_STATUS.INVALID_FIELD],
    ['a format that is not there', 8, 0x4f, {}, NVME_STATUS.INVALID_FORMAT],
    ['protection without metadata', 8, 0, { dps: 1 }, NVME_STATUS.INVALID_FORMAT],
    ['less capacity than size', 8, 0, { ncap: 4 }, NVME_STATUS.THIN_PROVISIONING_NOT_SUPPORTED],
  ])('refuses to make one with %s', (_name, blocks, flbas, more, status) => {
    expect(create(adminRig({ capacityBytes: 1 << 24 }), blocks, flbas, more).status).toBe(status);
  });

  it('refuses lists of controllers that make no sense', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    const rig = adminRig({ capacityBytes: 1 << 24 }, { subsystem });
    adminRig({ namespaces: [] }, { subsystem });
    create(rig, 64);
    expect(attach(rig, 3, [])).toBe(NVME_STATUS.CONTROLLER_LIST_INVALID);
    expect(attach(rig, 3, [7])).toBe(NVME_STATUS.CONTROLLER_LIST_INVALID);
    expect(attach(rig, 3, [0, 1])).toBe(NVME_STATUS.NAMESPACE_PRIVATE);
    expect(attach(rig, 44, [0])).toBe(NVME_STATUS.INVALID_FIELD);
    expect(create(rig, 64, 0, { nmic: 1 }).dw0).toBe(4);
    expect(attach(rig, 4, [0, 1])).toBe(0);
  });

  it('tells other controllers, and lists what changed until that is read', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    const first = adminRig({ capacityBytes: 1 << 24 }, { subsystem });
    const second = adminRig({ namespaces: [] }, { subsystem });
    second.set(0x0b, 0x100);
    const cid = second.host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    second.host.ring(0);
    second.host.run();
    create(first, 64, 0, { nmic: 1 });
    attach(first, 3, [1]);
    second.host.run();
    expect(second.host.reap(0)).toMatchObject([
      { cid, dw0: asyncEventDword(ASYNC_EVENT.NAMESPACE_ATTRIBUTE_CHANGED) },
    ]);
    second.log(LOG_PAGE.CHANGED_ATTACHED_NAMESPACES, 4096);
    expect([0, 4].map((at) => second.view().getUint32(at, true))).toEqual([3, 0]);
    second.log(LOG_PAGE.CHANGED_ATTACHED_NAMESPACES, 4096);
    expect(second.view().getUint32(0, true)).toBe(0);
  });
});

describe('Format NVM (5.1.10)', () => {
  const format = (rig: AdminRig, nsid: number, cdw10: number): number =>
    rig.host.admin({ opcode: ADMIN_OPCODE.FORMAT_NVM, nsid, cdw10 }).status;

  it('changes block size and protection, and forgets the content', () => {
    const rig = adminRig();
    rig.host.createQueue(1);
    const page = rig.host.alloc(4096);
    rig.host.bytes(page, 512).fill(7);
    expect(format(rig, 1, 5 | (1 << 5))).toBe(0);
    rig.identify(CNS.NAMESPACE, { nsid: 1 });
    expect(NS_NSZE.value(rig.view())).toBe(128);
    expect(NS_DPS.PIT.read(rig.view())).toBe(1);
    expect(LBAF.LBADS.read(rig.view(), NS_LBAF.at(lbaFormatIndex(NS_FLBAS.value(rig.view()))))).toBe(12);
    expect(format(rig, 1, 0)).toBe(0);
    expect(rig.host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: page }).status).toBe(0);
    expect(rig.host.bytes(page, 512).every((byte) => byte === 0)).toBe(true);
  });

  it('waits for commands that are under way, and keeps new ones out meanwhile', () => {
    const rig = adminRig({}, {}, 'jitter');
    rig.host.createQueue(1, 64);
    for (let i = 0; i < 32; i++) {
      rig.host.push(1, {
        opcode: NVM_OPCODE.READ,
        nsid: 1,
        prp1: rig.host.alloc(4096),
        cdw10: 1016,
        cdw12: 7,
      });
    }
    rig.host.ring(1);
    rig.host.port.executor.runUntilIdle(20);
    rig.host.push(0, { opcode: ADMIN_OPCODE.FORMAT_NVM, nsid: 1, cdw10: 4 });
    rig.host.ring(0);
    rig.host.run();
    expect(rig.host.reap(0)).toMatchObject([{ status: 0 }]);
    expect(rig.host.reap(1)).toHaveLength(32);
    rig.host.run();
    rig.identify(CNS.NAMESPACE, { nsid: 1 });
    expect(NS_NSZE.value(rig.view())).toBe(128);
  });

  it.each([
    ['a format that is not there', 1, 0x0f, NVME_STATUS.INVALID_FORMAT],
    ['protection where there is no metadata', 1, 1 << 5, NVME_STATUS.INVALID_FORMAT],
    ['a format that needs the leave of the host', 1, 8, NVME_STATUS.INVALID_FORMAT],
    ['an erase that is not there', 1, 3 << 9, NVME_STATUS.INVALID_FIELD],
    ['a namespace that is not active', 9, 0, NVME_STATUS.INVALID_FIELD],
    ['a namespace that cannot be', 0, 0, NVME_STATUS.INVALID_NAMESPACE],
  ])('refuses %s', (_name, nsid, cdw10, status) => {
    expect(format(adminRig(), nsid, cdw10)).toBe(status);
  });

  it('formats all namespaces at once', () => {
    const rig = adminRig();
    expect(format(rig, 0xffff_ffff, 4)).toBe(0);
    for (const [nsid, blocks] of [
      [1, 128],
      [2, 64],
    ] as const) {
      rig.identify(CNS.NAMESPACE, { nsid });
      expect(NS_NSZE.value(rig.view())).toBe(blocks);
    }
  });
});

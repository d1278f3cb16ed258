import { describe, expect, it } from 'vitest';
import {
  ADMIN_OPCODE,
  asciiOf,
  CC,
  CNS,
  FIRMWARE_AFI,
  ID_FR,
  LOG_PAGE,
  NVME_STATUS,
} from '../../../../src/spec/nvme/index.ts';
import { type AdminRig, adminRig } from './rig.ts';

function download(rig: AdminRig, revision: string, offset = 0): number {
  const bytes = rig.host.bytes(rig.buffer, 4096);
  bytes.fill(0);
  bytes.set(Array.from(revision, (character) => character.charCodeAt(0)));
  return rig.host.admin({
    opcode: ADMIN_OPCODE.FIRMWARE_IMAGE_DOWNLOAD,
    prp1: rig.buffer,
    cdw10: 1023,
    cdw11: offset / 4,
  }).status;
}

const commit = (rig: AdminRig, slot: number, action: number): number =>
  rig.host.admin({ opcode: ADMIN_OPCODE.FIRMWARE_COMMIT, cdw10: slot | (action << 3) }).status;

const revision = (rig: AdminRig): string => {
  rig.identify(CNS.CONTROLLER);
  return asciiOf(ID_FR, rig.view());
};

describe('Firmware Image Download and Commit (5.1.8, 5.1.9)', () => {
  it('activates an image with the next reset', () => {
    const rig = adminRig({ firmware: '1.0' });
    expect(download(rig, 'NEWER2.0')).toBe(0);
    expect(download(rig, '', 4096)).toBe(0);
    expect(commit(rig, 2, 1)).toBe(0);
    rig.log(LOG_PAGE.FIRMWARE_SLOT);
    expect([FIRMWARE_AFI.CAFS.read(rig.view()), FIRMWARE_AFI.NAFS.read(rig.view())]).toEqual([1, 2]);
    expect(revision(rig)).toBe('1.0');
    rig.host.write(CC.offset, 0);
    rig.host.enable();
    expect(revision(rig)).toBe('NEWER2.0');
  });

  it('activates at once with action 3', () => {
    const rig = adminRig({ firmware: '1.0' });
    download(rig, 'RIGHTNOW');
    expect(commit(rig, 3, 3)).toBe(0);
    expect(revision(rig)).toBe('RIGHTNOW');
    expect(commit(rig, 1, 3)).toBe(0);
    expect(revision(rig)).toBe('1.0');
  });

  it('refuses slots and images that are not there, holes and overlaps', () => {
    const rig = adminRig();
    expect(commit(rig, 7, 1)).toBe(NVME_STATUS.INVALID_FIRMWARE_SLOT);
    expect(commit(rig, 2, 2)).toBe(NVME_STATUS.INVALID_FIRMWARE_SLOT);
    expect(commit(rig, 2, 1)).toBe(NVME_STATUS.INVALID_FIRMWARE_IMAGE);
    expect(commit(rig, 2, 6)).toBe(NVME_STATUS.INVALID_FIELD);
    download(rig, 'ABCDEFGH');
    download(rig, '', 8192);
    expect(commit(rig, 2, 1)).toBe(NVME_STATUS.INVALID_FIRMWARE_IMAGE);
    download(rig, 'ABCDEFGH');
    download(rig, '', 4096);
    expect(download(rig, '', 4096)).toBe(NVME_STATUS.OVERLAPPING_RANGE);
    expect(download(rig, '', 0xffff_f000)).toBe(NVME_STATUS.INVALID_FIELD);
  });
});

import { describe, expect, it } from 'vitest';
import {
  ADMIN_OPCODE,
  ASYNC_EVENT,
  asyncEventDword,
  CC,
  LOG_PAGE,
  NVM_OPCODE,
  NVME_STATUS,
  SANITIZE_SSTAT,
} from '../../../../src/spec/nvme/index.ts';
import { type AdminRig, adminRig } from './rig.ts';

/** Sends a Sanitize and looks at it before its time is over. */
function start(rig: AdminRig, action: number): number {
  rig.host.push(0, { opcode: ADMIN_OPCODE.SANITIZE, cdw10: action });
  rig.host.ring(0);
  rig.host.port.executor.runUntilIdle(1);
  return rig.host.reap(0)[0]!.status;
}

/** An I/O read without letting time pass. */
function readNow(rig: AdminRig): number {
  rig.host.push(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: rig.buffer });
  rig.host.ring(1);
  rig.host.port.executor.runUntilIdle(1);
  return rig.host.reap(1)[0]!.status;
}

describe('Sanitize (5.1.22)', () => {
  it('keeps everybody out, erases, and tells the host', () => {
    const rig = adminRig();
    rig.host.createQueue(1);
    const cid = rig.host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    expect(start(rig, 2)).toBe(0);
    expect(readNow(rig)).toBe(NVME_STATUS.SANITIZE_IN_PROGRESS);
    rig.host.push(0, { opcode: ADMIN_OPCODE.FORMAT_NVM, nsid: 1 });
    rig.host.ring(0);
    rig.host.port.executor.runUntilIdle(1);
    expect(rig.host.reap(0)).toMatchObject([{ status: NVME_STATUS.SANITIZE_IN_PROGRESS }]);
    rig.host.run();
    expect(rig.host.reap(0)).toMatchObject([{ cid, dw0: asyncEventDword(ASYNC_EVENT.SANITIZE_COMPLETED) }]);
    expect(readNow(rig)).toBe(0);
    expect(rig.host.bytes(rig.buffer, 512).every((byte) => byte === 0)).toBe(true);
    rig.log(LOG_PAGE.SANITIZE_STATUS);
    expect(SANITIZE_SSTAT.SOS.read(rig.view(512))).toBe(1);
    expect(SANITIZE_SSTAT.GDE.read(rig.view(512))).toBe(1);
  });

  it('goes on over a reset', () => {
    const rig = adminRig();
    start(rig, 4);
    rig.host.write(CC.offset, 0);
    rig.host.port.executor.runUntilIdle(3);
    rig.host.enable();
    rig.host.createQueue(1);
    expect(readNow(rig)).toBe(0);
    expect(rig.model.subsystem.sanitize.outcome).toBe(1);
  });

  it('locks the drive when it fails, until one succeeds', () => {
    const rig = adminRig();
    rig.host.createQueue(1);
    rig.model.admin.sanitize.failNext = true;
    start(rig, 2);
    rig.host.run();
    expect(readNow(rig)).toBe(NVME_STATUS.SANITIZE_FAILED);
    expect(start(rig, 1)).toBe(NVME_STATUS.SANITIZE_FAILED);
    expect(start(rig, 2)).toBe(0);
    rig.host.run();
    expect(readNow(rig)).toBe(0);
  });

  it('can be left after a failure when the command allowed that (AUSE)', () => {
    const rig = adminRig();
    rig.host.createQueue(1);
    rig.model.admin.sanitize.failNext = true;
    start(rig, 2 | 8);
    rig.host.run();
    expect(start(rig, 1)).toBe(0);
    expect(readNow(rig)).toBe(0);
  });

  it('refuses actions that are not there', () => {
    expect(start(adminRig(), 0)).toBe(NVME_STATUS.INVALID_FIELD);
    expect(start(adminRig(), 5)).toBe(NVME_STATUS.INVALID_FIELD);
  });
});

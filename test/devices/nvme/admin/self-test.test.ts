import { describe, expect, it } from 'vitest';
import {
  ADMIN_OPCODE,
  LOG_PAGE,
  NVME_STATUS,
  SELF_TEST_OPERATION,
  SELF_TEST_RESULTS,
  SELF_TEST_STATUS,
} from '../../../../src/spec/nvme/index.ts';
import { type AdminRig, adminRig } from './rig.ts';

function start(rig: AdminRig, code: number, nsid = 0): number {
  rig.host.push(0, { opcode: ADMIN_OPCODE.DEVICE_SELF_TEST, nsid, cdw10: code });
  rig.host.ring(0);
  rig.host.port.executor.runUntilIdle(1);
  return rig.host.reap(0)[0]!.status;
}

function results(rig: AdminRig): number[] {
  rig.log(LOG_PAGE.DEVICE_SELF_TEST, 564);
  return [0, 1, 2].map((i) => SELF_TEST_STATUS.DSTR.read(rig.view(564), SELF_TEST_RESULTS.at(i)));
}

describe('Device Self-test (5.1.5)', () => {
  it('runs one at a time and keeps results, newest first', () => {
    const rig = adminRig();
    expect(start(rig, 1)).toBe(0);
    expect(start(rig, 2)).toBe(NVME_STATUS.SELF_TEST_IN_PROGRESS);
    rig.host.run();
    rig.model.selfTest.failNext = true;
    start(rig, 2);
    rig.host.run();
    expect(results(rig)).toEqual([7, 0, 0xf]);
    expect(SELF_TEST_OPERATION.CDSTO.read(rig.view(564))).toBe(0);
  });

  it('is aborted by Fh and by a format', () => {
    const rig = adminRig();
    start(rig, 2);
    expect(rig.model.selfTest.isRunning).toBe(true);
    expect(start(rig, 0xf)).toBe(0);
    start(rig, 1);
    rig.host.push(0, { opcode: ADMIN_OPCODE.FORMAT_NVM, nsid: 1 });
    rig.host.ring(0);
    rig.host.port.executor.runUntilIdle(1);
    rig.host.reap(0);
    expect(results(rig)).toEqual([4, 1, 0xf]);
  });

  it('refuses codes and namespaces that are not there', () => {
    expect(start(adminRig(), 7)).toBe(NVME_STATUS.INVALID_FIELD);
    expect(start(adminRig(), 1, 77)).toBe(NVME_STATUS.INVALID_FIELD);
    expect(start(adminRig(), 1, 7777)).toBe(NVME_STATUS.INVALID_NAMESPACE);
  });
});

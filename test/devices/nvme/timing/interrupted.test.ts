/** Commands that wait for the media when somebody ends them: nothing is left behind, and nobody hears of them later. */
import { describe, expect, it } from 'vitest';
import type { MediaTimingOptions } from '../../../../src/devices/nvme/index.ts';
import { ADMIN_OPCODE, CC, NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import { TimedDrive, US } from './timed-drive.ts';

const MIB = 2 ** 20;

/** Commands wait for each part of it: controller, cache, media path, dies, and their own latency. */
const SLOW: MediaTimingOptions = {
  readGBs: 1,
  writeGBs: 1,
  drainGBs: 0.2,
  readIops: 100_000,
  writeIops: 100_000,
  readLatencyPs: 80 * US,
  writeLatencyPs: 20 * US,
  channels: 2,
  dies: 4,
  cacheBytes: MIB,
  adminPs: 10 * US,
};

/** A drive with 100 commands of all kinds in every state of waiting. */
function busyDrive(): TimedDrive {
  const drive = new TimedDrive(SLOW);
  drive.host.port.linkPsPerByte = 250;
  for (let i = 0; i < 100; i++) {
    if (i % 10 === 7) {
      drive.push('flush');
    } else {
      drive.push(i % 3 === 0 ? 'write' : 'read', 64 * i, 1 + 3 * (i % 11));
    }
  }
  drive.host.ring(1);
  return drive;
}

/** The drive answers as one that has just been plugged in. */
function expectFresh(drive: TimedDrive): void {
  drive.host.enable();
  drive.host.createQueue(1, 1024);
  expect(drive.model.snapshot().commandsInWork).toBe(0);
  const linkPs = (64 + 4096 + 16) * 250;
  expect(drive.once('read', 12_345)).toBeCloseTo(80 * US + 4096 * 1000 + linkPs, -1);
}

// How many events until it happens: some commands are over by then, or none.
const MOMENTS = [1, 5, 20, 60, 120, 200, 300];

describe.each(MOMENTS)('a drive in the middle of its work, after %i events', (events) => {
  it.each(['function', 'power'] as const)('forgets it at a reset of the %s', (kind) => {
    const drive = busyDrive();
    const { host } = drive;
    host.port.executor.runUntilIdle(events);
    host.model.reset(kind);
    host.port.dropRequests();
    const before = host.port.interrupts.length;
    host.run();
    expect(host.port.interrupts).toHaveLength(before);
    expect(host.port.executor.isIdle).toBe(true);
    expectFresh(drive);
  });

  it('ends it when the controller is disabled', () => {
    const drive = busyDrive();
    const { host } = drive;
    host.port.executor.runUntilIdle(events);
    host.write(CC.offset, 0x0046_0000);
    host.run();
    expect(host.isReady).toBe(false);
    expect(drive.model.snapshot().commandsInWork).toBe(0);
    const before = host.port.interrupts.length;
    host.run();
    expect(host.port.interrupts).toHaveLength(before);
    expectFresh(drive);
  });

  it('ends it when its queue is deleted, each command once', () => {
    const drive = busyDrive();
    const { host } = drive;
    host.port.executor.runUntilIdle(events);
    host.push(0, { opcode: ADMIN_OPCODE.DELETE_IO_SQ, cdw10: 1 });
    host.ring(0);
    host.run();
    expect(host.reap(0)[0]!.status).toBe(0);
    const found = host.reap(1);
    expect(new Set(found.map(({ cid }) => cid)).size).toBe(found.length);
    expect(drive.model.snapshot().commandsInWork).toBe(0);
  });

  it('ends what is aborted, and does the rest', () => {
    const drive = busyDrive();
    const { host } = drive;
    host.port.executor.runUntilIdle(events);
    for (let cid = 0; cid < 100; cid += 4) {
      host.push(0, { opcode: ADMIN_OPCODE.ABORT, cdw10: (cid << 16) | 1 });
      host.ring(0);
      host.port.executor.runUntilIdle(3);
      host.reap(0);
    }
    host.run();
    const found = host.reap(1);
    expect(found.map(({ cid }) => cid).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    for (const { cid, status } of found) {
      expect(status === 0 || (cid % 4 === 0 && status === NVME_STATUS.ABORT_REQUESTED)).toBe(true);
    }
  });
});

it('aborts a command that waits for the controller at once', () => {
  const drive = new TimedDrive({ readIops: 1000 });
  const { host } = drive;
  for (let i = 0; i < 10; i++) {
    drive.push('read', i);
  }
  host.ring(1);
  host.port.executor.runUntilIdle(10);
  const fromPs = drive.nowPs;
  expect(host.push(0, { opcode: ADMIN_OPCODE.ABORT, cdw10: (9 << 16) | 1 })).toBeGreaterThan(0);
  host.ring(0);
  host.port.executor.runUntilIdle(10);
  const [aborted] = host.reap(1).filter(({ cid }) => cid === 9);
  expect(aborted!.status).toBe(NVME_STATUS.ABORT_REQUESTED);
  expect(drive.nowPs - fromPs).toBeLessThan(8000 * US);
  host.run();
  expect(host.reap(1).every(({ status }) => status === 0)).toBe(true);
});

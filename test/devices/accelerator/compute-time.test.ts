import { expect, test } from 'vitest';
import { ComputeUnit } from '../../../src/devices/accelerator/compute-unit.ts';
import { type Command, CommandPool } from '../../../src/devices/nvme/command.ts';
import { DONE, EventQueue, Memory, noTurn, PENDING } from '../../../src/fabric/index.ts';
import {
  COMPUTE_CDW10,
  COMPUTE_CDW12,
  COMPUTE_FUNCTION,
  COMPUTE_OPCODE,
  NVME_STATUS,
} from '../../../src/spec/index.ts';

const MIB = 2 ** 20;

function setUp() {
  const executor = new EventQueue({ turn: noTurn, timed: true });
  const pool = new CommandPool(8);
  const ends: { index: number; atPs: number; status: number }[] = [];
  const unit = new ComputeUnit(
    { execute: () => DONE },
    {
      memory: Memory.extents(4 * MIB),
      codec: null,
      hasChecksum: true,
      isActive: () => true,
      executor,
      complete: ({ index, status }: Command) => ends.push({ index, atPs: executor.nowPs, status }),
    },
  );
  const checksum = (lengthBytes: number): void => {
    const command = pool.take()!;
    command.view.setUint8(command.base, COMPUTE_OPCODE);
    COMPUTE_CDW10.FUNC.write(command.view, COMPUTE_FUNCTION.CHECKSUM, command.base);
    COMPUTE_CDW12.LENGTH.write(command.view, lengthBytes, command.base);
    command.decode(1);
    expect(unit.execute(command)).toBe(PENDING);
  };
  return { executor, unit, ends, checksum };
}

test('one unit computes one command after the other, 4 GB/s in all', () => {
  const { executor, ends, checksum } = setUp();
  checksum(MIB);
  checksum(2 * MIB);
  executor.runUntilIdle();
  checksum(MIB);
  executor.runUntilIdle();
  expect(ends.map(({ atPs }) => atPs / (MIB * 250))).toEqual([1, 3, 4]);
  expect(ends.every(({ status }) => status === 0)).toBe(true);
});

test('what is refused takes none of its time, and a reset frees it', () => {
  const { executor, unit, ends, checksum } = setUp();
  checksum(64 * MIB);
  checksum(MIB);
  executor.runUntilIdle();
  expect(ends).toEqual([
    { index: 0, atPs: 0, status: NVME_STATUS.INVALID_FIELD },
    { index: 1, atPs: MIB * 250, status: 0 },
  ]);
  checksum(4 * MIB);
  unit.reset();
  checksum(MIB);
  executor.runUntilIdle();
  expect(ends.slice(2)).toEqual([{ index: 3, atPs: 2 * MIB * 250, status: 0 }]);
});

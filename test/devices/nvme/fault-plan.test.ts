import { describe, expect, it } from 'vitest';
import { FaultPlan, NvmeController } from '../../../src/devices/nvme/index.ts';
import { NVM_OPCODE, NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import { BenchHost } from './bench.ts';

describe('a fault plan', () => {
  it('asks rules in order, skips, counts, and is empty at the end', () => {
    const plan = new FaultPlan()
      .add({ queue: 2, action: { kind: 'drop' }, skip: 1 })
      .add({ opcode: 1, action: { kind: 'fatal' }, count: 2 });
    const ask = (queue: number, opcode: number) => plan.forCommand(queue, opcode, 1)?.kind ?? null;
    expect([ask(2, 2), ask(2, 2), ask(2, 2)]).toEqual([null, 'drop', null]);
    expect([ask(9, 1), ask(9, 1), ask(9, 1)]).toEqual(['fatal', 'fatal', null]);
    expect(plan.isEmpty).toBe(true);
  });

  it('asks no rule before it is due, tells who acts, and forgets what is taken back', () => {
    let isDue = false;
    const acted: string[] = [];
    const rule = {
      action: { kind: 'drop' },
      skip: 1,
      isDue: () => isDue,
      onAct: () => acted.push('rule'),
    } as const;
    const media = { nsid: 1, slba: 0, blocks: 8, isDue: () => isDue, onAct: () => acted.push('media') };
    const plan = new FaultPlan().add(rule).addMedia(media);
    const ask = () => plan.forCommand(1, 2, 1)?.kind ?? null;
    expect([ask(), ask(), plan.forMedia(1, 0, 1, false)]).toEqual([null, null, 0]);
    isDue = true;
    expect([ask(), ask(), ask()]).toEqual([null, 'drop', null]);
    expect(plan.forMedia(1, 0, 1, false)).toBe(NVME_STATUS.UNRECOVERED_READ_ERROR);
    expect(acted).toEqual(['rule', 'media']);
    plan.removeMedia(media);
    expect(plan.isMediaSound).toBe(true);
    plan.add(rule);
    expect(plan.isEmpty).toBe(false);
    plan.remove(rule);
    plan.remove(rule);
    expect(plan.isEmpty).toBe(true);
  });

  it('leaves a command alone that somebody only waits for', () => {
    let count = 0;
    const faults = new FaultPlan().add({
      queue: 1,
      action: { kind: 'none' },
      onAct: () => {
        count++;
      },
    });
    const host = new BenchHost(new NvmeController({ namespaces: [{ sizeBlocks: 1024 }] }, { faults }));
    host.enable();
    host.createQueue(1);
    const read = { opcode: NVM_OPCODE.READ, nsid: 1, prp1: host.alloc(4096), cdw12: 7 };
    expect([host.execute(1, read).status, host.execute(1, read).status, count]).toEqual([0, 0, 1]);
  });

  it('draws the same from the same seed', () => {
    const draw = (seed: number): string => {
      const plan = new FaultPlan(seed).add({
        probability: 0.3,
        count: Number.POSITIVE_INFINITY,
        action: { kind: 'drop' },
      });
      return Array.from({ length: 64 }, () => (plan.forCommand(1, 2, 1) === null ? '.' : 'x')).join('');
    };
    expect(draw(5)).toBe(draw(5));
    expect(draw(5)).not.toBe(draw(6));
    expect(draw(5)).toMatch(/x.*\..*x/);
  });

  it('breaks media where it says, and lets a write repair them when it may', () => {
    const faults = new FaultPlan()
      .addMedia({ nsid: 1, slba: 100, blocks: 4, on: 'read', isRepairedByWrite: true })
      .addMedia({ nsid: 1, slba: 200, blocks: 1, on: 'write', count: 1 });
    const host = new BenchHost(new NvmeController({ namespaces: [{ sizeBlocks: 1024 }] }, { faults }));
    host.enable();
    host.createQueue(1);
    const page = host.alloc(4096);
    const run = (opcode: number, slba: number): number =>
      host.execute(1, { opcode, nsid: 1, prp1: page, cdw10: slba, cdw12: 7 }).status;
    expect(run(NVM_OPCODE.READ, 96)).toBe(NVME_STATUS.UNRECOVERED_READ_ERROR);
    expect(run(NVM_OPCODE.READ, 104)).toBe(0);
    expect(run(NVM_OPCODE.WRITE, 96)).toBe(0);
    expect(run(NVM_OPCODE.READ, 96)).toBe(0);
    expect(run(NVM_OPCODE.WRITE, 200)).toBe(NVME_STATUS.WRITE_FAULT);
    expect(run(NVM_OPCODE.WRITE, 200)).toBe(0);
    expect(faults.isMediaSound).toBe(true);
  });
});

import { describe, expect, it } from 'vitest';
import { NvmeController, type NvmeOptions, NvmSubsystem } from '../../../src/devices/nvme/index.ts';
import {
  ADMIN_OPCODE,
  ANA_STATE,
  ASYNC_EVENT,
  asyncEventDword,
  NVM_OPCODE,
  NVME_STATUS,
} from '../../../src/spec/nvme/index.ts';
import { BenchHost } from './bench.ts';

function join(subsystem: NvmSubsystem, options: NvmeOptions): BenchHost {
  const host = new BenchHost(new NvmeController(options, { subsystem }));
  host.enable();
  host.createQueue(1);
  return host;
}

const run = (host: BenchHost, opcode: number, nsid: number, page: number): number =>
  host.execute(1, { opcode, nsid, prp1: page, cdw12: 7 }).status;

describe('an NVM subsystem', () => {
  it('lets two controllers use one namespace: what one writes, the other reads', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    const first = join(subsystem, { namespaces: [{ sizeBlocks: 64, isShared: true }] });
    const second = join(subsystem, { namespaces: [] });
    const [from, to] = [first.alloc(4096), second.alloc(4096)];
    first.bytes(from, 4096).fill(0x5a);
    expect(run(first, NVM_OPCODE.WRITE, 1, from)).toBe(0);
    expect(run(second, NVM_OPCODE.READ, 1, to)).toBe(0);
    expect(second.bytes(to, 4096).every((byte) => byte === 0x5a)).toBe(true);
  });

  it('keeps a private namespace from other controllers', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    join(subsystem, { namespaces: [{ sizeBlocks: 64 }] });
    const second = join(subsystem, { namespaces: [] });
    expect(run(second, NVM_OPCODE.READ, 1, second.alloc(4096))).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('lets a path fail: commands say so, and the host is told (8.1.1)', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    const host = join(subsystem, { namespaces: [{ sizeBlocks: 64 }] });
    const page = host.alloc(4096);
    host.admin({ opcode: ADMIN_OPCODE.SET_FEATURES, cdw10: 0x0b, cdw11: 1 << 11 });
    const cid = host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    host.ring(0);
    host.run();
    subsystem.setAnaState(0, ANA_STATE.INACCESSIBLE);
    host.run();
    expect(host.reap(0)).toMatchObject([{ cid, dw0: asyncEventDword(ASYNC_EVENT.ANA_CHANGE) }]);
    expect(run(host, NVM_OPCODE.READ, 1, page)).toBe(NVME_STATUS.ANA_INACCESSIBLE);
    subsystem.setAnaState(0, ANA_STATE.OPTIMIZED);
    expect(run(host, NVM_OPCODE.READ, 1, page)).toBe(0);
  });

  it('takes no more controllers than it has room for, and no NSID twice', () => {
    const subsystem = new NvmSubsystem();
    join(subsystem, { namespaces: [] });
    expect(() => new NvmeController({}, { subsystem })).toThrow(/no room/);
    expect(
      () =>
        new NvmeController({
          namespaces: [
            { sizeBlocks: 8, nsid: 3 },
            { sizeBlocks: 8, nsid: 3 },
          ],
        }),
    ).toThrow(/NSID 3/);
    expect(() => new NvmeController({ namespaces: [{ sizeBlocks: 8, uuid: 'xyz' }] })).toThrow(/uuid/);
  });
});

describe('what happens to data', () => {
  it('may be undone by a loss of power, but not when it was flushed', () => {
    const host = new BenchHost(
      new NvmeController({ namespaces: [{ sizeBlocks: 512 }], losesUnflushedWrites: true, seed: 3 }),
    );
    const page = host.alloc(4096);
    const start = (): void => {
      host.enable();
      host.createQueue(1);
    };
    const write = (block: number, value: number): void => {
      host.bytes(page, 4096).fill(value);
      host.execute(1, { opcode: NVM_OPCODE.WRITE, nsid: 1, prp1: page, cdw10: block * 8, cdw12: 7 });
    };
    const kept = (block: number, value: number): number => {
      host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: page, cdw10: block * 8, cdw12: 7 });
      return host.bytes(page, 4096).filter((byte) => byte === value).length / 512;
    };
    start();
    write(0, 1);
    host.execute(1, { opcode: NVM_OPCODE.FLUSH, nsid: 1 });
    for (let block = 1; block < 8; block++) {
      write(block, 2);
    }
    host.port.dropRequests();
    host.model.reset('power');
    start();
    expect(kept(0, 1)).toBe(8);
    const survived = [1, 2, 3, 4, 5, 6, 7].reduce((sum, block) => sum + kept(block, 2), 0);
    expect(survived).toBeLessThan(56);
  });

  it('is the same on every machine: two drives of one seed hold the same pattern', () => {
    const first = new NvmeController({ seed: 9 }).subsystem.entry(1)!.namespace;
    const same = new NvmeController({ seed: 9 }).subsystem.entry(1)!.namespace;
    const other = new NvmeController({ seed: 10 }).subsystem.entry(1)!.namespace;
    expect(first.data!.firstDifference(0, same.data!, 0, 65_536)).toBe(-1);
    expect(first.data!.firstDifference(0, other.data!, 0, 65_536)).toBe(0);
  });
});

import { describe, expect, it } from 'vitest';
import { NvmeController } from '../../../../src/devices/nvme/index.ts';
import { ADMIN_OPCODE, FEATURE, INTMC, INTMS } from '../../../../src/spec/nvme/index.ts';
import { BenchHost, EchoIo } from '../bench.ts';

function rig(mode: 'msi-x' | 'msi' | 'intx', vectors = 4): BenchHost {
  const model = new NvmeController(
    { namespaces: [{ sizeBlocks: 64 }], queueCount: 4, vectorCount: vectors, msiVectorCount: 4 },
    { makeIo: (services) => new EchoIo(services) },
  );
  const host = new BenchHost(model);
  host.port.interruptMode = mode;
  host.enable();
  return host;
}

/** Submits commands and lets them run without letting time pass. */
function submit(host: BenchHost, queueId: number, count: number): void {
  for (let i = 0; i < count; i++) {
    host.push(queueId, { opcode: 2 });
  }
  host.ring(queueId);
  host.port.executor.runUntilIdle(1);
}

const set = (host: BenchHost, feature: number, cdw11: number) =>
  host.admin({ opcode: ADMIN_OPCODE.SET_FEATURES, cdw10: feature, cdw11 });

describe('interrupts', () => {
  it('are one message of its vector for each batch, none for a queue without them', () => {
    const host = rig('msi-x');
    host.createQueue(1, 16, { vector: 3 });
    host.createQueue(2, 16, { vector: 2, ien: false });
    host.port.interrupts.length = 0;
    submit(host, 1, 5);
    submit(host, 2, 5);
    submit(host, 1, 2);
    expect(host.port.interrupts).toEqual([3, 3]);
  });

  it('are the level of the pin, until everything was taken or is masked (3.1.4.3)', () => {
    const host = rig('intx');
    host.createQueue(1, 16, { vector: 0 });
    expect(host.port.isIntxAsserted).toBe(false);
    submit(host, 1, 2);
    expect(host.port.isIntxAsserted).toBe(true);
    host.write(INTMS.offset, 1);
    expect(host.read(INTMS.offset)).toBe(1);
    expect(host.port.isIntxAsserted).toBe(false);
    host.write(INTMC.offset, 1);
    expect(host.read(INTMC.offset)).toBe(0);
    expect(host.port.isIntxAsserted).toBe(true);
    host.reap(1);
    expect(host.port.isIntxAsserted).toBe(false);
  });

  it('wait behind the mask of MSI', () => {
    const host = rig('msi');
    host.createQueue(1, 16, { vector: 1 });
    host.port.interrupts.length = 0;
    host.write(INTMS.offset, 2);
    submit(host, 1, 1);
    submit(host, 1, 1);
    expect(host.port.interrupts).toEqual([]);
    host.write(INTMC.offset, 0xff);
    expect(host.port.interrupts).toEqual([1]);
  });

  it('wait for more completions or the aggregation time, where the host wants that (5.1.25.2.2)', () => {
    const host = rig('msi-x');
    // 8 completions or 3 units of 100 us.
    expect(set(host, FEATURE.INTERRUPT_COALESCING, (3 << 8) | 7).status).toBe(0);
    host.createQueue(1, 64, { vector: 1 });
    host.createQueue(2, 64, { vector: 2 });
    expect(set(host, FEATURE.INTERRUPT_VECTOR_CONFIGURATION, 0x1_0002).status).toBe(0);
    host.port.interrupts.length = 0;
    submit(host, 1, 3);
    submit(host, 2, 3);
    expect(host.port.interrupts).toEqual([2]);
    submit(host, 1, 5);
    expect(host.port.interrupts).toEqual([2, 1]);
    submit(host, 1, 1);
    const before = host.port.executor.nowPs;
    host.run();
    expect(host.port.interrupts).toEqual([2, 1, 1]);
    expect(host.port.executor.nowPs - before).toBe(300e6);
  });

  it('never wait for the admin queue', () => {
    const host = rig('msi-x');
    set(host, FEATURE.INTERRUPT_COALESCING, 0xff07);
    host.port.interrupts.length = 0;
    submit(host, 0, 1);
    expect(host.port.interrupts).toEqual([0]);
  });
});

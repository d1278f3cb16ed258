import { describe, expect, it } from 'vitest';
import { Memory, type TlpEvent, TRAFFIC, TraceDigest } from '../../../src/fabric/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint } from '../tree/machine.ts';

function build(jitterSeed?: number) {
  const fabric = machine(jitterSeed === undefined ? {} : { jitterSeed });
  const { rootBus } = hostBridge(fabric);
  const models = [1, 2].map((device) => {
    const model = new TestEndpoint(`e${device}`);
    rootBus.addRootPort(device, 0, port('root-port', { portNumber: device })).secondaryBus!.plug(model);
    return model;
  });
  boot(fabric);
  return { fabric, a: models[0]!, b: models[1]! };
}

describe('the packets of a request', () => {
  it('are writes cut at Max_Payload_Size, with byte enables and path', () => {
    const { fabric, a, b } = build();
    const seen: TlpEvent[] = [];
    fabric.listener = { onTlp: (event) => seen.push(event) };
    a.port.dmaWrite(b.port.barAddress(0) + 126, Memory.flat(8), 0, 4, TRAFFIC.DATA, 1);
    expect(
      seen.map(({ kind, lengthDw, firstEnables, lastEnables, tag }) => [
        kind,
        lengthDw,
        firstEnables,
        lastEnables,
        tag,
      ]),
    ).toEqual([
      ['MWr', 1, 0b1100, 0, 0],
      ['MWr', 1, 0b0011, 0, 0],
    ]);
    expect(seen[0]!.path.map(({ bdf }) => bdf)).toEqual([
      '0000:01:00.0',
      '0000:00:01.0',
      '0000:00:02.0',
      '0000:02:00.0',
    ]);
    expect(seen[0]!.requesterId).toBe(0x0100);
  });

  it('are a read request and its completions, under one tag', () => {
    const { fabric, a } = build();
    const seen: TlpEvent[] = [];
    fabric.listener = { onTlp: (event) => seen.push(event) };
    a.port.dmaRead(DRAM_START, Memory.flat(1024), 0, 640, TRAFFIC.CONTROL, 1);
    expect(seen.map(({ kind, lengthDw }) => `${kind} ${lengthDw}`)).toEqual([
      'MRd 128',
      'CplD 32',
      'CplD 32',
      'CplD 32',
      'CplD 32',
      'MRd 32',
      'CplD 32',
    ]);
    expect(new Set(seen.slice(0, 5).map(({ tag }) => tag)).size).toBe(1);
    expect(seen[5]!.tag).not.toBe(seen[0]!.tag);
    expect(seen.every(({ traffic }) => traffic === TRAFFIC.CONTROL)).toBe(true);
  });

  it('count as the counters count them', () => {
    const { fabric, a, b } = build();
    let count = 0;
    fabric.counters.reset();
    fabric.listener = { onTlp: () => count++ };
    a.port.dmaRead(b.port.barAddress(0) + 3, Memory.flat(4096), 0, 4000, TRAFFIC.DATA, 1);
    const links = fabric.counters.read().links;
    expect(links[0]!.up.packets + links[0]!.down.packets).toBe(count);
    fabric.counters.reset();
    fabric.listener = null;
    a.port.dmaRead(b.port.barAddress(0) + 3, Memory.flat(4096), 0, 4000, TRAFFIC.DATA, 1);
    const again = fabric.counters.read().links;
    expect(again[0]!.up.packets + again[0]!.down.packets).toBe(count);
  });

  it('that fails is answered by a completion without data', () => {
    const { fabric, a } = build();
    const seen: TlpEvent[] = [];
    fabric.listener = { onTlp: (event) => seen.push(event) };
    a.port.dmaRead(0x30_0000_0000, Memory.flat(64), 0, 64, TRAFFIC.DATA, 1);
    a.port.dmaRead(Number.POSITIVE_INFINITY, Memory.flat(64), 0, 64, TRAFFIC.DATA, 1);
    expect(seen.map(({ kind, completionStatus }) => [kind, completionStatus])).toEqual([
      ['MRd', 0],
      ['Cpl', 1],
      ['MRd', 0],
      ['Cpl', 1],
    ]);
  });

  it('of configuration are type 0 where they arrive', () => {
    const { fabric } = build();
    const seen: TlpEvent[] = [];
    fabric.listener = { onTlp: (event) => seen.push(event) };
    fabric.configWrite(0, 1, 0, 0, 0x06, 2, 0);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ kind: 'CfgWr0', addr: 4, firstEnables: 0b1100 });
  });
});

describe('a digest', () => {
  function run(seed: number): string {
    const { fabric, a, b } = build(seed);
    const digest = new TraceDigest();
    fabric.listener = digest;
    const local = Memory.flat(4096);
    for (let i = 0; i < 20; i++) {
      a.port.dmaWrite(b.port.barAddress(0) + i * 100, local, 0, 300, TRAFFIC.DATA, i);
      b.port.dmaRead(DRAM_START + i * 64, local, 0, 64, TRAFFIC.CONTROL, i);
    }
    fabric.queue.runUntilIdle();
    expect(digest.count).toBeGreaterThan(60);
    return digest.value;
  }

  it('is the same for the same seed and another one for another', () => {
    expect(run(5)).toBe(run(5));
    expect(run(5)).not.toBe(run(6));
  });
});

import { describe, expect, it } from 'vitest';
import { Memory, TRAFFIC } from '../../src/fabric/index.ts';
import { boot, DRAM_START, hostBridge, machine, port, TestEndpoint } from './tree/machine.ts';

describe('what one function has moved', () => {
  it('is counted by whose memory it was, data apart from all else', () => {
    const fabric = machine();
    const { rootBus } = hostBridge(fabric);
    const card = new TestEndpoint('card');
    const peer = new TestEndpoint('peer');
    const { downstream } = rootBus
      .addRootPort(1, 0, port('root-port'))
      .secondaryBus!.addSwitch(port('switch-upstream'), [
        port('switch-downstream'),
        port('switch-downstream'),
      ]);
    const fn = downstream[0]!.secondaryBus!.plug(card)[0]!;
    downstream[1]!.secondaryBus!.plug(peer);
    boot(fabric);
    fabric.counters.reset();
    const local = Memory.flat(4096);
    card.port.dmaRead(DRAM_START, local, 0, 4096, TRAFFIC.DATA, 0);
    card.port.dmaRead(DRAM_START + 8192, local, 0, 64, TRAFFIC.CONTROL, 0);
    card.port.dmaWrite(peer.port.barAddress(0), local, 0, 512, TRAFFIC.DATA, 0);
    // Nobody is there.
    card.port.dmaWrite(0x30_0000_0000, local, 0, 128, TRAFFIC.DATA, 0);
    const none = { dataBytes: 0, controlBytes: 0 };
    const counts = {
      dram: { read: { dataBytes: 4096, controlBytes: 64 }, written: none },
      functions: { read: none, written: { dataBytes: 512, controlBytes: 0 } },
      remote: { read: none, written: none },
    };
    expect(fabric.counters.of(fn)).toEqual(counts);
    // Also the counts of the whole machine are as they were.
    expect(fabric.counters.read().dramRead).toEqual(counts.dram.read);
    expect(fabric.counters.of(fn)).toEqual(counts);
    fabric.counters.reset();
    expect(fabric.counters.of(fn).dram.read).toEqual(none);
  });
});

/** Taking a provider away while its memory is in use (spec p2pdma.md section 9; edge cases 63, 99, 104, 137, 181 to 185). */
import { describe, expect, it } from 'vitest';
import { startTask, type Task } from '../../../src/access/index.ts';
import { entryOf, type PeerSpan } from '../../../src/p2pdma/index.ts';
import { SKYLAKE_E, twoRootPorts } from '../support/build-machine.ts';
import { bench, benchWithMemory, FakeFunction, FakeHostSpan, MIB, PAGE, refusalOf } from './fake-function.ts';

function started(task: Task<void>): { isOver: boolean } {
  const state = { isOver: false };
  startTask(
    task,
    () => {
      state.isOver = true;
    },
    (error) => {
      throw error;
    },
  );
  return state;
}

describe('a removal that waits', () => {
  it('ends at once when nothing is out', () => {
    const { p2pdma, fn, provider } = benchWithMemory();
    expect(started(provider.remove('wait')).isOver).toBe(true);
    expect(provider.phase).toBe('gone');
    expect(p2pdma.provider(fn.bdf)).toBeUndefined();
    expect(p2pdma.isPublished(fn.bdf)).toBe(false);
  });

  it('by function, and of one that is no provider it is refused', () => {
    const { p2pdma, fn, client } = benchWithMemory();
    expect(started(p2pdma.remove(fn.bdf, 'wait')).isOver).toBe(true);
    expect(refusalOf(() => p2pdma.remove(client.bdf, 'wait')).code).toBe('P2P_NO_PROVIDER');
  });

  it('goes on by itself: nobody has to wait for it', () => {
    const { p2pdma, fn, provider } = benchWithMemory();
    const span = provider.allocSpan(PAGE);
    const task = provider.remove('wait');
    span.close();
    expect(p2pdma.provider(fn.bdf)).toBeUndefined();
    expect(started(task).isOver).toBe(true);
  });

  it('waits for a held range of a block, which cannot be freed meanwhile', () => {
    const { provider } = benchWithMemory();
    const address = provider.alloc(4 * PAGE)!;
    const hold = provider.holdPages(address, PAGE);
    const removal = started(provider.remove('wait'));
    expect(refusalOf(() => provider.free(address, 4 * PAGE)).code).toBe('P2P_MEMORY_IN_USE');
    hold.release();
    hold.release();
    provider.free(address, 4 * PAGE);
    expect(removal.isOver).toBe(true);
  });

  it('EC-181: ends when the last block was freed, not before', () => {
    const { provider } = benchWithMemory();
    const address = provider.alloc(PAGE)!;
    const span = provider.allocSpan(PAGE);
    const removal = started(provider.remove('wait'));
    provider.free(address, PAGE);
    expect(removal.isOver).toBe(false);
    span.close();
    expect(removal.isOver).toBe(true);
  });

  it('EC-104: has three phases: memory, none for now, none any more', () => {
    const { p2pdma, fn, provider } = benchWithMemory();
    const address = p2pdma.alloc(fn.bdf, PAGE)!;
    const removal = started(provider.remove('wait'));
    expect(provider.phase).toBe('dying');
    expect(p2pdma.alloc(fn.bdf, PAGE)).toBeNull();
    expect(refusalOf(() => p2pdma.allocSpan(fn.bdf, PAGE))).toEqual({
      code: 'P2P_PROVIDER_GONE',
      errno: 'ENODEV',
      edgeCase: 'EC-104',
    });
    expect(refusalOf(() => p2pdma.addResource(fn, 0)).code).toBe('P2P_PROVIDER_GONE');
    p2pdma.free(fn.bdf, address, PAGE);
    expect(removal.isOver).toBe(true);
    expect(p2pdma.alloc(fn.bdf, PAGE)).toBeNull();
    expect(refusalOf(() => p2pdma.allocSpan(fn.bdf, PAGE)).code).toBe('P2P_NO_PROVIDER');
    p2pdma.addResource(fn, 0);
    expect(p2pdma.provider(fn.bdf)!.availableBytes).toBe(64 * MIB);
  });

  it('EC-063: who found the provider before gets nothing from it after', () => {
    const { p2pdma, client } = benchWithMemory();
    const found = p2pdma.find(client)!;
    started(found.remove('wait'));
    expect(found.alloc(PAGE)).toBeNull();
  });

  it('EC-099: freeing after the end is refused', () => {
    const { p2pdma, fn, provider } = benchWithMemory();
    const address = provider.alloc(PAGE)!;
    provider.free(address, PAGE);
    started(provider.remove('wait'));
    for (const free of [() => provider.free(address, PAGE), () => p2pdma.free(fn.bdf, address, PAGE)]) {
      expect(refusalOf(free)).toMatchObject({ edgeCase: 'EC-099', isWorse: true });
    }
    expect(provider.virtToBus(address)).toBe(0);
  });

  it('EC-137, EC-183: waits for a client that still maps the memory, and its mappings stay good', () => {
    const { provider, p2pdma, client } = benchWithMemory();
    const span = provider.allocSpan(PAGE);
    const mapping = p2pdma.mapSpan(span, client);
    client.isPresent = false;
    const removal = started(provider.remove('wait'));
    expect(mapping.isValid).toBe(true);
    expect(refusalOf(() => span.close()).code).toBe('P2P_MEMORY_IN_USE');
    expect(removal.isOver).toBe(false);
    mapping.unmap();
    span.close();
    expect(removal.isOver).toBe(true);
  });

  it('EC-182: a provider that was torn out still waits for its memory', () => {
    const { provider, fn } = benchWithMemory();
    const span = provider.allocSpan(PAGE);
    fn.isPresent = false;
    const removal = started(provider.remove('wait'));
    expect(removal.isOver).toBe(false);
    span.close();
    expect(removal.isOver).toBe(true);
  });

  it('must come before another function at the same address registers memory', () => {
    const { p2pdma, fn, provider } = benchWithMemory();
    fn.isPresent = false;
    const successor = new FakeFunction('03:00.0', { 0: { start: 2 ** 40 } });
    expect(refusalOf(() => p2pdma.addResource(successor, 0)).code).toBe('P2P_PROVIDER_GONE');
    started(provider.remove('revoke'));
    expect(p2pdma.addResource(successor, 0).start).toBe(2 ** 40);
  });

  it('is refused twice, and after the end', () => {
    const { provider } = benchWithMemory();
    const span = provider.allocSpan(PAGE);
    started(provider.remove('wait'));
    expect(refusalOf(() => provider.remove('wait')).code).toBe('P2P_REMOVAL');
    span.close();
    expect(refusalOf(() => provider.remove('revoke')).code).toBe('P2P_REMOVAL');
  });

  it('can be turned into one that revokes; then both end', () => {
    const { provider, p2pdma, fn } = benchWithMemory();
    const span = provider.allocSpan(PAGE) as PeerSpan;
    const waiting = started(provider.remove('wait'));
    expect(waiting.isOver).toBe(false);
    expect(started(provider.remove('revoke')).isOver).toBe(true);
    expect(waiting.isOver).toBe(true);
    expect(span.isRevoked).toBe(true);
    expect(p2pdma.provider(fn.bdf)).toBeUndefined();
  });
});

describe('a removal that revokes', () => {
  it('tells the holders of spans, takes their mappings down, and ends', () => {
    const made = bench({ functions: twoRootPorts({}, SKYLAKE_E) });
    const [fn, client] = [new FakeFunction('01:00.0'), new FakeFunction('02:00.0')];
    made.p2pdma.addResource(fn, 0);
    const provider = made.p2pdma.provider(fn.bdf)!;
    const span = provider.allocSpan(PAGE) as PeerSpan;
    const mapping = made.p2pdma.mapSpan(span, client);
    const told: boolean[] = [];
    span.whenRevoked(() => told.push(mapping.isValid));
    const unwanted = span.whenRevoked(() => told.push(false));
    unwanted();
    expect(started(provider.remove('revoke')).isOver).toBe(true);
    // Told while the addresses were still good, so that a device could be stopped.
    expect(told).toEqual([true]);
    expect([mapping.isValid, client.dma.live.size, span.isOpen]).toEqual([false, 0, false]);
    mapping.unmap();
    span.close();
    expect(refusalOf(() => made.p2pdma.mapSpan(span, client)).code).toBe('P2P_REVOKED');
  });

  it('a holder may unmap and close when it is told', () => {
    const { provider, p2pdma, client } = benchWithMemory();
    const span = provider.allocSpan(PAGE) as PeerSpan;
    const mapping = p2pdma.mapSpan(span, client);
    span.whenRevoked(() => {
      mapping.unmap();
      span.close();
    });
    expect(started(provider.remove('revoke')).isOver).toBe(true);
    expect(span.isRevoked).toBe(true);
  });

  it('takes down a whole list, the host memory in it too, and tells', () => {
    const { provider, p2pdma, client } = benchWithMemory();
    const list = [...provider.allocSgl(PAGE)!, entryOf(new FakeHostSpan(PAGE))];
    const mapping = p2pdma.mapSg(list, client);
    let told = 0;
    mapping.onRevoked = () => {
      told += 1;
    };
    expect(started(provider.remove('revoke')).isOver).toBe(true);
    expect([told, mapping.isValid, client.dma.live.size]).toEqual([1, false, 0]);
    mapping.unmap();
    expect(told).toBe(1);
  });

  it('blocks need not be freed afterwards: that is refused like any late free', () => {
    const { provider } = benchWithMemory();
    const address = provider.alloc(PAGE)!;
    expect(started(provider.remove('revoke')).isOver).toBe(true);
    expect(refusalOf(() => provider.free(address, PAGE)).edgeCase).toBe('EC-099');
  });

  it('leaves other providers alone', () => {
    const { provider, p2pdma, client } = benchWithMemory();
    const other = new FakeFunction('04:00.0', { 0: { start: 2 ** 40 } });
    p2pdma.addResource(other, 0);
    const mapping = p2pdma.mapSpan(p2pdma.allocSpan(other.bdf, PAGE), client);
    started(provider.remove('revoke'));
    expect(mapping.isValid).toBe(true);
  });
});

describe('reset', () => {
  it('EC-185: a function level reset of the provider changes nothing for the framework', () => {
    const { provider, fn, p2pdma, client } = benchWithMemory();
    const span = provider.allocSpan(PAGE);
    startTask(
      fn.reset(),
      () => {},
      () => {},
    );
    expect(provider.availableBytes).toBe(64 * MIB - PAGE);
    p2pdma.mapSpan(span, client).unmap();
    span.close();
  });
});

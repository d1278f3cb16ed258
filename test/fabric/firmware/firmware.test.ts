import { describe, expect, it } from 'vitest';
import { virtualFunctions } from '../../../src/fabric/config/index.ts';
import {
  acsUntouched,
  acsUntrusted,
  assignHotAdded,
  enumerate,
  type FirmwareHostBridge,
} from '../../../src/fabric/firmware/index.ts';
import { neverCreated } from '../config/descriptions.ts';
import {
  barOf,
  busOf,
  endpoint,
  expressOf,
  type FakeBus,
  type FakeFunction,
  FakeMachine,
  functionOf,
  HOT_PLUG_SLOT,
  PLENTY,
  port,
} from './fake-machine.ts';

const KIB = 2 ** 10;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

const machineOf = (root: FakeBus, change: Partial<FirmwareHostBridge> = {}) =>
  new FakeMachine([{ ...PLENTY, ...change }], [root]);
const at = (bus: number, device = 0, fn = 0) => ({ domain: 0, bus, device, function: fn });

/** A root port with one function behind it. */
const behindRootPort = (fn: FakeFunction, change: Parameters<typeof port>[2] = {}) =>
  busOf(port('root-port', busOf(fn), change));

const sriovOf = (totalVfs: number, firstVfOffset = 16) => ({
  totalVfs,
  firstVfOffset,
  vfStride: 1,
  vfDeviceId: 0x9999,
  bars: [barOf(0, 16 * KIB, 'm64')],
  createVf: neverCreated,
});

describe('bus numbers', () => {
  it('go depth first, and a slot keeps some free', () => {
    const nvme = () => endpoint(functionOf());
    const root = busOf(
      port(
        'root-port',
        busOf(
          port(
            'switch-upstream',
            busOf(port('switch-downstream', busOf(nvme())), port('switch-downstream', busOf(nvme()))),
          ),
        ),
      ),
      port('root-port', busOf(), { slot: HOT_PLUG_SLOT }),
      port('root-port', busOf(nvme())),
    );
    const machine = machineOf(root);
    const report = enumerate(machine, { spareBuses: 3 });
    expect(report.functions.map(({ bdf }) => bdf)).toEqual([
      '0000:00:00.0',
      '0000:00:01.0',
      '0000:00:02.0',
      '0000:01:00.0',
      '0000:02:00.0',
      '0000:02:01.0',
      '0000:03:00.0',
      '0000:04:00.0',
      '0000:09:00.0',
    ]);
    expect([0, 1, 2].map((device) => machine.configRead(0, 0, device, 0, 0x18, 4) & 0xff_ffff)).toEqual([
      0x040100, 0x080500, 0x090900,
    ]);
    expect(report.problems).toEqual([]);
  });

  it('run out without a throw, and what is behind is told', () => {
    const nested = port(
      'root-port',
      busOf(port('switch-upstream', busOf(port('switch-downstream', busOf())))),
    );
    const machine = machineOf(busOf(nested), { lastBus: 2 });
    const { problems } = enumerate(machine);
    expect(problems.map(({ bdf, code }) => [bdf, code])).toEqual([['0000:02:00.0', 'no-bus-number']]);
  });

  it('start anew below every host bridge', () => {
    const bridges = [
      { ...PLENTY, lastBus: 0x3f },
      { ...PLENTY, rootBus: 0x40, lastBus: 0xff, memoryWindows: [{ start: 2 ** 45, lengthBytes: GIB }] },
    ];
    const roots = [0, 1].map(() => behindRootPort(endpoint(functionOf({ bars: [barOf(0, MIB, 'm64p')] }))));
    const report = enumerate(new FakeMachine(bridges, roots));
    expect(report.assigned.map(({ bdf, address }) => [bdf, address])).toEqual([
      ['0000:01:00.0', 2 ** 40],
      ['0000:41:00.0', 2 ** 45],
    ]);
  });
});

describe('addresses', () => {
  it('put 64-bit prefetchable BARs above 4 GiB and everything else below, in windows of whole MiB', () => {
    const fn = endpoint(
      functionOf({
        bars: [barOf(0, 16 * KIB, 'm64'), barOf(2, 64 * MIB, 'm64p'), barOf(4, 4 * KIB, 'm32p')],
      }),
    );
    const machine = machineOf(behindRootPort(fn));
    const { assigned, log } = enumerate(machine);
    expect(assigned.map(({ barIndex, address }) => [barIndex, address])).toEqual([
      [0, 0x4000_0000],
      [2, 2 ** 40],
      [4, 0x4000_4000],
    ]);
    expect([0x20, 0x22, 0x24, 0x26].map((offset) => machine.configRead(0, 0, 0, 0, offset, 2))).toEqual([
      0x4000, 0x4000, 0x0001, 0x03f1,
    ]);
    expect(machine.configRead(0, 0, 0, 0, 0x28, 4)).toBe(0x100);
    expect(log).toContain('0000:00:00.0: prefetchable window 10000000000 to 10003ffffff');
    expect(log).toContain('0000:01:00.0: BAR 2 at 10000000000, 64 MiB');
  });

  it('are bus addresses where the host bridge translates', () => {
    const fn = endpoint(functionOf({ bars: [barOf(0, MIB, 'm64p'), barOf(2, MIB, 'm32')] }));
    const { assigned } = enumerate(
      machineOf(behindRootPort(fn), {
        memoryWindows: [{ start: 0x10_8000_0000, lengthBytes: GIB }],
        addressOffset: 0x10_0000_0000,
      }),
    );
    expect(assigned.map(({ address }) => address)).toEqual([0x8010_0000, 0x8000_0000]);
  });

  it('give the largest BAR up when the room is short, the last found among equals', () => {
    const gpu = () => endpoint(functionOf({ bars: [barOf(0, 256 * MIB, 'm32'), barOf(2, MIB, 'm32')] }));
    const root = busOf(
      port('root-port', busOf(gpu())),
      port('root-port', busOf(gpu())),
      port('root-port', busOf(gpu())),
    );
    const { assigned, unassigned, problems } = enumerate(
      machineOf(root, { memoryWindows: [{ start: 0xc000_0000, lengthBytes: 0x3010_0000 }] }),
    );
    expect(unassigned).toEqual([
      {
        bdf: '0000:03:00.0',
        barIndex: 0,
        isVirtualFunctionBar: false,
        kind: 'memory',
        sizeBytes: 256 * MIB,
        reason: 'no-room',
      },
    ]);
    expect(assigned.length).toBe(5);
    expect(problems).toEqual([]);
  });

  it('say so where there is no range of the kind, or no I/O window on the way', () => {
    const fn = () => endpoint(functionOf({ bars: [barOf(0, 16, 'io')] }));
    const without = enumerate(machineOf(behindRootPort(fn()), { ioWindows: [] }));
    expect(without.unassigned.map(({ reason }) => reason)).toEqual(['no-window']);
    const blocked = enumerate(machineOf(behindRootPort(fn(), { ioWindow: 'none' })));
    expect(blocked.unassigned.map(({ reason }) => reason)).toEqual(['no-io-at-bridge']);
  });

  it('of ports come in 4 KiB above the first', () => {
    const fn = endpoint(functionOf({ bars: [barOf(0, 16, 'io')] }));
    const machine = machineOf(behindRootPort(fn));
    const { assigned } = enumerate(machine);
    expect(assigned[0]!.address).toBe(0x1000);
    expect(machine.configRead(0, 0, 0, 0, 0x1c, 2)).toBe(0x1111);
  });

  it('leave decoding to drivers, and give it to bridges', () => {
    const machine = machineOf(behindRootPort(endpoint(functionOf({ bars: [barOf(0, MIB, 'm32')] }))));
    enumerate(machine);
    expect(machine.configRead(0, 0, 0, 0, 4, 2) & 7).toBe(7);
    expect(machine.configRead(0, 1, 0, 0, 4, 2) & 7).toBe(0);
  });
});

describe('Resizable BARs', () => {
  const gpu = () => endpoint(functionOf({ bars: [barOf(0, 256 * MIB, 'm64p', [GIB, 16 * GIB])] }));

  it('grow to the size asked for', () => {
    const machine = machineOf(behindRootPort(gpu()));
    const offered: (readonly number[])[] = [];
    const { assigned } = enumerate(machine, {
      resizeBar: (_fn, _index, sizes) => {
        offered.push(sizes);
        return 'largest';
      },
    });
    expect(offered).toEqual([[256 * MIB, GIB, 16 * GIB]]);
    expect(assigned[0]).toMatchObject({ sizeBytes: 16 * GIB, address: 2 ** 40 });
  });

  it('go back to their first size when that does not fit, and a size that is not offered is told', () => {
    const small = { memoryWindows: [{ start: 0x10_0000_0000, lengthBytes: GIB }] };
    const { assigned, unassigned, problems } = enumerate(machineOf(behindRootPort(gpu()), small), {
      resizeBar: () => 'largest',
    });
    expect(assigned[0]).toMatchObject({ sizeBytes: 256 * MIB });
    expect(unassigned).toEqual([]);
    expect(problems.map(({ code }) => code)).toEqual(['bar-not-grown']);
    const odd = enumerate(machineOf(behindRootPort(gpu())), { resizeBar: () => 2 * GIB });
    expect(odd.problems.map(({ code }) => code)).toEqual(['no-such-bar-size']);
    expect(odd.assigned[0]).toMatchObject({ sizeBytes: 256 * MIB });
  });
});

describe('virtual functions', () => {
  it('get buses and addresses for all, ARI on the way, and are enabled as asked', () => {
    const pf = endpoint(functionOf({ sriov: sriovOf(300) }));
    const root = busOf(port('root-port', busOf(pf)), port('root-port', busOf(endpoint(functionOf()))));
    const machine = machineOf(root);
    const report = enumerate(machine, { virtualFunctions: () => 2 });
    expect(machine.configRead(0, 0, 0, 0, 0x18, 4) & 0xff_ffff).toBe(0x020100);
    expect(machine.configRead(0, 0, 1, 0, 0x19, 1)).toBe(3);
    expect(virtualFunctions(pf.space)).toMatchObject({ isEnabled: true, isMemoryEnabled: true, count: 2 });
    expect(report.assigned).toMatchObject([
      { barIndex: 0, isVirtualFunctionBar: true, sizeBytes: 300 * 16 * KIB },
    ]);
    expect(report.functions.slice(-2)).toMatchObject([
      { bdf: '0000:01:02.0', deviceId: 0x9999, physicalFunction: '0000:01:00.0' },
      { bdf: '0000:01:02.1', deviceId: 0x9999, physicalFunction: '0000:01:00.0' },
    ]);
    // ARI Capable Hierarchy and ARI Forwarding Enable.
    expect(pf.space.read(pf.space.offsets.sriov + 8, 2)).toBe(0x19);
    const express = root.get(0)![0]!.space.offsets.express;
    expect(machine.configRead(0, 0, 0, 0, express + 0x28, 2) & 0x20).toBe(0x20);
  });

  it('stay off where a port does not forward ARI, or the buses run out', () => {
    const options = { virtualFunctions: () => 1 };
    const pf = endpoint(functionOf({ sriov: sriovOf(4) }));
    const noAri = enumerate(machineOf(behindRootPort(pf, { canForwardAri: false })), options);
    expect(noAri.problems.map(({ code }) => code)).toEqual(['virtual-functions-need-ari']);
    expect(virtualFunctions(pf.space)!.isEnabled).toBe(false);
    const many = endpoint(functionOf({ sriov: sriovOf(300) }));
    const noBus = enumerate(machineOf(behindRootPort(many), { lastBus: 1 }), options);
    expect(noBus.problems.map(({ code }) => code)).toEqual(['no-bus-for-virtual-functions']);
    expect(virtualFunctions(many.space)!.isEnabled).toBe(false);
  });
});

describe('ACS', () => {
  const acsOf = (fn: FakeFunction) => fn.space.read(fn.space.offsets.acs + 6, 2);

  it('gets the supported ones of SV, RR, CR and UF beside what firmware had set (pci_std_enable_acs)', () => {
    const full = port('root-port', busOf(), { acs: { capability: 0x7f } });
    const some = port('root-port', busOf(), { acs: { capability: 0x35, firmwareControl: 0x20 } });
    const none = port('root-port', busOf(), { acs: null });
    enumerate(machineOf(busOf(full, some, none)));
    expect([acsOf(full), acsOf(some)]).toEqual([0x1d, 0x35]);
  });

  it('is what the callback says, and no more than the function can', () => {
    const ports = [0x7f, 0x1f, 0x7f].map((capability) => port('root-port', busOf(), { acs: { capability } }));
    const seen: unknown[] = [];
    enumerate(machineOf(busOf(...ports)), {
      acsFor: (facts) => {
        seen.push([facts.bdf, facts.capability & 0x7f, facts.control, facts.portType]);
        return facts.address.device === 0
          ? acsUntrusted(facts)
          : facts.address.device === 1
            ? 0xffff
            : acsUntouched(facts);
      },
    });
    expect(ports.map(acsOf)).toEqual([0x1f, 0x1f, 0]);
    expect(seen).toEqual([
      ['0000:00:00.0', 0x7f, 0, 4],
      ['0000:00:01.0', 0x1f, 0, 4],
      ['0000:00:02.0', 0x7f, 0, 4],
    ]);
  });
});

describe('payload', () => {
  const control = (fn: FakeFunction) => fn.space.read(fn.space.offsets.express + 8, 2);
  const payload = (fn: FakeFunction) => 128 << ((control(fn) >> 5) & 7);
  const build = () => {
    const slow = endpoint(functionOf({ express: expressOf({ maxPayloadBytes: 256 }) }));
    const fast = endpoint(functionOf({ express: expressOf({ maxPayloadBytes: 1024 }) }));
    const down = [slow, fast].map((fn) =>
      port('switch-downstream', busOf(fn), { slot: HOT_PLUG_SLOT, maxPayloadBytes: 512 }),
    );
    const root = behindRootPort(port('switch-upstream', busOf(...down)));
    return { slow, fast, machine: machineOf(root) };
  };

  it.each([
    ['default', 256, 256],
    ['safe', 128, 128],
    ['performance', 256, 512],
    ['peer2peer', 128, 128],
  ] as const)('%s', (policy, slowBytes, fastBytes) => {
    const { slow, fast, machine } = build();
    enumerate(machine, { payload: policy });
    expect([payload(slow), payload(fast)]).toEqual([slowBytes, fastBytes]);
  });

  it('read requests are as asked, tags are extended, errors are reported', () => {
    const { fast, machine } = build();
    enumerate(machine, { maxReadRequestBytes: 4096 });
    expect(control(fast)).toBe(0x593f);
    const plain = build();
    enumerate(plain.machine, { extendedTags: false, reportErrors: false });
    expect(control(plain.fast)).toBe(0x2830);
  });
});

describe('hot plug', () => {
  const boot = (change: Parameters<typeof enumerate>[1] = {}) => {
    const below: FakeBus = new Map();
    const root = busOf(
      port('root-port', below, { slot: HOT_PLUG_SLOT }),
      port('root-port', busOf(endpoint(functionOf({ bars: [barOf(0, MIB, 'm32')] })))),
    );
    const machine = machineOf(root);
    const report = enumerate(machine, change);
    return { below, machine, report };
  };

  it('keeps room below a slot, which a new function gets', () => {
    const { below, machine } = boot({ sparePrefetchableBytes: 64 * MIB });
    const before = machine.find(0, 0, 0, 0)!.bytes.slice(0, 0x40);
    below.set(0, [endpoint(functionOf({ bars: [barOf(0, 16 * KIB, 'm64'), barOf(2, 64 * MIB, 'm64p')] }))]);
    const { assigned, unassigned, problems, functions } = assignHotAdded(machine, at(0));
    expect([unassigned, problems]).toEqual([[], []]);
    expect(functions.map(({ bdf, parent }) => [bdf, parent])).toEqual([['0000:01:00.0', '0000:00:00.0']]);
    expect(assigned.map(({ address }) => address)).toEqual([0x4000_0000, 2 ** 40]);
    expect(machine.find(0, 0, 0, 0)!.bytes.slice(0, 0x40)).toEqual(before);
    expect(machine.configRead(0, 1, 0, 0, 8 + below.get(0)![0]!.space.offsets.express, 2)).toBe(0x2950 | 0xf);
  });

  it('reports what the room does not hold', () => {
    const { below, machine } = boot({ spareMemoryBytes: 0, sparePrefetchableBytes: MIB });
    below.set(0, [endpoint(functionOf({ bars: [barOf(0, MIB, 'm32'), barOf(2, GIB, 'm64p')] }))]);
    const { unassigned } = assignHotAdded(machine, at(0));
    expect(unassigned.map(({ barIndex, reason }) => [barIndex, reason])).toEqual([
      [0, 'no-window'],
      [2, 'no-room'],
    ]);
  });

  it('numbers a whole switch as far as the spare buses go', () => {
    const { below, machine } = boot({ spareBuses: 2 });
    below.set(0, [
      port(
        'switch-upstream',
        busOf(
          port('switch-downstream', busOf(endpoint(functionOf()))),
          port('switch-downstream', busOf(endpoint(functionOf()))),
        ),
      ),
    ]);
    const { functions, problems } = assignHotAdded(machine, at(0));
    expect(functions.map(({ bdf }) => bdf)).toEqual([
      '0000:01:00.0',
      '0000:02:00.0',
      '0000:02:01.0',
      '0000:03:00.0',
    ]);
    expect(problems.map(({ bdf, code }) => [bdf, code])).toEqual([['0000:02:01.0', 'no-bus-number']]);
  });

  it('gives the room up before it gives up a BAR', () => {
    const root = busOf(
      port('root-port', busOf(), { slot: HOT_PLUG_SLOT }),
      port('root-port', busOf(endpoint(functionOf({ bars: [barOf(0, 2 * MIB, 'm32')] })))),
    );
    const { assigned, log } = enumerate(
      machineOf(root, { memoryWindows: [{ start: 0xc000_0000, lengthBytes: 3 * MIB }] }),
    );
    expect(assigned.length).toBe(1);
    expect(log).toContain('0000:00:00.0: keeps no room for hot plug');
  });

  it('tells of a function that takes less payload than its port sends', () => {
    const below: FakeBus = new Map([[0, [endpoint(functionOf())]]]);
    const machine = machineOf(busOf(port('root-port', below, { slot: HOT_PLUG_SLOT })));
    enumerate(machine);
    below.set(0, [endpoint(functionOf({ express: expressOf({ maxPayloadBytes: 128 }) }))]);
    const { problems } = assignHotAdded(machine, at(0));
    expect(problems.map(({ bdf, code }) => [bdf, code])).toEqual([['0000:01:00.0', 'payload-too-large']]);
  });

  it('tells when there is no such port', () => {
    const { machine } = boot();
    for (const address of [at(9), at(2)]) {
      expect(assignHotAdded(machine, address).problems.map(({ code }) => code)).toEqual(['not-a-port']);
    }
  });
});

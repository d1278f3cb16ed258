import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerlaneError } from '../../../../src/base/index.ts';
import {
  type AddressConfig,
  type HostConfig,
  type NamespaceConfig,
  type PortConfig,
  readConfig,
  type SubsystemConfig,
  type TargetConfig,
  writeConfig,
} from '../../../../src/orchestrators/nvmet/index.ts';

const word = fc.stringMatching(/^[a-z0-9.:-]{1,12}$/);
const nqn = word.map((name) => `nqn.${name}`);
const unknown = fc.dictionary(
  fc.stringMatching(/^x_[a-z_]{1,8}$/),
  fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string(), { maxLength: 2 })),
  { maxKeys: 2 },
);
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: null });
const whole = (min: number, max: number) => maybe(fc.integer({ min, max }));
const uuid = maybe(fc.uuid());

const host: fc.Arbitrary<HostConfig> = fc.record({
  nqn,
  dhchapKey: maybe(word),
  dhchapCtrlKey: maybe(word),
  dhchapHash: maybe(word),
  dhchapDhgroup: maybe(word),
  unknown,
});
const address: fc.Arbitrary<AddressConfig> = fc.record({
  addressFamily: fc.constantFrom('ipv4', 'ipv6', 'ib'),
  transportAddress: word,
  serviceId: fc.oneof(word, fc.constant('')),
  transportType: fc.constantFrom('tcp', 'rdma', 'fc'),
  secureChannel: fc.constantFrom('not specified', 'required', 'not required'),
  specific: maybe(word),
});
const anaState = fc.constantFrom(
  'optimized' as const,
  'non-optimized' as const,
  'inaccessible' as const,
  'persistent-loss' as const,
  'change' as const,
);
const namespace: fc.Arbitrary<NamespaceConfig> = fc.record({
  nsid: fc.integer({ min: 1, max: 1024 }),
  isEnabled: fc.boolean(),
  anaGroupId: fc.integer({ min: 1, max: 128 }),
  device: fc.record({ path: word, uuid, nguid: uuid }),
  isBuffered: maybe(fc.boolean()),
  p2pmem: maybe(word),
  hasReservations: fc.boolean(),
  unknown,
});

function subsystems(hosts: readonly HostConfig[]): fc.Arbitrary<SubsystemConfig[]> {
  const one: fc.Arbitrary<SubsystemConfig> = fc.record({
    nqn,
    allowAnyHost: fc.boolean(),
    allowedHosts: fc.subarray(hosts.map((host_) => host_.nqn)),
    serial: maybe(word),
    version: maybe(fc.constantFrom('1.3', '1.4.0', '2.1')),
    model: maybe(word),
    firmware: maybe(fc.stringMatching(/^[a-z0-9]{1,8}$/)),
    cntlidMin: whole(1, 100),
    cntlidMax: whole(101, 65_519),
    qidMax: whole(1, 1024),
    isProtectionEnabled: fc.boolean(),
    controllerModel: fc.constantFrom('static', 'dynamic', null),
    namespaces: fc.uniqueArray(namespace, { selector: ({ nsid }) => nsid, maxLength: 3 }),
    unknown,
  });
  return fc.uniqueArray(one, { selector: (subsystem) => subsystem.nqn, maxLength: 3 });
}

function ports(of: readonly SubsystemConfig[]): fc.Arbitrary<PortConfig[]> {
  const group = fc.record({ groupId: fc.integer({ min: 2, max: 128 }), state: anaState, unknown });
  const one: fc.Arbitrary<PortConfig> = fc.record({
    portId: fc.integer({ min: 0, max: 65_535 }),
    address,
    anaGroups: fc
      .tuple(anaState, fc.uniqueArray(group, { selector: ({ groupId }) => groupId, maxLength: 2 }))
      .map(([state, others]) => [{ groupId: 1, state, unknown: {} }, ...others]),
    inlineDataSize: fc.integer({ min: -1, max: 65_536 }),
    isProtectionEnabled: fc.boolean(),
    maxQueueSize: whole(16, 1024),
    mdts: whole(0, 8),
    referrals: fc.array(
      fc.record({
        name: word,
        portId: fc.integer({ min: 0, max: 65_535 }),
        isEnabled: fc.boolean(),
        address,
        unknown,
      }),
      { maxLength: 2 },
    ),
    subsystems: fc.subarray(of.map((subsystem) => subsystem.nqn)),
    unknown,
  });
  return fc.uniqueArray(one, { selector: ({ portId }) => portId, maxLength: 3 });
}

const config: fc.Arbitrary<TargetConfig> = fc
  .uniqueArray(host, { selector: (one) => one.nqn, maxLength: 3 })
  .chain((hosts) =>
    subsystems(hosts).chain((all) =>
      fc.record({ hosts: fc.constant(hosts), ports: ports(all), subsystems: fc.constant(all), unknown }),
    ),
  );

describe('configurations', () => {
  it('are the same after they were written and read', () => {
    fc.assert(
      fc.property(config, (original) => {
        const text = JSON.stringify(writeConfig(original));
        const again = readConfig(JSON.parse(text));
        expect(again).toEqual(original);
        expect(JSON.stringify(writeConfig(again))).toBe(text);
      }),
      { numRuns: 150 },
    );
  });

  it('of any other kind are refused with an error of ours', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          readConfig(value);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerlaneError);
        }
      }),
    );
    const keys = fc.constantFrom(
      'hosts',
      'ports',
      'subsystems',
      'nqn',
      'addr',
      'attr',
      'namespaces',
      '__proto__',
      'nsid',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom(null, 1, '1', 'x', true),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        try {
          readConfig(value);
        } catch (error) {
          expect(error).toBeInstanceOf(PeerlaneError);
        }
      }),
    );
  });
});

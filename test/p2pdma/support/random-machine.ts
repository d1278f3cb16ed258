/** Random machines: trees of any shape, up to three host bridges, VFs, any ACS words. Everything in them is known. */
import fc from 'fast-check';
import type { Machine } from '../../../src/topology/index.ts';
import { type FunctionSketch, makeMachine } from './build-machine.ts';

const ROOT_IDS = [
  '8086:9999',
  '8086:3c00',
  '8086:2f01',
  '8086:2030',
  '8086:2033',
  '8086:09a2',
  '8086:0b25',
  '1022:1450',
  '1022:1630',
  '1ae0:0042',
  '10de:2f96',
];

const nodeArbitrary = fc.record({
  parentSeed: fc.nat(1000),
  kind: fc.constantFrom('bridge', 'bridge', 'endpoint', 'endpoint', 'vf'),
  acs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    { weight: 3, arbitrary: fc.constantFrom(0x00, 0x13, 0x51) },
    { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x7f }) },
  ),
  isGone: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  id: fc.constantFrom(...ROOT_IDS),
  portType: fc.constantFrom('root-port', 'switch-upstream', 'switch-downstream', 'pcie-to-pci-bridge'),
});

type Node = typeof nodeArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** @param canBeLate  00.0 may stand at the end of its bus list, as if it had been added while the machine ran */
function machines(canBeLate: boolean): fc.Arbitrary<Machine> {
  return fc
    .record({
      nodes: fc.array(nodeArbitrary, { minLength: 1, maxLength: 22 }),
      roots: fc.array(
        fc.record({ id: fc.constantFrom(...ROOT_IDS), hasSlotZero: fc.boolean(), isLate: fc.boolean() }),
        { minLength: 1, maxLength: 3 },
      ),
      cpu: fc.constantFrom(
        { vendor: 'intel', family: 6 },
        { vendor: 'intel', family: 6, model: 0x8f },
        { vendor: 'amd', family: 0x15 },
        { vendor: 'amd', family: 0x17 },
        { vendor: 'hygon', family: 0x18 },
      ),
      iommu: fc.constantFrom('off' as const, 'translated' as const, 'passthrough' as const),
    })
    .map(({ nodes, roots, cpu, iommu }) => {
      const early: FunctionSketch[] = [];
      const late: FunctionSketch[] = [];
      const keys = roots.map((_, i) => `pci0000:${hex(i * 0x40)}`);
      roots.forEach((root, i) => {
        if (root.hasSlotZero) {
          (canBeLate && root.isLate ? late : early).push({
            at: `${hex(i * 0x40)}:00.0`,
            hostBridge: keys[i]!,
            id: root.id,
            pcieType: null,
          });
        }
      });
      return makeMachine({ functions: [...early, ...grow(nodes, keys), ...late], cpu, iommu });
    });
}

export const machineArbitrary = machines(true);
export const machineInOrderArbitrary = machines(false);

/** Every node hangs below an earlier bridge or on a root bus; VFs take an earlier endpoint as their PF. */
function grow(nodes: readonly Node[], keys: readonly string[]): FunctionSketch[] {
  const made: FunctionSketch[] = [];
  const nextSlot = keys.map(() => 1);
  let nextBus = 1;
  const buses = new Map<string, number>();
  for (const node of nodes) {
    const bridges = made.filter((fn) => fn.headerType === 1);
    const endpoints = made.filter((fn) => fn.headerType === 0 && fn.pf === null);
    if (node.kind === 'vf' && endpoints.length > 0) {
      const pf = endpoints[node.parentSeed % endpoints.length]!;
      const bus = 0xc0 + (made.length >> 5);
      made.push({
        at: `${hex(bus)}:${hex(made.length & 31)}.0`,
        hostBridge: pf.hostBridge!,
        up: pf.up,
        pf: pf.at,
        acs: node.acs,
      });
      continue;
    }
    const place = node.parentSeed % (bridges.length + keys.length);
    const parent = bridges[place - keys.length];
    const hostBridge = parent?.hostBridge ?? keys[place]!;
    let at: string;
    if (parent === undefined) {
      at = `${hex(place * 0x40)}:${hex(nextSlot[place]!++)}.0`;
    } else {
      let bus = buses.get(parent.at);
      if (bus === undefined) {
        do {
          bus = nextBus++;
        } while (bus % 0x40 === 0);
        buses.set(parent.at, bus);
      }
      const slot = made.filter((fn) => fn.up === parent.at && fn.pf === null).length;
      at = `${hex(bus)}:${hex(slot)}.0`;
    }
    made.push({
      at,
      hostBridge,
      up: parent?.at ?? null,
      pf: null,
      acs: node.acs,
      id: node.id,
      isGone: node.isGone,
      headerType: node.kind === 'bridge' ? 1 : 0,
      pcieType: node.kind === 'bridge' ? node.portType : 'endpoint',
    });
  }
  return made;
}

function hex(value: number): string {
  return value.toString(16).padStart(2, '0');
}

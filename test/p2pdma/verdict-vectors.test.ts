/** Every verdict of the vectors file: the distance code of 20 kernels, run on fixed topologies. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Bdf, toBdf } from '../../src/base/index.ts';
import { judge, judgeAll, judgeMany, type MapType, rulesFor } from '../../src/p2pdma/index.ts';
import { MachineIndex, type PcieType } from '../../src/topology/index.ts';
import { hasTestdata, testdataPath } from '../support/testdata.ts';
import { bdf, makeMachine } from './support/build-machine.ts';

interface Vectors {
  readonly kernels: readonly string[];
  readonly scenarios: readonly Scenario[];
}

interface Scenario {
  readonly name: string;
  readonly cpu: { readonly vendor: string; readonly family: number };
  readonly iommuPresent: boolean;
  readonly devices: readonly {
    readonly bdf: string;
    readonly hostBridge: number;
    readonly upstreamBridge: string | null;
    readonly physicalFunction: string | null;
    readonly id: string;
    readonly pcieType: keyof typeof TYPES;
    readonly acsControl: number | null;
  }[];
  readonly verdicts: readonly {
    readonly provider: string;
    readonly client: string;
    readonly verbose: boolean;
    readonly byKernel: readonly {
      readonly kernels: readonly string[];
      readonly distance: number;
      readonly mapType: keyof typeof MAP_TYPE_NAMES | null;
      readonly messages: readonly string[];
    }[];
  }[];
  readonly cumulative?: readonly {
    readonly provider: string;
    readonly clients: readonly string[];
    readonly distance: number;
  }[];
}

const TYPES = {
  ep: 'endpoint',
  rp: 'root-port',
  usp: 'switch-upstream',
  dsp: 'switch-downstream',
  rciep: 'rc-endpoint',
} as const satisfies Record<string, PcieType>;

const MAP_TYPE_NAMES: Record<string, MapType> = {
  BUS_ADDR: 'bus-addr',
  THRU_HOST_BRIDGE: 'thru-host-bridge',
  NOT_SUPPORTED: 'not-supported',
};

function indexOf(scenario: Scenario): MachineIndex {
  return new MachineIndex(
    makeMachine({
      cpu: scenario.cpu,
      iommu: scenario.iommuPresent ? 'on' : 'off',
      functions: scenario.devices.map((device) => ({
        at: device.bdf,
        hostBridge: `hb${device.hostBridge}`,
        up: device.upstreamBridge,
        pf: device.physicalFunction,
        id: device.id,
        pcieType: TYPES[device.pcieType],
        acs: device.acsControl,
      })),
    }),
  );
}

const FILE = 'spec/p2pdma-verdict-vectors.json';

describe.skipIf(!hasTestdata(FILE))('verdict vectors (p2pdma.md, section 12)', () => {
  const vectors = hasTestdata(FILE)
    ? (JSON.parse(readFileSync(testdataPath(FILE), 'utf8')) as Vectors)
    : { kernels: [], scenarios: [] };

  it('covers the 20 kernels, none of which is a guess', () => {
    expect(vectors.kernels).toHaveLength(20);
    for (const kernel of vectors.kernels) {
      const rules = rulesFor(kernel);
      expect(rules.intervals, kernel).toHaveLength(1);
      expect(rules.unverified, kernel).toBeNull();
    }
  });

  it.each(vectors.scenarios.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    const index = indexOf(scenario);
    let checked = 0;
    for (const verdict of scenario.verdicts) {
      for (const group of verdict.byKernel) {
        for (const kernel of group.kernels) {
          const rules = rulesFor(kernel);
          const [provider, client] = [toBdf(verdict.provider) as Bdf, toBdf(verdict.client) as Bdf];
          const answer = judge(index, rules, provider, client, { isVerbose: verdict.verbose });
          const where = `${kernel} ${provider} ${client}`;
          expect(answer.distance, where).toBe(group.distance);
          expect(answer.usable, where).toBe(group.distance >= 0);
          expect(answer.messages, where).toEqual(group.messages);
          expect(answer.candidates, where).toEqual([]);
          if (group.mapType !== null) {
            expect(answer.mapType, where).toBe(MAP_TYPE_NAMES[group.mapType]);
          }
          const cell = judgeAll(index, rules).at(index.position(provider), index.position(client));
          expect(cell, where).toEqual({
            distance: answer.distance,
            mapType: answer.mapType,
            usable: answer.usable,
          });
          checked++;
        }
      }
    }
    expect(checked).toBe(scenario.verdicts.length * vectors.kernels.length);
  });

  it('sums over several clients (many-clients)', () => {
    const scenario = vectors.scenarios.find((entry) => entry.cumulative !== undefined)!;
    const index = indexOf(scenario);
    for (const entry of scenario.cumulative!) {
      for (const kernel of vectors.kernels) {
        const answer = judgeMany(index, rulesFor(kernel), bdf(entry.provider), entry.clients.map(bdf));
        expect(answer.distance, `${kernel} ${entry.clients}`).toBe(entry.distance);
      }
    }
    expect(scenario.cumulative).toHaveLength(4);
  });
});

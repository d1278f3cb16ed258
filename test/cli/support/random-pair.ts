/**
 * Random labs with one pair: a client, a provider with memory, and between them one switch, two, two root ports, or two sockets.
 * The same for the same seed. A lab is a plain block; JSON is YAML, so that what a failing test prints is a lab file.
 */
import { SeededRandom } from '../../../src/base/index.ts';

export type Block = Readonly<Record<string, unknown>>;

export const CLIENT = 'client';
export const PROVIDER = 'provider';

const CPUS: readonly Block[] = [
  { vendor: 'intel', family: 6, model: 45 },
  { vendor: 'intel', family: 6, model: 79 },
  { vendor: 'intel', family: 6, model: 85 },
  { vendor: 'intel', family: 6, model: 143 },
  { vendor: 'intel', family: 6, model: 198 },
  { vendor: 'amd', family: 23, model: 49 },
  { vendor: 'amd', family: 25, model: 17 },
  { vendor: 'arm' },
];
const ACS: readonly unknown[] = ['off', 'on', 'auto', 'none', ['RR', 'CR', 'UF'], ['RR', 'UF'], ['CR', 'UF']];
const PRESETS = [
  'generic',
  'nfp-6000',
  'gpu',
  'gpu-gen5',
  'v100',
  'nic-100g',
  'nic-400g',
  'ssd',
  'fpga',
  'smartssd',
  'capture',
];

class Maker {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.#random.below(values.length)]!;
  }

  chance(of: number): boolean {
    return this.#random.below(of) === 0;
  }

  link(): string {
    return `gen${this.pick([1, 2, 3, 3, 4, 4, 5, 5, 6])} x${this.pick([1, 4, 8, 16, 16])}`;
  }

  device(name: string, payload: number): Block {
    const timing = this.chance(2)
      ? {
          preset: this.pick(PRESETS),
          ...(this.chance(4) ? { tags: this.pick([4, 16, 64]) } : {}),
          ...(this.chance(6) ? { strict: 'yes' } : {}),
        }
      : null;
    return {
      generic: name,
      link: this.link(),
      'max-payload': payload,
      'relaxed-ordering': this.pick(['yes', 'no']),
      bars: { 0: '8M' },
      ...(timing === null ? {} : { timing }),
    };
  }

  port(payload: number, below: Block): Block {
    return { port: null, link: this.link(), 'max-payload': payload, acs: this.pick(ACS), below };
  }

  switch(payload: number, below: readonly Block[]): Block {
    return { switch: null, link: this.link(), 'max-payload': payload, below };
  }

  rootPort(payload: number, below: Block): Block {
    const acs = this.pick(['on', 'on', 'off', 'none']);
    return { 'root-port': null, link: this.link(), 'max-payload': payload, acs, below };
  }
}

export function pairBlock(seed: number): Block {
  const random = new SeededRandom(seed);
  const make = new Maker(random);
  const payload = make.pick([128, 256, 512]);
  const [client, provider] = [make.device(CLIENT, payload), make.device(PROVIDER, payload)];
  const sockets = make.pick([1, 2]);
  const deep = (device: Block): Block =>
    make.chance(2) ? make.switch(payload, [make.port(payload, device)]) : device;
  const one = (below: readonly Block[]): Block => ({
    peers: make.pick(['routes', 'routes', 'routes', 'writes-only', 'none']),
    'numa-node': 0,
    below,
  });
  const shape = make.pick(['switch', 'switch', 'tree', 'ports', 'bridges']);
  const below =
    shape === 'switch' || shape === 'tree'
      ? [
          make.rootPort(
            payload,
            make.switch(payload, [
              make.port(payload, shape === 'tree' ? deep(client) : client),
              make.port(payload, shape === 'tree' ? deep(provider) : provider),
            ]),
          ),
        ]
      : [make.rootPort(payload, deep(client)), make.rootPort(payload, deep(provider))];
  return {
    peerlane: 'lab/1',
    seed: random.below(1000),
    cpu: { ...make.pick(CPUS), sockets },
    iommu: make.pick(['off', 'off', 'passthrough', 'translated']),
    memory: ['256M', '256M'],
    time: {
      ...(make.chance(3) ? { dllp: make.pick(['symbol', 'pciebench', 'none']) } : {}),
      ...(make.chance(8) ? { platform: make.pick(['intel-client', 'consumer-2016', 'amd-zen4']) } : {}),
    },
    'host-bridges':
      shape === 'bridges' ? [one([below[0]!]), { ...one([below[1]!]), 'numa-node': 1 }] : [one(below)],
  };
}

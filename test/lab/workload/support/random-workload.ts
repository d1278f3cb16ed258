/**
 * Random labs with workloads, the same for the same seed: trees of switches below one or two root complexes, drives, cards,
 * adapters and memory on links of any generation, and streams of every kind between them.
 *
 * A lab is a plain block; JSON is YAML, so that what a failing test prints is a lab file.
 */
import { LabError, SeededRandom } from '../../../../src/base/index.ts';
import { type LabFile, parseLab } from '../../../../src/lab/file/index.ts';

export type Block = Readonly<Record<string, unknown>>;

export interface RandomWorkloadOptions {
  /** Streams that end with a device pulled out in mid-run. Default: none is. */
  readonly hasRemoval?: boolean;
  /** Default: some labs have a warm-up. */
  readonly warmUp?: string;
  /** Ports and devices take payloads of different sizes, so that packets may be too large for some. Default: no. */
  readonly hasMixedPayloads?: boolean;
  /** Default: some links have bit errors. */
  readonly hasErrors?: boolean;
}

const CPUS: readonly Block[] = [
  { vendor: 'intel', family: 6, model: 79 },
  { vendor: 'intel', family: 6, model: 85 },
  { vendor: 'intel', family: 6, model: 143 },
  { vendor: 'intel', family: 6, model: 198 },
  { vendor: 'amd', family: 23 },
  { vendor: 'amd', family: 25 },
];
const ACS = ['off', 'on', 'auto', 'none', ['RR', 'CR', 'UF'], ['RR', 'CR', 'UF', 'DT']];

interface Device {
  readonly name: string;
  readonly kind: string;
  readonly hasMemory: boolean;
  readonly hasCmb: boolean;
}

class Maker {
  readonly #random: SeededRandom;
  readonly devices: Device[] = [];
  readonly #isPluggable: boolean;
  readonly #payloads: readonly number[];
  #names = 0;

  constructor(random: SeededRandom, isPluggable: boolean, payloads: readonly number[]) {
    this.#random = random;
    this.#payloads = payloads;
    this.#isPluggable = isPluggable;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.#random.below(values.length)]!;
  }

  chance(of: number): boolean {
    return this.#random.below(of) === 0;
  }

  #link(): string {
    return `gen${this.pick([1, 2, 3, 3, 4, 4, 5])} x${this.pick([1, 2, 4, 8, 16])}`;
  }

  #port(): Block {
    return {
      ...(this.#isPluggable ? { 'hot-plug': 'yes' } : {}),
      'max-payload': this.pick(this.#payloads),
      ...(this.chance(4) ? { acs: this.pick(ACS) } : {}),
    };
  }

  device(): Block {
    const kind = this.pick(['nvme', 'nvme', 'nvme', 'gpu', 'gpu', 'nic', 'memory', 'generic']);
    const name = `${kind}${this.#names++}`;
    const hasCmb = kind === 'nvme' && this.chance(2);
    const hasMemory = kind === 'gpu' || kind === 'memory' || (kind === 'generic' && this.chance(2));
    this.devices.push({ name, kind, hasMemory, hasCmb });
    return {
      [kind]: name,
      link: this.#link(),
      'max-payload': this.pick(this.#payloads),
      ...(hasMemory ? { bars: { 0: '8M' } } : {}),
      ...(kind === 'nvme'
        ? {
            namespaces: '64M',
            ...(hasCmb ? { cmb: '4M' } : {}),
            ...(this.chance(3) ? { media: this.pick(['instant', 'gen3', 'gen5', 'low-latency']) } : {}),
          }
        : {}),
      ...(this.chance(3) ? { ats: 'yes' } : {}),
      ...(this.chance(3)
        ? {
            timing: {
              ...(this.chance(2) ? { tags: this.pick([1, 4, 16, 64]) } : {}),
              ...(this.chance(2) ? { 'read-request': this.pick([128, 512, 4096]) } : {}),
              ...(this.chance(2) ? { payload: this.pick([64, 128, 256]) } : {}),
              ...(this.chance(4) ? { transactions: '20M' } : {}),
              ...(this.chance(4) ? { 'write-bandwidth': '1.5GB/s' } : {}),
              ...(this.chance(4) ? { 'read-bandwidth': '1.5GB/s' } : {}),
              ...(this.chance(4) ? { strict: 'yes' } : {}),
            },
          }
        : {}),
    };
  }

  switch(depth: number): Block {
    const count = 2 + this.#random.below(2);
    return {
      switch: `sw${this.#names++}`,
      'max-payload': this.pick(this.#payloads),
      link: this.#link(),
      acs: this.pick(ACS),
      ...(this.chance(4) ? { timing: { forwarding: 'store-and-forward' } } : {}),
      below: Array.from({ length: count }, () => ({
        port: null,
        link: this.#link(),
        ...this.#port(),
        below: depth > 0 && this.chance(4) ? this.switch(depth - 1) : this.device(),
      })),
    };
  }

  hostBridge(): Block {
    const count = 1 + this.#random.below(2);
    return {
      peers: this.pick(['routes', 'routes', 'writes-only', 'none']),
      below: Array.from({ length: count }, () => ({
        'root-port': null,
        link: this.#link(),
        ...this.#port(),
        below: this.chance(3) ? this.device() : this.switch(1),
      })),
    };
  }

  /** Where data of a stream of `own` may be. */
  #place(own: Device | null, isMmio = false): string {
    const owners = this.devices.filter((device) => device.hasMemory || device.hasCmb);
    const places = owners.map(({ name }) => name);
    return isMmio
      ? this.pick(places)
      : this.pick(['host', 'node1', ...(own?.hasCmb === true ? ['cmb'] : []), ...places]);
  }

  #common(): Block {
    const ends = this.pick([{}, {}, {}, { count: 1 + this.#random.below(60) }, { size: '1M' }]);
    return {
      ...ends,
      ...(this.chance(4) ? { rate: this.pick(['100MB/s', '1GB/s', '8Gb/s']) } : {}),
      ...(this.chance(5) ? { duty: { on: '30us', off: '20us' } } : {}),
      ...(this.chance(4) ? { start: `${1 + this.#random.below(100)}us` } : {}),
      ...(this.chance(5) ? { stop: `${110 + this.#random.below(60)}us` } : {}),
      ...(this.chance(4) ? { jobs: 2 } : {}),
    };
  }

  #requests(): Block {
    const sizes = ['512', '4K', '4K', '12K', '64K', '128K'];
    return {
      block: this.chance(3)
        ? [
            { size: '4K', share: 3 },
            { size: this.pick(sizes), share: 1 },
          ]
        : this.pick(sizes),
      pattern: this.pick(['random', 'sequential']),
      depth: this.pick([1, 2, 8, 32]),
    };
  }

  stream(index: number): Block | null {
    const drives = this.devices.filter(({ kind }) => kind === 'nvme');
    const kind = this.pick([
      'read',
      'write',
      'mix',
      'copy',
      'dma-write',
      'dma-write',
      'dma-read',
      'dma-read',
      'stage',
      'mmio-write',
      'mmio-read',
    ]);
    const name = `stream${index}`;
    const any = this.pick(this.devices);
    const drive = drives.length === 0 ? null : this.pick(drives);
    const area = { area: this.pick(['1M', '2M']) };
    const cpu = { cpu: this.pick(['kernel', 'polled', 'none']) };
    const rest = { name, ...this.#common() };
    switch (kind) {
      case 'read':
        return drive === null
          ? null
          : { read: drive.name, to: this.#place(drive), ...this.#requests(), ...cpu, ...rest };
      case 'write':
        return drive === null
          ? null
          : { write: drive.name, from: this.#place(drive), ...this.#requests(), ...cpu, ...rest };
      case 'mix':
        return drive === null
          ? null
          : { mix: drive.name, memory: this.#place(drive), reads: 50, ...this.#requests(), ...cpu, ...rest };
      case 'copy':
        return drives.length < 2
          ? null
          : {
              copy: drives[0]!.name,
              to: drives[1]!.name,
              via: this.pick(['auto', 'auto', 'host']),
              ...this.#requests(),
              ...cpu,
              ...rest,
            };
      case 'dma-write':
        return { 'dma-write': any.name, to: this.#place(null), ...this.#requests(), ...area, ...rest };
      case 'dma-read':
        return { 'dma-read': any.name, from: this.#place(null), ...this.#requests(), ...area, ...rest };
      case 'stage': {
        const other = this.pick(this.devices);
        return other === any
          ? null
          : {
              stage: any.name,
              to: other.name,
              chunk: this.pick(['16K', '64K', '256K']),
              sync: this.pick(['0', '2us', '14.3us']),
              overlap: this.pick(['yes', 'no']),
              'cpu-copies': this.pick([0, 0, 1]),
              ...rest,
            };
      }
      default:
        return this.devices.every((device) => !device.hasMemory && !device.hasCmb)
          ? null
          : {
              [kind]: 'cpu',
              [kind === 'mmio-write' ? 'to' : 'from']: this.#place(null, true),
              area: '64K',
              block: this.pick(['8', '64', '4K']),
              ...rest,
            };
    }
  }
}

export function workloadBlock(seed: number, options: RandomWorkloadOptions): Block {
  const random = new SeededRandom(seed);
  const payloads = [128, 256, 512];
  const one = random.below(payloads.length);
  const maker = new Maker(
    random,
    options.hasRemoval === true,
    options.hasMixedPayloads === true ? payloads : [payloads[one]!],
  );
  const sockets = 1 + random.below(2);
  const bridges = Array.from({ length: sockets }, () => maker.hostBridge());
  const streams: Block[] = [];
  const count = 1 + random.below(5);
  for (let i = 0; streams.length < count && i < 40; i++) {
    const stream = maker.stream(streams.length);
    if (stream !== null) {
      streams.push(stream);
    }
  }
  return {
    peerlane: 'lab/1',
    seed: random.below(1000),
    cpu: { ...maker.pick(CPUS), sockets },
    iommu: maker.pick(['off', 'off', 'passthrough', 'translated', 'translated']),
    memory: ['256M', '256M'],
    time: {
      ...(maker.chance(3) ? { arbitration: 'weighted' } : {}),
      ...(maker.chance(3) ? { dllp: maker.pick(['symbol', 'pciebench', 'none']) } : {}),
      ...(maker.chance(4) ? { credits: { 'posted-headers': 4 + random.below(30), 'posted-data': 64 } } : {}),
      ...(options.hasErrors !== false && maker.chance(6) ? { 'error-rate': '1e-7' } : {}),
    },
    'host-bridges': bridges,
    workload: {
      duration: '150us',
      'warm-up': options.warmUp ?? maker.pick(['0', '20us']),
      ...(maker.chance(4) ? { 'memory-load': { write: '10GB/s' } } : {}),
      streams,
    },
  };
}

export interface RandomWorkload {
  readonly block: Block;
  readonly lab: LabFile;
}

/** What `parseLab` refuses is no machine: undefined. Every other error is thrown. */
export function randomWorkload(
  seed: number,
  options: RandomWorkloadOptions = {},
): RandomWorkload | undefined {
  const block = workloadBlock(seed, options);
  try {
    return { block, lab: parseLab(JSON.stringify(block), 'random.yaml') };
  } catch (error) {
    if (error instanceof LabError) {
      return undefined;
    }
    throw error;
  }
}

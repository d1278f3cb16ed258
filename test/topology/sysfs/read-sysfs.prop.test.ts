import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import {
  type Absence,
  archiveTree,
  collectSnapshot,
  type FileTree,
  type Machine,
  readSysfs,
  writeTar,
} from '../../../src/topology/index.ts';
import { DEVICE_ATTRIBUTES, DEVICE_LINKS } from '../../../src/topology/sysfs/names.ts';
import { expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { type Content, type Files, memoryTree } from '../../support/memory-tree.ts';

const address = fc.constantFrom(
  '0000:00:00.0',
  '0000:00:01.0',
  '0000:01:00.0',
  '0000:02:00.1',
  '10000:e0:06.0',
  'odd',
);
const component = fc.oneof(
  address,
  fc.constantFrom('pci0000:00', 'pci10000:e0', 'pci0000:80', 'virtual', '..'),
);

/** Texts that such files hold, and texts that they never should. */
const text = fc.oneof(
  fc.constantFrom(
    '0x8086\n',
    '0x060400\n',
    '-1\n',
    '3\n',
    '255\n',
    '8.0 GT/s PCIe\n',
    'Unknown\n',
    '16\n',
    '1\n',
    'DMA\n',
  ),
  fc.constantFrom('18446744073709551615\n', '99999999999\n', '0x\n', '0xzz\n', '-5\n', 'NaN\n', '1e9\n', ''),
  fc.string({ maxLength: 40 }),
);
const word = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 0xf0000000n, 0x140204n, 0x101n),
);
const resource = fc
  .array(fc.tuple(word, word, word), { minLength: 1, maxLength: 20 })
  .map((rows) =>
    rows.map((row) => row.map((value) => `0x${value.toString(16).padStart(16, '0')}`).join(' ')).join('\n'),
  );
const config = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ minLength: 4096, maxLength: 4096 }),
  fc.constantFrom(64, 256, 4096).map((length) => new Uint8Array(length).fill(0xff)),
);

const device = fc.record({
  name: address,
  path: fc.array(component, { maxLength: 5 }),
  attributes: fc.dictionary(fc.constantFrom(...DEVICE_ATTRIBUTES, 'p2pmem/size', 'p2pmem/published'), text, {
    maxKeys: 8,
  }),
  links: fc.dictionary(fc.constantFrom(...DEVICE_LINKS), fc.oneof(address, text), { maxKeys: 3 }),
  resource: fc.option(resource, { nil: undefined }),
  config: fc.option(config, { nil: undefined }),
});

const around = fc.dictionary(
  fc.constantFrom(
    'proc/cpuinfo',
    'proc/version',
    'proc/cmdline',
    'proc/bus/pci/devices',
    'usr/share/misc/pci.ids',
    'etc/modprobe.d/x.conf',
    'peerlane/snapshot.json',
    'sys/bus/pci/drivers_probe',
    'sys/kernel/iommu_groups/3/type',
  ),
  fc.oneof(
    text,
    fc.json(),
    fc.constantFrom('vendor_id : AuthenticAMD\n', 'Linux version 6.1.0 x\n', '0000\t80868086\n'),
  ),
  { maxKeys: 6 },
);

/** `lies`: links may lead elsewhere than to the folder of their function. */
const filesOf = (lies: boolean): fc.Arbitrary<Files> =>
  fc.tuple(fc.array(device, { maxLength: 8 }), around).map(([devices, rest]) => {
    const all: Record<string, Content> = { ...rest };
    for (const entry of devices) {
      const path = [...entry.path.filter((part) => part !== '..'), entry.name].join('/');
      all[`sys/bus/pci/devices/${entry.name}`] = {
        linkTo: `../../../devices/${lies ? [...entry.path, entry.name].join('/') : path}`,
      };
      for (const [name, content] of Object.entries(entry.attributes)) {
        all[`sys/devices/${path}/${name}`] = content;
      }
      for (const [name, target] of Object.entries(entry.links)) {
        all[`sys/devices/${path}/${name}`] = { linkTo: target.replaceAll('\0', '') || 'x' };
      }
      if (entry.resource !== undefined) {
        all[`sys/devices/${path}/resource`] = entry.resource;
      }
      if (entry.config !== undefined) {
        all[`sys/devices/${path}/config`] = entry.config;
      }
    }
    return all;
  });

/** Counts the questions, and may refuse some of them. */
class WatchedTree implements FileTree {
  readonly label = 'watched';
  questions = 0;
  readonly #tree: FileTree;
  readonly #refusal: Absence | undefined;

  constructor(tree: FileTree, refusal: Absence | undefined) {
    this.#tree = tree;
    this.#refusal = refusal;
  }

  kind(path: string) {
    this.questions++;
    return this.#tree.kind(path);
  }

  list(path: string) {
    this.questions++;
    return this.#tree.list(path);
  }

  read(path: string, limitBytes: number) {
    this.questions++;
    return this.#refusal !== undefined && this.questions % 3 === 0
      ? this.#refusal
      : this.#tree.read(path, limitBytes);
  }

  readLink(path: string) {
    this.questions++;
    return this.#tree.readLink(path);
  }

  resolve(path: string) {
    this.questions++;
    return this.#tree.resolve(path);
  }
}

function tryRead(tree: FileTree): Machine | undefined {
  try {
    const machine = readSysfs(tree, { kind: 'archive' });
    expectMachineInvariants(machine);
    return machine;
  } catch (error) {
    if (error instanceof InputError) {
      return undefined;
    }
    throw error;
  }
}

const QUESTIONS_MAX = 8 * 60 + 300;

describe('any files in a sysfs', () => {
  it('give a machine or a typed error, in a bounded number of questions', () => {
    fc.assert(
      fc.property(
        filesOf(true),
        fc.constantFrom(undefined, 'denied' as const, 'failed' as const),
        (all, refusal) => {
          const tree = new WatchedTree(memoryTree(all), refusal);
          tryRead(tree);
          expect(tree.questions).toBeLessThan(QUESTIONS_MAX);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('give the same machine again from a snapshot of it', () => {
    fc.assert(
      fc.property(filesOf(false), (all) => {
        const tree = memoryTree(all);
        const machine = tryRead(tree);
        const snapshot = collectSnapshot(tree, { keepIdentities: true });
        const again = tryRead(archiveTree(writeTar(snapshot.entries), 'watched'));
        if (machine !== undefined) {
          expect(facts(again!)).toEqual(facts(machine));
        }
      }),
      { numRuns: 300 },
    );
  });
});

function facts(machine: Machine): unknown {
  const functions = machine.functions.map((fn) => ({
    ...fn,
    config: fn.config && Buffer.from(fn.config).toString('hex'),
  }));
  return { ...machine, functions, source: { privileged: machine.source.privileged } };
}

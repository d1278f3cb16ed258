/** The snapshots that a running kernel judged: here, whether they are read as that kernel had them. */
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { boundedGunzip } from '../../../src/linux/index.ts';
import { archiveTree, assembleMachine, type Machine, readSysfs } from '../../../src/topology/index.ts';
import { expectAddressOrder, expectMachineInvariants } from '../../contract/machine-invariants.ts';
import { hasTestdata, testdataPath } from '../../support/testdata.ts';

const isThere = hasTestdata('data', 'kernel-verdicts');
const folder = testdataPath('data', 'kernel-verdicts');
const cases = isThere
  ? readdirSync(folder)
      .filter((file) => /^case-\d+\.tar\.gz$/.test(file))
      .map((file) => file.replace('.tar.gz', ''))
  : [];

function machineOf(name: string): Machine {
  const bytes = readFileSync(`${folder}/${name}.tar.gz`);
  return readSysfs(archiveTree(bytes, name, { gunzip: boundedGunzip }), { kind: 'archive' });
}

interface CaseFacts {
  readonly case: number;
  readonly cpu: string;
  readonly iommu: boolean;
  readonly acs: boolean;
  readonly functions: number;
}

const facts = new Map<string, CaseFacts>(
  isThere
    ? readFileSync(`${folder}/index.jsonl`, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as CaseFacts)
        .map((entry) => [`case-${String(entry.case).padStart(4, '0')}`, entry])
    : [],
);

/** QEMU's CPU models as the guest sees them. */
const VENDORS: readonly (readonly [RegExp, string])[] = [
  [/^(EPYC|Opteron)/, 'amd'],
  [/^Dhyana/, 'hygon'],
  [/./, 'intel'],
];

describe.skipIf(!isThere)('the machines of the kernel’s verdicts', () => {
  it('are all there', () => {
    expect(cases.length).toBe(facts.size);
  });

  it.each(cases)('%s has the functions that the kernel knew', (name) => {
    const machine = machineOf(name);
    expectMachineInvariants(machine);
    expectAddressOrder(machine);
    const verdicts = gunzipSync(readFileSync(`${folder}/${name}.verdicts.tsv.gz`)).toString();
    const judged = new Set(verdicts.split('\n').map((line) => line.split('\t')[0]!));
    judged.delete('');
    expect(machine.functions.map((fn) => fn.bdf as string)).toEqual([...judged].sort());
    expect(machine.functions).toHaveLength(facts.get(name)!.functions);
  });

  it.each(cases)('%s is wholly known: tree, config space, BARs, kernel, CPU', (name) => {
    const machine = machineOf(name);
    const known = facts.get(name)!;
    expect(machine.source.privileged).toBe(true);
    expect(machine.kernel.release).toMatch(/^7\.2\./);
    expect(machine.cpu.vendor).toBe(VENDORS.find(([pattern]) => pattern.test(known.cpu))![1]);
    expect(machine.isVirtual).toBe(true);
    expect(machine.findings).toEqual([]);
    for (const fn of machine.functions) {
      expect(fn.parent, fn.bdf).not.toBeUndefined();
      expect(fn.acs, fn.bdf).not.toBeUndefined();
      expect(fn.physicalFunction, fn.bdf).toBeNull();
      expect(
        fn.bars!.every((bar) => bar.sizeBytes !== undefined),
        fn.bdf,
      ).toBe(true);
    }
    expect(machine.functions.some((fn) => typeof fn.iommuGroup === 'string')).toBe(known.iommu);
    if (known.acs) {
      expect(machine.functions.some((fn) => fn.acs != null)).toBe(true);
    }
  });

  it('offer the peer memory of their NVMe drives', () => {
    const offers = cases.flatMap((name) => machineOf(name).functions.flatMap((fn) => fn.p2pmem ?? []));
    expect(offers.length).toBeGreaterThan(0);
    for (const offer of offers) {
      expect(offer).toMatchObject({ published: true, sizeBytes: expect.any(Number) });
      expect(offer.availableBytes).toBeLessThanOrEqual(offer.sizeBytes!);
    }
  });

  it.each(cases)('%s has the same tree by paths and by bus numbers', (name) => {
    const machine = machineOf(name);
    const withoutParents = machine.functions.map(({ parent: _, hostBridge: __, ...rest }) => rest);
    const again = assembleMachine({ source: machine.source, functions: withoutParents });
    expect(again.functions.map((fn) => [fn.bdf, fn.parent, fn.hostBridge])).toEqual(
      machine.functions.map((fn) => [fn.bdf, fn.parent, fn.hostBridge]),
    );
  });

  it.each(cases)('%s links say the same in config space and in text', (name) => {
    const bytes = readFileSync(`${folder}/${name}.tar.gz`);
    const tree = archiveTree(bytes, name, { gunzip: boundedGunzip });
    const withoutConfig = {
      ...bound(tree),
      read: (path: string, limit: number) =>
        path.endsWith('/config') ? ('denied' as const) : tree.read(path, limit),
    };
    const machine = machineOf(name);
    const byText = readSysfs(withoutConfig, { kind: 'archive' });
    expect(byText.source.privileged).toBe(false);
    byText.functions.forEach((fn, i) => {
      const whole = machine.functions[i]!;
      expect([fn.vendorId, fn.deviceId, fn.classCode, fn.parent, fn.bars]).toEqual([
        whole.vendorId,
        whole.deviceId,
        whole.classCode,
        whole.parent,
        whole.bars,
      ]);
      // Functions without a link have link files too, and those say something or other.
      if (whole.link?.max !== undefined && whole.link.current !== undefined) {
        expect(fn.link, fn.bdf).toEqual(whole.link);
      }
    });
  });
});

function bound(tree: ReturnType<typeof archiveTree>) {
  return {
    label: tree.label,
    kind: tree.kind.bind(tree),
    list: tree.list.bind(tree),
    readLink: tree.readLink.bind(tree),
    resolve: tree.resolve.bind(tree),
  };
}

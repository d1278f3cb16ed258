// A recorded machine's config spaces behind config cycles: the files that come out are those that its kernel wrote.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { sysfsTree } from '../../../src/lab/sysfs/index.ts';
import {
  archiveTree,
  collectSnapshot,
  type FileTree,
  isAbsence,
  type Machine,
  pciIdsText,
  readSysfs,
  writeTar,
} from '../../../src/topology/index.ts';
import { recordedState } from '../support/recorded-side.ts';

const golden = fileURLToPath(new URL('../../golden/kernel-verdicts/', import.meta.url));
const recorded = readdirSync(golden)
  .filter((name) => /^case-\d+\.tar\.gz$/.test(name))
  .map((name) => golden + name);

/** Everything that the reader takes from a function's folder, group numbers included; `p2pmem` is a folder. */
const NAMES = [
  'class',
  'config',
  'current_link_speed',
  'current_link_width',
  'device',
  'dma_mask_bits',
  'driver',
  'iommu_group',
  'max_link_speed',
  'max_link_width',
  'numa_node',
  'physfn',
  'resource',
  'revision',
  'secondary_bus_number',
  'sriov_numvfs',
  'sriov_totalvfs',
  'subordinate_bus_number',
  'subsystem_device',
  'subsystem_vendor',
  'vendor',
  'virtfn0',
  'virtfn1',
  'virtfn2',
  'p2pmem/available',
  'p2pmem/published',
  'p2pmem/size',
];

function open(path: string): { readonly tree: FileTree; readonly machine: Machine } {
  const tree = archiveTree(readFileSync(path), 'recorded', { gunzip: (bytes) => gunzipSync(bytes) });
  return { tree, machine: readSysfs(tree, { kind: 'archive' }) };
}

function contentOf(tree: FileTree, path: string): string {
  const kind = tree.kind(path);
  const content = kind === 'link' ? tree.readLink(path) : tree.read(path, 4096);
  return typeof content === 'string' ? content : Buffer.from(content).toString('latin1');
}

const totals = new Map<string, number>();

describe.each(recorded)('%s', (path) => {
  const { tree, machine } = open(path);
  const made = sysfsTree({ ...recordedState(machine), pciIds: pciIdsText(tree) ?? '' });

  it('has at each function the files that its kernel wrote, byte for byte', () => {
    for (const { bdf } of machine.functions) {
      const theirs = tree.resolve(`sys/bus/pci/devices/${bdf}`);
      // Very long links are not in these copies.
      if (isAbsence(theirs)) {
        continue;
      }
      const ours = made.resolve(`sys/bus/pci/devices/${bdf}`);
      expect(ours).toBe(theirs);
      for (const name of NAMES) {
        if (tree.kind(`${theirs}/${name}`) !== 'absent') {
          totals.set(name, (totals.get(name) ?? 0) + 1);
          expect(contentOf(made, `${ours}/${name}`), `${bdf} ${name}`).toBe(
            contentOf(tree, `${theirs}/${name}`),
          );
        }
      }
    }
  });

  it('is read as the same machine, and nothing more is unknown', () => {
    const again = readSysfs(made, { kind: 'archive' });
    // Their groups are compared as files.
    expect(again.functions.map(comparable)).toEqual(machine.functions.map(comparable));
    expect(again.hostBridges).toEqual(machine.hostBridges);
    expect([again.iommu.mode, again.iommu.mode === 'translated' ? 'on' : 'off']).toContain(
      machine.iommu.mode ?? 'off',
    );
    expect(again.cpu).toEqual(machine.cpu);
    // QEMU gives switch ports no link speed; that is the only thing that its kernel does not show.
    expect(again.gaps.filter(({ what }) => what !== 'link')).toEqual([]);
    expect(again.findings).toEqual(machine.findings.filter(({ at }) => at !== null));
  });

  it('comes through a snapshot unchanged', () => {
    const archive = writeTar(collectSnapshot(made, { keepIdentities: true }).entries);
    expect(withoutBytes(readSysfs(archiveTree(archive, 'copy'), { kind: 'archive' }))).toEqual(
      withoutBytes(readSysfs(made, { kind: 'archive' })),
    );
  });
});

it('compared enough to mean something', () => {
  for (const name of ['config', 'resource', 'iommu_group', 'numa_node', 'max_link_speed', 'driver']) {
    expect(totals.get(name), name).toBeGreaterThan(5);
  }
  expect(totals.get('p2pmem/size')).toBeGreaterThan(1);
});

/** Comparing byte by byte is slow; as text it is not. */
function withoutBytes({ source: _, functions, ...rest }: Machine) {
  return { ...rest, functions: functions.map((fn) => ({ ...fn, config: bytesOf(fn) })) };
}

function bytesOf({ config }: Machine['functions'][number]): string | undefined {
  return config === undefined ? undefined : Buffer.from(config).toString('base64');
}

/** Without what this tree supplies and a copy with gaps did not. */
function comparable(fn: Machine['functions'][number]) {
  const { dmaMaskBits: _, powerState: __, isUntrusted: ___, p2pmem, driver, ...rest } = fn;
  return {
    ...rest,
    config: bytesOf(fn),
    iommuGroup: rest.iommuGroup == null,
    p2pmem: p2pmem == null ? null : { ...p2pmem, hasAllocate: true },
    driver: driver ?? null,
  };
}

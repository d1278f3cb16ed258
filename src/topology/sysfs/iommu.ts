/**
 * Whether an IOMMU stands between devices and memory, and what it does by default. Sources: Linux
 * Documentation/ABI/testing/sysfs-class-iommu and sysfs-kernel-iommu_groups.
 */
import type { FileTree } from '../file-tree.ts';
import type { Finding, IommuState } from '../machine.ts';
import { IOMMU_CLASS_FOLDER, IOMMU_GROUPS_FOLDER } from './names.ts';
import { textOf } from './text.ts';

/** Names that the drivers give their units. */
const DRIVERS: readonly (readonly [RegExp, string])[] = [
  [/^dmar\d/, 'intel'],
  [/^ivhd\d/, 'amd'],
  [/^(smmu|arm-smmu)/, 'arm-smmu'],
  [/virtio/, 'virtio'],
  [/^riscv/, 'riscv'],
  [/^s390/, 's390'],
];

export interface IommuReading extends IommuState {
  readonly findings: readonly Finding[];
}

/**
 * @param groups  names of the groups that the functions are in; empty when none has one
 * @param hasAll  what is not in the tree is not in the machine
 */
export function readIommu(tree: FileTree, groups: ReadonlySet<string>, hasAll: boolean): IommuReading {
  const units = tree.list(IOMMU_CLASS_FOLDER);
  const names = typeof units === 'string' ? [] : units;
  const driver = DRIVERS.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1];
  if (names.length === 0 && groups.size === 0) {
    // The class exists in every kernel that can use an IOMMU, so without units, or without the class, there is none in use.
    return { mode: typeof units !== 'string' || hasAll ? 'off' : undefined, driver: undefined, findings: [] };
  }
  const types = new Map<string, string[]>();
  for (const group of groups) {
    const kind = domainKind(textOf(tree, `${IOMMU_GROUPS_FOLDER}/${group}/type`));
    if (kind !== undefined) {
      types.set(kind, [...(types.get(kind) ?? []), group]);
    }
  }
  if (types.size === 1) {
    return { mode: types.has('identity') ? 'passthrough' : 'translated', driver, findings: [] };
  }
  const findings: Finding[] =
    types.size === 0
      ? []
      : [
          {
            at: null,
            code: 'IOMMU_MIXED',
            detail: `some groups are translated and some pass through: identity ${types.get('identity')!.slice(0, 16).join(', ')}`,
          },
        ];
  return { mode: 'on', driver, findings };
}

/** `DMA` and `DMA-FQ` translate; what a user has taken (`unmanaged`, `blocked`) says nothing of the default. */
function domainKind(type: string | undefined): 'translated' | 'identity' | undefined {
  return type === 'identity' ? 'identity' : type === 'DMA' || type === 'DMA-FQ' ? 'translated' : undefined;
}

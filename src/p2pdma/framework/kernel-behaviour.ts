/**
 * What changed in the framework itself (not in its verdicts: those are `rule-intervals.ts`) from one kernel to the next:
 * drivers/pci/p2pdma.c, mm/memremap.c, kernel/dma and lib/kstrtox.c of the releases named below.
 *
 * A change is known by the last release that was read without it and the first that was read with it. A kernel between
 * the two is given the older behaviour, and the name of the change stands in `open`: a simulated machine has to behave in
 * one way, and the older one is the stricter in every row.
 */
import { compareKernelVersions, type KernelVersion, parseKernelVersion } from '../kernel-version.ts';
import { NEWEST_KNOWN_RELEASE, type RuleSet } from '../rules.ts';

interface Change {
  readonly lastWithout: string;
  readonly firstWith: string;
  /** Releases of an older series that took the change, the oldest one seen of each. */
  readonly backports?: readonly string[];
}

const CHANGES = {
  /** Regions must be aligned to the sub-section of 2 MiB; before, they were widened to whole sections of 128 MiB. */
  subsections: { lastWithout: '5.2.1', firstWith: '5.3' },
  /** Software DMA is told from hardware when asked for the distance... */
  refusesSoftwareDma: { lastWithout: '5.2.1', firstWith: '5.3' },
  /** ...and no longer. */
  ignoresSoftwareDma: { lastWithout: '5.10.198', firstWith: '5.11' },
  /** pci_p2pdma_map_sg_attrs: the cached type of the first element decides for a whole list. */
  asksFirstElement: { lastWithout: '5.3.1', firstWith: '5.4' },
  /** dma_map_sg looks at each segment, and walks where nothing is cached. */
  mapsPerSegment: { lastWithout: '5.19', firstWith: '6.0' },
  needs64Bit: { lastWithout: '5.19', firstWith: '6.0' },
  /** Bus address = physical + offset; it was minus before. */
  addsBusOffset: { lastWithout: '5.15.135', firstWith: '5.16.10' },
  logsRange: { lastWithout: '5.9.1', firstWith: '5.10' },
  hasAllocateFile: { lastWithout: '6.1.10', firstWith: '6.2' },
  /** A page that the client cannot address is copied by the CPU instead of being refused. */
  bouncesPeerPages: { lastWithout: '6.12', firstWith: '7.1.5' },
  /** A driver can make the provider without registering memory (pcim_p2pdma_init). */
  hasProviderRecords: { lastWithout: '6.18.33', firstWith: '6.19' },
  refusesUnmappableBars: { lastWithout: '7.1.5', firstWith: '7.2.12' },
  /** Letters that the boolean parser takes beside y, n, 0, 1, on and of. */
  readsTrueFalse: { lastWithout: '5.4', firstWith: '5.19' },
  readsEnableDisable: { lastWithout: '6.14', firstWith: '6.17' },
  /** The NVMe driver programs CMBMSC (CRE, CMSE, address). */
  nvmeWritesCmbmsc: { lastWithout: '5.9.1', firstWith: '5.11', backports: ['5.10.198'] },
  /** The NVMe driver leaves a CMB alone that is not aligned to 2 MiB, without a word. */
  nvmeChecksCmbAlignment: { lastWithout: '6.12', firstWith: '6.14', backports: ['6.6.129'] },
} as const satisfies Readonly<Record<string, Change>>;

export type ChangeName = keyof typeof CHANGES;

/** How the framework of one kernel behaves: each change, made or not yet. */
export type KernelBehaviour = Readonly<Record<ChangeName, boolean>> & {
  /** False before 4.20. */
  readonly hasP2pdma: boolean;
  /** For messages: the release, or the newest that is known. */
  readonly release: string;
  /** Changes that came somewhere around this kernel; the older behaviour is used. */
  readonly open: readonly ChangeName[];
};

/** @param rules without a release means the newest kernel that was read. */
export function kernelBehaviour(rules: RuleSet): KernelBehaviour {
  const version = rules.version ?? parseKernelVersion(NEWEST_KNOWN_RELEASE)!;
  const open: ChangeName[] = [];
  const made = {} as Record<ChangeName, boolean>;
  for (const name of Object.keys(CHANGES) as ChangeName[]) {
    const change: Change = CHANGES[name];
    made[name] = isAtLeast(version, change.firstWith) || isBackported(version, change);
    if (!made[name] && isAfter(version, change.lastWithout)) {
      open.push(name);
    }
  }
  return {
    ...made,
    hasP2pdma: rules.intervals.every((interval) => interval.hasP2pdma),
    release: version.text,
    open,
  };
}

function isBackported(version: KernelVersion, change: Change): boolean {
  return (change.backports ?? []).some((release) => {
    const seen = parseKernelVersion(release)!;
    return seen.major === version.major && seen.minor === version.minor && isAtLeast(version, release);
  });
}

/** A whole series (`7.2`) stands for the newest of it, as in `rulesFor`. */
function isAtLeast(version: KernelVersion, release: string): boolean {
  return compareKernelVersions(newestOf(version), parseKernelVersion(release)!) >= 0;
}

function isAfter(version: KernelVersion, release: string): boolean {
  return compareKernelVersions(newestOf(version), newestOf(parseKernelVersion(release)!)) > 0;
}

function newestOf(version: KernelVersion): KernelVersion {
  return version.patch === null ? { ...version, patch: Number.MAX_SAFE_INTEGER } : version;
}

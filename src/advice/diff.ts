/** What changed between two readings of a machine, and which verdicts changed because of it. */
import type { Bdf } from '../base/index.ts';
import { judge, judgeAll, type KernelVerdict, type PairAnswer, type RuleSet } from '../p2pdma/index.ts';
import { type Machine, MachineIndex } from '../topology/index.ts';
import { type Change, machineChanges } from './diff-machine.ts';
import { withAcs } from './fix-pair.ts';

export interface DiffOptions {
  readonly rulesOld: RuleSet;
  readonly rulesNew: RuleSet;
  /** Functions whose pairs are compared; default: all that both readings have. */
  readonly functions?: readonly Bdf[];
  /** Most verdict changes that are explained; all are counted. Default 1,000. */
  readonly verdictsMax?: number;
}

/** Why a verdict is another one. */
export type Because =
  /** The other kernel's rules alone make the difference. */
  | 'kernel-rules'
  /** The changed ACS words alone make it. */
  | 'acs'
  /** Another CPU alone makes it: from family 17h on AMD's host bridges are accepted. */
  | 'cpu'
  /** None of these alone: the tree, or several together. `changes` lists what changed around the pair. */
  | 'several'
  /** One of the readings does not say enough for a verdict; nothing need have changed. */
  | 'unknown';

export interface VerdictChange {
  readonly provider: Bdf;
  readonly client: Bdf;
  readonly before: PairAnswer;
  readonly after: PairAnswer;
  readonly because: Because;
  /** The changes that explain it: on its way, or of the whole machine. */
  readonly changes: readonly Change[];
}

export interface MachineDiff {
  readonly changes: readonly Change[];
  readonly verdicts: readonly VerdictChange[];
  /** All of them, those beyond `verdictsMax` included. */
  readonly verdictCount: number;
}

const VERDICTS_MAX = 1000;

/**
 * Compares two readings. Pairs are matched by address. Never throws; functions that only one of them has are changes, and
 * their pairs are not compared.
 */
export function diffMachines(before: Machine, after: Machine, options: DiffOptions): MachineDiff {
  const changes = machineChanges(before, after);
  const old = new MachineIndex(before);
  const now = new MachineIndex(after);
  const asked = options.functions ?? after.functions.map((fn) => fn.bdf);
  const shared = asked.filter((bdf) => old.position(bdf) >= 0 && now.position(bdf) >= 0);
  const tableOld = judgeAll(old, options.rulesOld);
  const tableNew = judgeAll(now, options.rulesNew);
  const explain = makeExplainer(old, now, options, changes);
  const verdicts: VerdictChange[] = [];
  let verdictCount = 0;
  for (const provider of shared) {
    for (const client of shared) {
      const a = tableOld.at(old.position(provider), old.position(client));
      const b = tableNew.at(now.position(provider), now.position(client));
      if (isEqual(a, b)) {
        continue;
      }
      verdictCount++;
      if (verdicts.length < (options.verdictsMax ?? VERDICTS_MAX)) {
        verdicts.push({ provider, client, before: a, after: b, ...explain(provider, client, a, b) });
      }
    }
  }
  return { changes, verdicts, verdictCount };
}

function isEqual(a: PairAnswer, b: PairAnswer): boolean {
  return a.distance === b.distance && a.mapType === b.mapType && a.usable === b.usable;
}

/** Each cause is tried by itself on the old machine: what alone leads to the new answer explains it. */
function makeExplainer(
  old: MachineIndex,
  now: MachineIndex,
  options: DiffOptions,
  changes: readonly Change[],
): (
  provider: Bdf,
  client: Bdf,
  before: PairAnswer,
  after: PairAnswer,
) => Pick<VerdictChange, 'because' | 'changes'> {
  const words = new Map<Bdf, number>();
  for (const fn of now.machine.functions) {
    if (fn.acs != null) {
      words.set(fn.bdf, fn.acs.control);
    }
  }
  const oldWithAcs = withAcs(old, words);
  const oldWithCpu = new MachineIndex({ ...old.machine, cpu: now.machine.cpu });
  return (provider, client, before, answer) => {
    const isSame = (index: MachineIndex, rules: RuleSet): boolean =>
      isEqual(judge(index, rules, provider, client, { isVerbose: false }), answer);
    if (isSame(old, options.rulesNew)) {
      return { because: 'kernel-rules', changes: changes.filter((change) => change.kind === 'kernel') };
    }
    const ways = [
      judge(old, options.rulesOld, provider, client),
      judge(now, options.rulesNew, provider, client),
    ];
    const around = changesAround(ways, changes);
    if (isSame(oldWithAcs, options.rulesOld)) {
      return { because: 'acs', changes: around.filter((change) => change.kind === 'acs') };
    }
    if (isSame(oldWithCpu, options.rulesOld)) {
      return { because: 'cpu', changes: around.filter((change) => change.kind === 'cpu') };
    }
    const isOpen = before.mapType === 'unknown' || answer.mapType === 'unknown';
    return { because: isOpen ? 'unknown' : 'several', changes: around };
  };
}

/** Kinds that can have a part in a verdict of the kernel. */
const MACHINE_KINDS: ReadonlySet<string> = new Set([
  'kernel',
  'kernel-config',
  'cpu',
  'iommu',
  'host-bridge',
]);
const FUNCTION_KINDS: ReadonlySet<string> = new Set([
  'function-added',
  'function-removed',
  'identity',
  'parent',
  'acs',
  'gone',
]);

function changesAround(ways: readonly KernelVerdict[], changes: readonly Change[]): Change[] {
  const passed = new Set<string | null>(
    ways.flatMap((way) => [...way.path, ...(way.hostBridge?.representatives ?? [])]),
  );
  // Where there is no common function, before or after, ACS is not looked at.
  const readsAcs = ways.some((way) => way.common !== null);
  return changes.filter(
    (change) =>
      MACHINE_KINDS.has(change.kind) ||
      (FUNCTION_KINDS.has(change.kind) && passed.has(change.at) && (readsAcs || change.kind !== 'acs')),
  );
}

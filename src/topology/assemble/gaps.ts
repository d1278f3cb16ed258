/**
 * What stays unknown in a machine, and what would make it known. The same questions are put to every machine; the
 * answers to "what would help" depend on where it came from.
 */
import type { Bdf } from '../../base/index.ts';
import type { Gap, Machine, MachineFunction } from '../machine.ts';

/** Up to this many functions are named, more are counted. */
const NAMED_MAX = 8;

/**
 * Gaps of any machine, without those that `given` already explains.
 *
 * @param isWhole  the input leaves out nothing that the kernel shows, so no other input would have more
 */
export function generalGaps(machine: Machine, given: readonly Gap[], isWhole: boolean): Gap[] {
  const explained = new Set(given.map((gap) => gap.what));
  const gaps: Gap[] = [];
  const add = (what: string, isMissing: boolean, detail: string): void => {
    if (isMissing && !explained.has(what)) {
      gaps.push({ at: null, what, detail: `${detail}; ${supply(machine, what, isWhole)}` });
    }
  };
  add(
    'cpu',
    machine.cpu.vendor === undefined,
    'CPU vendor not known, and it may decide on the way through host bridges',
  );
  add('kernel', machine.kernel.release === undefined, 'kernel version not known, and its rules decide');
  add('command-line', machine.kernel.commandLine === undefined, 'kernel command line not known');
  add('iommu', machine.iommu.mode === undefined, 'whether an IOMMU translates is not known');
  const perFunction: readonly [string, string, (fn: MachineFunction) => boolean][] = [
    ['parent', 'the bridge above it is not known', (fn) => fn.parent === undefined],
    ['extended-config', 'no extended config space, so ACS is not known', lacksExtendedConfig],
    ['bars', 'BAR addresses or sizes not known', lacksBars],
    ['link', 'link speed and width not known', (fn) => fn.link === undefined || isHalfKnown(fn)],
  ];
  for (const [what, detail, isMissing] of perFunction) {
    if (explained.has(what)) {
      continue;
    }
    const missing = machine.functions.filter(isMissing).map((fn) => fn.bdf);
    gaps.push(...perFunctionGaps(missing, machine, what, detail, isWhole));
  }
  return gaps;
}

/** One line a question, so that a machine with thousands of functions stays readable. */
function perFunctionGaps(
  missing: readonly Bdf[],
  machine: Machine,
  what: string,
  detail: string,
  isWhole: boolean,
): Gap[] {
  const help = supply(machine, what, isWhole);
  if (missing.length <= 1) {
    return missing.map((at) => ({ at, what, detail: `${detail}; ${help}` }));
  }
  const who =
    missing.length === machine.functions.length
      ? `all ${missing.length} functions`
      : missing.length <= NAMED_MAX
        ? missing.join(', ')
        : `${missing.length} of ${machine.functions.length} functions`;
  return [{ at: null, what, detail: `${detail} (${who}); ${help}` }];
}

function lacksExtendedConfig(fn: MachineFunction): boolean {
  return fn.acs === undefined && fn.pcieType !== null;
}

function lacksBars(fn: MachineFunction): boolean {
  return (
    fn.bars === undefined || fn.bars.some((bar) => bar.start === undefined || bar.sizeBytes === undefined)
  );
}

function isHalfKnown(fn: MachineFunction): boolean {
  return fn.link != null && (fn.link.max === undefined || fn.link.current === undefined);
}

/** What a person can do to supply it. */
function supply(machine: Machine, what: string, isWhole: boolean): string {
  const { kind } = machine.source;
  if (what === 'cpu' && kind !== 'live') {
    return kind === 'sysroot' || kind === 'archive'
      ? 'add proc/cpuinfo, or name it with --cpu'
      : 'name it with --cpu, for example --cpu amd:0x19';
  }
  if (what === 'kernel') {
    return kind === 'sysroot' || kind === 'archive'
      ? 'add proc/version, or name it with --kernel'
      : 'name it with --kernel';
  }
  if (isWhole && machine.source.privileged !== false) {
    return 'this kernel does not show it';
  }
  if (kind === 'live') {
    return 'run as root to read it';
  }
  if (kind === 'sysroot' || kind === 'archive') {
    return 'a snapshot taken by root with `peerlane snapshot` has it';
  }
  if (kind === 'lspci' && (what === 'extended-config' || what === 'link')) {
    return '`lspci -vvv -xxxx` as root has it';
  }
  return 'a snapshot taken with `peerlane snapshot` has it';
}

/** The boot command line and module options against the live state. Nothing is changed. */
import { type KernelVersion, parseKernelVersion } from '../p2pdma/index.ts';
import { type Machine, MachineIndex } from '../topology/index.ts';
import { parseCommandLine } from './command-line.ts';
import { lintAcsOptions } from './lint-acs.ts';
import { type LintFinding, makeFinding, sortFindings } from './lint-findings.ts';
import { lintModuleOptions } from './lint-modules.ts';
import { lintKernelOptions } from './lint-options.ts';
import { type LinkOnPath, lowersSpeedWhenIdle, pathLinks } from './path-links.ts';

/**
 * Everything that is wrong, surprising or without effect, errors first. Never throws; where the input has no command
 * line, only the rest is looked at.
 */
export function lint(machine: Machine): LintFinding[] {
  const index = new MachineIndex(machine);
  const version = kernelOf(machine);
  const parameters = parseCommandLine(machine.kernel.commandLine ?? '');
  return sortFindings([
    ...lintAcsOptions(index, version, parameters),
    ...lintKernelOptions(machine, parameters),
    ...lintModuleOptions(machine, parameters),
    ...lintLinks(index),
  ]);
}

function kernelOf(machine: Machine): KernelVersion | undefined {
  return machine.kernel.release === undefined ? undefined : parseKernelVersion(machine.kernel.release);
}

/** Every link whose both ends can do more than it does now, but for the speed of idle GPUs. */
function lintLinks(index: MachineIndex): LintFinding[] {
  const sizes = { mpsBytes: 128, mrrsBytes: 128, isKnown: false };
  return index.machine.functions.flatMap((fn) => {
    // Functions of one device share a link: the first speaks for all.
    if (fn.parent == null || !fn.bdf.endsWith('.0') || fn.physicalFunction != null) {
      return [];
    }
    return pathLinks(index, [fn.bdf, fn.parent], sizes).flatMap((link) => degradedFinding(index, link));
  });
}

function degradedFinding(index: MachineIndex, link: LinkOnPath): LintFinding[] {
  const { current, max } = link;
  const [upper, lower] = [index.find(link.upper), index.find(link.lower)];
  if (
    current === undefined ||
    max === undefined ||
    upper?.link?.max === undefined ||
    lower?.link?.max === undefined
  ) {
    return [];
  }
  const isNarrow = current.width < max.width;
  const isSlow = current.speedGTs < max.speedGTs && !lowersSpeedWhenIdle(index, lower);
  if (!isNarrow && !isSlow) {
    return [];
  }
  return [
    makeFinding('LINT_LINK_DEGRADED', {
      at: link.lower,
      detail: `the link ${link.upper} - ${link.lower} runs at ${current.speedGTs} GT/s x${current.width}, both ends can do ${max.speedGTs} GT/s x${max.width}`,
      hint: isNarrow
        ? 'reseat the card, check riser and cable, and whether the slot shares lanes with another'
        : 'look again under load; if it stays, check riser, cable and the firmware setting for the link speed',
    }),
  ];
}

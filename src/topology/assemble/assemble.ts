/**
 * From what a reader found to a whole machine: the one place where parents, host bridges, VFs and order are worked out,
 * so that every reader gives the same tree for the same machine.
 *
 * A reader hands in drafts. A property that is missing (or undefined) is unknown; what can be derived from the rest is
 * filled in here, what contradicts itself becomes a finding, and what stays unknown becomes a gap. Nothing throws.
 */
import { type Bdf, compareBdf } from '../../base/index.ts';
import { cpuFromFunctions } from '../cpu/cpu-evidence.ts';
import type { Cpu, Finding, Gap, KernelState, Machine, MachineFunction } from '../machine.ts';
import { generalGaps } from './gaps.ts';
import { hostBridgesOf } from './host-bridges.ts';
import type { Draft, FunctionDraft, MachineDraft } from './machine-draft.ts';
import { resolveParents } from './parents.ts';
import { virtualFunctions } from './virtual-functions.ts';

/** The machine that a draft describes. The draft is not changed; byte arrays are shared with it. */
export function assembleMachine(draft: MachineDraft): Machine {
  const findings: Finding[] = [...(draft.findings ?? [])];
  const drafts = unique(draft.functions, findings);
  if (draft.isBusListOrder !== true) {
    drafts.sort((a, b) => compareBdf(a.bdf, b.bdf));
  }
  const byBdf = new Map(drafts.map((fn) => [fn.bdf, fn]));
  const physicalFunctions = virtualFunctions(drafts, byBdf, findings);
  const { parents, hidden, crossings } = resolveParents(
    drafts,
    byBdf,
    physicalFunctions,
    draft.mayMissBridges === true,
    findings,
  );
  const { keys, hostBridges } = hostBridgesOf(drafts, parents, crossings, draft.hostBridges ?? [], findings);
  const functions = drafts.map((fn) =>
    wholeFunction(fn, {
      parent: parents.get(fn.bdf),
      hiddenAbove: hidden.has(fn.bdf),
      physicalFunction: physicalFunctions.get(fn.bdf),
      hostBridge: keys.get(fn.bdf)!,
    }),
  );
  const machine: Machine = {
    source: draft.source,
    functions,
    hostBridges,
    cpu: cpuOf(draft, functions, findings),
    kernel: wholeKernel(draft.kernel ?? {}),
    iommu: { mode: draft.iommu?.mode, driver: draft.iommu?.driver },
    isVirtual: draft.isVirtual,
    gaps: [],
    findings,
  };
  const orderGap = draft.isBusListOrder === true ? [] : ordersThatMatter(functions);
  return {
    ...machine,
    gaps: [
      ...(draft.gaps ?? []),
      ...orderGap,
      ...generalGaps(machine, draft.gaps ?? [], draft.isWhole === true),
    ],
  };
}

/** The first of every address; a second one is a finding. */
function unique(functions: readonly FunctionDraft[], findings: Finding[]): FunctionDraft[] {
  const seen = new Set<Bdf>();
  const kept: FunctionDraft[] = [];
  for (const fn of functions) {
    if (seen.has(fn.bdf)) {
      findings.push({
        at: fn.bdf,
        code: 'DUPLICATE_FUNCTION',
        detail: 'the input has this address twice; the first is used',
      });
      continue;
    }
    seen.add(fn.bdf);
    kept.push(fn);
  }
  return kept;
}

/** Only the first function of a root bus speaks for its host bridge, so order is worth a word only where two could be it. */
function ordersThatMatter(functions: readonly MachineFunction[]): Gap[] {
  const rootFunctions = new Map<string, number>();
  for (const fn of functions) {
    if (fn.parent === null) {
      rootFunctions.set(fn.hostBridge, (rootFunctions.get(fn.hostBridge) ?? 0) + 1);
    }
  }
  const isOpen = [...rootFunctions.values()].some((count) => count > 1);
  return isOpen
    ? [
        {
          at: null,
          what: 'order',
          detail:
            'order of the bus lists taken from the addresses; /proc/bus/pci/devices would tell of hot-added functions',
        },
      ]
    : [];
}

interface Resolved {
  readonly parent: Bdf | null | undefined;
  readonly hiddenAbove: boolean;
  readonly physicalFunction: Bdf | null | undefined;
  readonly hostBridge: string;
}

/** All properties, in one order, so that every function has the same shape. */
function wholeFunction(draft: FunctionDraft, resolved: Resolved): MachineFunction {
  return {
    bdf: draft.bdf,
    hostBridge: resolved.hostBridge,
    parent: resolved.parent,
    hiddenAbove: resolved.hiddenAbove,
    physicalFunction: resolved.physicalFunction,
    vendorId: draft.vendorId,
    deviceId: draft.deviceId,
    subsystemVendorId: draft.subsystemVendorId,
    subsystemDeviceId: draft.subsystemDeviceId,
    revision: draft.revision,
    classCode: draft.classCode,
    headerType: draft.headerType,
    isMultifunction: draft.isMultifunction,
    vendorName: draft.vendorName,
    deviceName: draft.deviceName,
    pcieType: draft.pcieType,
    config: draft.config,
    isGone: draft.isGone ?? false,
    command: draft.command,
    acs: draft.acs,
    deviceControl: draft.deviceControl,
    link: draft.link,
    bars: draft.bars,
    windows: draft.windows,
    secondaryBus: draft.secondaryBus,
    subordinateBus: draft.subordinateBus,
    numaNode: draft.numaNode,
    iommuGroup: draft.iommuGroup,
    driver: draft.driver,
    classNames: draft.classNames ?? [],
    p2pmem: draft.p2pmem,
    dmaMaskBits: draft.dmaMaskBits,
    powerState: draft.powerState,
    isUntrusted: draft.isUntrusted,
  };
}

/** As the reader has it; where it has no vendor, as far as the functions of the processor itself tell. */
function cpuOf(draft: MachineDraft, functions: readonly MachineFunction[], findings: Finding[]): Cpu {
  const cpu = draft.cpu ?? {};
  const mayBeX86 = cpu.architecture === undefined || cpu.architecture.startsWith('x86');
  // In a guest such a function was passed through, and the guest's CPUID may differ from what is under it.
  if (cpu.vendor !== undefined || !mayBeX86 || draft.isVirtual === true) {
    return wholeCpu(cpu);
  }
  const evidence = cpuFromFunctions(functions);
  if (evidence === undefined) {
    return wholeCpu(cpu);
  }
  findings.push(evidence.finding);
  return wholeCpu({ ...cpu, ...evidence.cpu });
}

function wholeCpu(cpu: Draft<Cpu>): Cpu {
  return {
    vendor: cpu.vendor,
    family: cpu.family,
    ...(cpu.possibleFamilies === undefined ? {} : { possibleFamilies: cpu.possibleFamilies }),
    model: cpu.model,
    name: cpu.name,
    architecture: cpu.architecture,
    sockets: cpu.sockets,
  };
}

function wholeKernel(kernel: Draft<KernelState>): KernelState {
  return {
    release: kernel.release,
    commandLine: kernel.commandLine,
    config: kernel.config,
    moduleParameters: kernel.moduleParameters ?? {},
    modprobeOptions: kernel.modprobeOptions,
  };
}

/** Options around peer-to-peer DMA besides the ACS lists: unknown to the kernel, for other hardware, without effect. */
import type { Machine } from '../topology/index.ts';
import { type KernelParameter, lastValue, pciOptions } from './command-line.ts';
import { withoutQuotes } from './lint-acs.ts';
import { type LintFinding, makeFinding } from './lint-findings.ts';

export function lintKernelOptions(machine: Machine, parameters: readonly KernelParameter[]): LintFinding[] {
  return [
    ...notUpstream(parameters),
    ...unknownPciOptions(parameters),
    ...iommuFindings(machine, parameters),
    ...multipathFindings(machine, parameters),
  ];
}

/** Options of patches that many distributions of hobbyists carry and kernel.org does not. */
function notUpstream(parameters: readonly KernelParameter[]): LintFinding[] {
  return parameters
    .filter((parameter) => parameter.name === 'pcie_acs_override')
    .map((parameter) =>
      makeFinding('LINT_NOT_UPSTREAM', {
        parameter: parameter.text,
        detail:
          'pcie_acs_override belongs to a patch that is not in the kernel; where the patch is applied it splits IOMMU groups and changes no register, so peer-to-peer is not affected',
        hint: 'take it out; to let peers reach each other clear the redirect bits (`peerlane fix`)',
      }),
    );
}

/** What `pci=` takes (Linux drivers/pci/pci.c, pci_setup; pcibios_setup of each architecture). */
const PCI_OPTIONS = new Set(
  // Every architecture.
  (
    'nomsi noats noaer earlydump realloc nodomains noari notph cbiosize cbmemsize resource_alignment ecrc hpiosize ' +
    'hpmmiosize hpmmioprefsize hpmemsize hpbussize pcie_bus_tune_off pcie_bus_safe pcie_bus_perf pcie_bus_peer2peer ' +
    'pcie_scan_all disable_acs_redir config_acs ' +
    // x86.
    'off bfsort nobfsort bios nobios biosirq pirqaddr conf1 conf2 nommconf check_enable_amd_mmconf noacpi noearly ' +
    'usepirqmask irqmask lastbus rom norom nobar assign-busses use_crs nocrs use_e820 no_e820 big_root_window ' +
    'routeirq skip_isa_align noioapicquirk ioapicreroute noioapicreroute ' +
    // s390 and arm.
    'nomio norid force_floating firmware'
  ).split(' '),
);

function unknownPciOptions(parameters: readonly KernelParameter[]): LintFinding[] {
  return pciOptions(parameters)
    .filter(
      (option) =>
        option.text !== '' &&
        !PCI_OPTIONS.has(withoutQuotes(option.name)) &&
        !/^[0-9a-f@x]*[:@]/i.test(option.text),
    )
    .map((option) =>
      makeFinding('LINT_UNKNOWN_PCI_OPTION', {
        parameter: `pci=${option.text}`,
        detail: `pci=${option.name} is no option that Linux documents`,
        hint: 'the kernel log says "PCI: Unknown option" where it does not know one',
      }),
    );
}

function iommuFindings(machine: Machine, parameters: readonly KernelParameter[]): LintFinding[] {
  const { vendor } = machine.cpu;
  const findings: LintFinding[] = [];
  const add = (name: string, owner: readonly string[], others: string): void => {
    const parameter = parameters.findLast((known) => known.name === name);
    if (parameter !== undefined && vendor !== undefined && !owner.includes(vendor)) {
      findings.push(
        makeFinding('LINT_OTHER_VENDOR', {
          parameter: parameter.text,
          detail: `${name} is for ${others} CPUs, and this machine has one of ${vendor}: it does nothing here`,
          hint: 'take it out',
        }),
      );
    }
  };
  add('intel_iommu', ['intel'], 'Intel');
  add('amd_iommu', ['amd', 'hygon'], 'AMD');
  const amd = parameters.findLast((known) => known.name === 'amd_iommu');
  if (amd?.value === 'on') {
    findings.push(
      makeFinding('LINT_BAD_VALUE', {
        parameter: amd.text,
        detail: 'amd_iommu has no value `on`: the AMD IOMMU is used whenever firmware describes it',
        hint: 'take it out; if no IOMMU is there, look for it in the firmware setup',
      }),
    );
  }
  for (const name of ['intel_iommu', 'amd_iommu']) {
    const found = parameters.findLast((known) => known.name === name);
    if (found?.value?.split(',').includes('pt') === true) {
      findings.push(
        makeFinding('LINT_BAD_VALUE', {
          parameter: found.text,
          detail: `${name} has no value \`pt\`: passthrough is asked for by another parameter`,
          hint: 'write iommu=pt',
        }),
      );
    }
  }
  return [...findings, ...iommuState(machine, parameters)];
}

/** What was asked for, against what the machine shows. */
function iommuState(machine: Machine, parameters: readonly KernelParameter[]): LintFinding[] {
  const { mode } = machine.iommu;
  const intel = lastValue(parameters, 'intel_iommu');
  const passthrough =
    lastValue(parameters, 'iommu')?.split(',').includes('pt') === true ||
    parseBoolean(lastValue(parameters, 'iommu.passthrough') ?? '') === true;
  const isOn = typeof intel === 'string' && intel.split(',').includes('on') && machine.cpu.vendor === 'intel';
  if (mode === 'off' && isOn) {
    return [
      makeFinding('LINT_STATE_DIFFERS', {
        parameter: `intel_iommu=${intel}`,
        detail: 'the command line switches the IOMMU on, and none is in use',
        hint: 'enable VT-d in the firmware setup',
      }),
    ];
  }
  if (mode === 'translated' && passthrough) {
    return [
      makeFinding('LINT_STATE_DIFFERS', {
        parameter: 'iommu=pt',
        detail: 'the command line asks for passthrough, and default domains translate',
        hint: 'a later iommu= or iommu.passthrough= may undo it, or the device is untrusted',
      }),
    ];
  }
  return [];
}

function multipathFindings(machine: Machine, parameters: readonly KernelParameter[]): LintFinding[] {
  const asked = parameters.findLast((parameter) => parameter.name === 'nvme_core.multipath');
  if (asked === undefined) {
    return [];
  }
  const wanted = asked.value === null ? true : parseBoolean(asked.value);
  if (wanted === undefined) {
    return [
      makeFinding('LINT_BAD_VALUE', {
        parameter: asked.text,
        detail: `nvme_core.multipath takes Y or N, not ${asked.value}`,
        hint: 'write nvme_core.multipath=N',
      }),
    ];
  }
  const live = machine.kernel.moduleParameters['nvme_core.multipath'];
  const isLive = live === undefined ? undefined : parseBoolean(live);
  return isLive === undefined || isLive === wanted
    ? []
    : [
        makeFinding('LINT_OPTION_NOT_LIVE', {
          parameter: asked.text,
          detail: `the command line says ${asked.text}, the module runs with ${live}`,
          hint: 'a modprobe.d file or the initramfs overrides it, or the line is from another boot',
        }),
      ];
}

/** As the kernel's boolean parameters: y, Y, 1, on and n, N, 0, off. */
export function parseBoolean(text: string): boolean | undefined {
  if (/^(?:y|1|on|t)/i.test(text)) {
    return true;
  }
  return /^(?:n|0|of|f)/i.test(text) ? false : undefined;
}

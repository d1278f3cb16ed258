/** `pci=disable_acs_redir=` and `pci=config_acs=` against the machine and its kernel. */
import { KERNEL_REDIRECT_BITS, type KernelVersion } from '../p2pdma/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { type AcsKnob, acsKnobs } from './acs-knobs.ts';
import {
  type AcsElement,
  matchSpec,
  parseConfigList,
  parseDeviceSpec,
  parseRedirectList,
} from './acs-parameters.ts';
import { type KernelParameter, type PciOption, pciOptions } from './command-line.ts';
import { type LintFinding, makeFinding } from './lint-findings.ts';
import { hex16 } from './registers.ts';

type AcsOption = 'disable_acs_redir' | 'config_acs';
const ACS_OPTIONS: readonly AcsOption[] = ['disable_acs_redir', 'config_acs'];

export function lintAcsOptions(
  index: MachineIndex,
  version: KernelVersion | undefined,
  parameters: readonly KernelParameter[],
): LintFinding[] {
  const options = pciOptions(parameters);
  return [
    ...separatorFindings(parameters, options),
    ...prefixFindings(parameters),
    ...quoteFindings(options),
    ...ACS_OPTIONS.flatMap((name) => optionFindings(index, version, options, name)),
  ];
}

/** A device where an option should be: what follows a comma, or a space, or the semicolon that a boot loader took. */
function separatorFindings(
  parameters: readonly KernelParameter[],
  options: readonly PciOption[],
): LintFinding[] {
  const hasOption = options.some((option) => isAcsOption(option.name));
  if (!hasOption) {
    return [];
  }
  const isDevice = (text: string): boolean =>
    text
      .replace(/^;|;$/g, '')
      .split(';')
      .every((element) => parseDeviceSpec(element.replace(/^[01xX]*@/, '')) !== undefined);
  return [
    ...options
      .filter((option) => isDevice(option.text))
      .map((option) =>
        makeFinding('LINT_SEPARATOR', {
          parameter: `pci=…,${option.text}`,
          detail: `${option.text} stands after a comma, where the kernel expects the next pci= option: this device is not in the list`,
          hint: 'separate devices by a semicolon, and quote the whole: pci="disable_acs_redir=…;…"',
        }),
      ),
    ...parameters
      .filter((parameter) => isDevice(parameter.text))
      .map((parameter) =>
        makeFinding('LINT_SEPARATOR', {
          parameter: parameter.text,
          detail: `${parameter.text} stands alone on the command line: a space ended the list before it`,
          hint: 'separate devices by a semicolon without spaces, and quote the whole: pci="disable_acs_redir=…;…"',
        }),
      ),
  ];
}

/** `disable_acs_redir=…` without `pci=` before it: the kernel hands it to init, and nobody complains. */
function prefixFindings(parameters: readonly KernelParameter[]): LintFinding[] {
  return parameters.flatMap((parameter) => {
    const bare = parameter.name.replace(/^pcie?\./, '');
    return isAcsOption(bare)
      ? [
          makeFinding('LINT_MISSING_PREFIX', {
            parameter: parameter.text,
            detail: `${bare} is no parameter of its own: the kernel ignores it`,
            hint: `write pci="${bare}=…", in one list with the other pci= options, separated by commas`,
          }),
        ]
      : [];
  });
}

/** To the kernel only `"` is a quote, and only around a whole value. */
function quoteFindings(options: readonly PciOption[]): LintFinding[] {
  return options
    .filter((option) => !isAcsOption(option.name) && isAcsOption(withoutQuotes(option.name)))
    .map((option) =>
      syntaxFinding(`pci=${option.text}`, '', `${option.name[0]} is part of the option's name to the kernel`),
    );
}

/** Quotes and backslashes that a shell or a boot loader should have taken away. */
export function withoutQuotes(text: string): string {
  return text.replace(/^['"\\`]+/, '');
}

function isAcsOption(name: string): name is AcsOption {
  return (ACS_OPTIONS as readonly string[]).includes(name);
}

function optionFindings(
  index: MachineIndex,
  version: KernelVersion | undefined,
  options: readonly PciOption[],
  name: AcsOption,
): LintFinding[] {
  const found = options.filter((option) => option.name === name);
  const last = found.at(-1);
  if (last === undefined) {
    return [];
  }
  const parameter = `pci=${last.text}`;
  const knobs = acsKnobs(version);
  const knob = name === 'config_acs' ? knobs.configAcs : knobs.disableAcsRedir;
  const repeated =
    found.length > 1
      ? [
          makeFinding('LINT_REPEATED_OPTION', {
            parameter,
            detail: `pci=${name} is given ${found.length} times; the kernel keeps the last only`,
            hint: 'put all devices into one list',
          }),
        ]
      : [];
  if (last.value === null || last.value === '') {
    return [...repeated, syntaxFinding(parameter, '', 'the list is empty')];
  }
  const elements = name === 'config_acs' ? parseConfigList(last.value) : parseRedirectList(last.value);
  return [
    ...repeated,
    ...knobFindings(parameter, knob),
    ...elementsFindings(index, parameter, elements, knob),
  ];
}

function knobFindings(parameter: string, knob: AcsKnob): LintFinding[] {
  switch (knob.state) {
    case 'works':
      return [];
    case 'absent':
      return [
        makeFinding('LINT_UNSUPPORTED_OPTION', {
          parameter,
          detail: `this kernel does not know the option: ${knob.note}`,
          hint: 'use a newer kernel, or write the registers at boot with setpci',
        }),
      ];
    case 'mangled':
      return [
        makeFinding('LINT_MANGLED_OPTION', {
          parameter,
          detail: knob.note,
          hint: 'use a kernel before 6.11 or from 6.17 on, or write the registers at boot with setpci',
        }),
      ];
    case 'unknown':
      return [
        makeFinding('LINT_UNVERIFIED_OPTION', {
          parameter,
          detail: knob.note,
          hint: 'compare the ACS words with what was asked for',
        }),
      ];
  }
}

function syntaxFinding(parameter: string, device: string, problem: string): LintFinding {
  return makeFinding('LINT_DEVICE_SYNTAX', {
    parameter,
    detail: device === '' ? problem : `${device}: ${problem}`,
    hint: 'devices are [domain:]bus:device.function[/device.function…] or pci:vendor:device, separated by semicolons',
  });
}

/** The kernel stops at the first element that it cannot read. */
function elementsFindings(
  index: MachineIndex,
  parameter: string,
  elements: readonly AcsElement[],
  knob: AcsKnob,
): LintFinding[] {
  const broken = elements.findIndex((element) => element.problem !== null || element.spec === undefined);
  if (broken < 0) {
    return elements.flatMap((element) => elementFindings(index, parameter, element, knob));
  }
  const { device, problem } = elements[broken]!;
  const rest = elements.slice(broken + 1).map((element) => element.device);
  const lost =
    rest.length === 0 ? '' : `; the kernel stops reading there and never comes to ${rest.join(', ')}`;
  return [
    ...elements.slice(0, broken).flatMap((element) => elementFindings(index, parameter, element, knob)),
    syntaxFinding(parameter, device, `${problem ?? 'not a device'}${lost}`),
  ];
}

function elementFindings(
  index: MachineIndex,
  parameter: string,
  element: AcsElement,
  knob: AcsKnob,
): LintFinding[] {
  const matched = matchSpec(index, element.spec!);
  if (matched.length === 0) {
    return [
      makeFinding('LINT_NO_SUCH_FUNCTION', {
        parameter,
        detail: `${element.device} names no function of this machine`,
        hint: 'bus numbers change when cards are added or moved: `peerlane topo` lists what is there now; a path from the root port stays right',
      }),
    ];
  }
  // An id may mean many functions, of which only those with ACS are meant.
  const withAcs = matched.filter((fn) => fn.acs !== null);
  return (withAcs.length > 0 ? withAcs : matched.slice(0, 1)).flatMap((fn) =>
    stateFindings(parameter, element, fn, knob),
  );
}

/** Bits that the option asks for, against those that are there. Only where the option works is a difference surprising. */
function stateFindings(
  parameter: string,
  element: AcsElement,
  fn: MachineFunction,
  knob: AcsKnob,
): LintFinding[] {
  if (fn.acs === null) {
    return [
      makeFinding('LINT_NO_ACS', {
        at: fn.bdf,
        parameter,
        detail: `${fn.bdf} has no ACS capability, so there is nothing to change at it`,
        hint: 'take it out of the list',
      }),
    ];
  }
  if (fn.acs === undefined || fn.isGone) {
    return [];
  }
  const { control, capability } = fn.acs;
  const asked = element.flags ?? { mask: KERNEL_REDIRECT_BITS, value: 0 };
  // A bit that the capability does not offer cannot be set.
  const wrong = (control ^ asked.value) & asked.mask & (capability | control);
  if (wrong === 0) {
    return [];
  }
  return [
    makeFinding('LINT_ACS_DIFFERS', {
      at: fn.bdf,
      parameter,
      detail: `ACS Control of ${fn.bdf} is ${hex16(control)}, which is not what the option asks for (bits ${hex16(wrong)} differ)`,
      hint:
        knob.state === 'works'
          ? 'something wrote the register after the kernel, or the kernel never came to set it up (from 7.0 on that happens when a driver binds)'
          : 'this kernel does not do what the option says; setpci can',
    }),
  ];
}

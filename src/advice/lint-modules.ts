/** Module options on the command line and in modprobe.d: right names, right module, and in force. */
import type { Machine } from '../topology/index.ts';
import type { KernelParameter } from './command-line.ts';
import { type LintFinding, makeFinding } from './lint-findings.ts';
import { parseBoolean } from './lint-options.ts';

/** Parameters of the modules that matter here (Linux drivers/nvme/host/{pci,core,multipath,apple}.c, drivers/vfio/pci/vfio_pci.c). */
const PARAMETERS: Readonly<Record<string, ReadonlySet<string>>> = {
  nvme: new Set(
    'use_threaded_interrupts use_cmb_sqs max_host_mem_size_mb sgl_threshold io_queue_depth write_queues poll_queues noacpi quirks'.split(
      ' ',
    ),
  ),
  nvme_core: new Set(
    (
      'admin_timeout io_timeout shutdown_timeout max_retries default_ps_max_latency_us force_apst streams multipath ' +
      'multipath_always_on iopolicy apst_primary_timeout_ms apst_secondary_timeout_ms apst_primary_latency_tol_us ' +
      'apst_secondary_latency_tol_us disable_pi_offsets quirks'
    ).split(' '),
  ),
};

interface Setting {
  readonly module: string;
  readonly name: string;
  readonly value: string | null;
  /** The words, and where they stand. */
  readonly text: string;
}

/** Longest line of options that is looked at. */
const OPTIONS_MAX = 256;

export function lintModuleOptions(machine: Machine, parameters: readonly KernelParameter[]): LintFinding[] {
  const settings = [...fromCommandLine(parameters), ...fromModprobe(machine)];
  return settings.flatMap((setting) => settingFindings(machine, setting));
}

function fromCommandLine(parameters: readonly KernelParameter[]): Setting[] {
  return parameters.flatMap((parameter) => {
    const [module, name] = parameter.name.split('.');
    return name === undefined || name === '' || parameter.name === 'nvme_core.multipath'
      ? []
      : [{ module: module!, name, value: parameter.value, text: parameter.text }];
  });
}

function fromModprobe(machine: Machine): Setting[] {
  return (machine.kernel.modprobeOptions ?? [])
    .filter((line) => line.command === 'options')
    .flatMap((line) =>
      line.rest
        .split(/\s+/)
        .filter((word) => word !== '')
        .slice(0, OPTIONS_MAX)
        .map((word) => {
          const equals = word.indexOf('=');
          return {
            module: line.module.replaceAll('-', '_'),
            name: (equals < 0 ? word : word.slice(0, equals)).replaceAll('-', '_'),
            value: equals < 0 ? null : word.slice(equals + 1),
            text: `options ${line.module} ${word} (${line.file})`,
          };
        }),
    );
}

function settingFindings(machine: Machine, setting: Setting): LintFinding[] {
  const known = PARAMETERS[setting.module];
  if (known === undefined) {
    return [];
  }
  if (!known.has(setting.name)) {
    const owner = Object.keys(PARAMETERS).find((module) => PARAMETERS[module]!.has(setting.name));
    return [
      owner === undefined
        ? makeFinding('LINT_UNKNOWN_PARAMETER', {
            parameter: setting.text,
            detail: `${setting.module} has no parameter ${setting.name} that is known here`,
            hint: `\`modinfo -p ${setting.module}\` lists those of this kernel`,
          })
        : makeFinding('LINT_WRONG_MODULE', {
            parameter: setting.text,
            detail: `${setting.name} is a parameter of ${owner}, not of ${setting.module}: it is ignored`,
            hint: `write ${owner}.${setting.name}, or \`options ${owner} ${setting.name}=…\``,
          }),
    ];
  }
  return liveFindings(machine, setting);
}

function liveFindings(machine: Machine, setting: Setting): LintFinding[] {
  const live = machine.kernel.moduleParameters[`${setting.module}.${setting.name}`];
  if (live === undefined || setting.value === null || isSame(live, setting.value)) {
    return [];
  }
  return [
    makeFinding('LINT_OPTION_NOT_LIVE', {
      parameter: setting.text,
      detail: `${setting.module}.${setting.name} is set to ${setting.value}, the module runs with ${live}`,
      hint: 'make the initramfs again (the module is loaded from there) and reboot; the command line wins over modprobe.d',
    }),
  ];
}

/** Booleans print as Y or N whatever was written. */
function isSame(live: string, asked: string): boolean {
  if (live === asked) {
    return true;
  }
  return /^[YN]$/.test(live) ? parseBoolean(live) === parseBoolean(asked) : Number(live) === Number(asked);
}

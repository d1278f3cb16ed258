/** Ways to have ACS words changed at every boot, and what the kernel's version makes of each. */
import type { Bdf } from '../base/index.ts';
import { KERNEL_REDIRECT_BITS, knobsFor, type RuleSet } from '../p2pdma/index.ts';
import type { MachineIndex } from '../topology/index.ts';
import { type AcsKnobs, acsKnobs } from './acs-knobs.ts';
import {
  elementsOf,
  formatFlags,
  matchSpec,
  parseConfigList,
  parseDeviceSpec,
  parseRedirectList,
  pathText,
} from './acs-parameters.ts';
import { bootLoaderSteps, quotedParameter } from './boot-loader.ts';
import { parseCommandLine, pciOptions } from './command-line.ts';
import type { AcsChange, PersistentForm } from './fix-plan.ts';

/** Command lines of x86 kernels hold 2,048 characters. */
const COMMAND_LINE_MAX = 2048;

export function persistentForms(
  index: MachineIndex,
  rules: RuleSet,
  changes: readonly AcsChange[],
): PersistentForm[] {
  const knobs = acsKnobs(rules.version);
  const isConfigBest = knobs.configAcs.state === 'works';
  const isRedirBest = !isConfigBest && knobs.disableAcsRedir.state === 'works';
  const forms = [
    configForm(index, rules, changes, isConfigBest),
    redirForm(index, rules, changes, isRedirBest),
    serviceForm(changes, !isConfigBest && !isRedirBest),
  ];
  return forms.sort((a, b) => Number(b.isRecommended) - Number(a.isRecommended));
}

/** Keeps every bit of the word but the redirects: what setpci does, at boot. */
function configForm(
  index: MachineIndex,
  rules: RuleSet,
  changes: readonly AcsChange[],
  isRecommended: boolean,
): PersistentForm {
  const knobs = acsKnobs(rules.version);
  const old = existing(index, 'config_acs');
  const kept = withoutOwn(index, old, changes);
  const added = changes.map((change) => {
    const mask = change.after | KERNEL_REDIRECT_BITS;
    return `${formatFlags(mask, change.after)}@${change.at}`;
  });
  // The first element that names a function decides, and an old one may mean more than one.
  return form('config_acs', knobs.configAcs, [...added, ...kept], isRecommended, [
    'flags stand from bit 6 to bit 0: DT EC UF CR RR TB SV; x leaves what firmware set',
    ...replaces(old.length > 0, 'config_acs'),
    ...driverNote(index, rules, changes),
    ...pathNote(index, changes),
  ]);
}

function redirForm(
  index: MachineIndex,
  rules: RuleSet,
  changes: readonly AcsChange[],
  isRecommended: boolean,
): PersistentForm {
  const knobs = acsKnobs(rules.version);
  const old = existing(index, 'disable_acs_redir');
  const devices = [...withoutOwn(index, old, changes), ...changes.map((change) => change.at)];
  return form('disable_acs_redir', knobs.disableAcsRedir, devices, isRecommended, [
    ...replaces(old.length > 0, 'disable_acs_redir'),
    ...driverNote(index, rules, changes),
    ...pathNote(index, changes),
  ]);
}

function form(
  kind: 'disable_acs_redir' | 'config_acs',
  knob: AcsKnobs['configAcs'],
  elements: readonly string[],
  isRecommended: boolean,
  notes: readonly string[],
): PersistentForm {
  const text = quotedParameter('pci', `${kind}=${elements.join(';')}`);
  return {
    kind,
    state: knob.state,
    isRecommended,
    text,
    // Nothing to copy where the kernel ignores it, or sets bits that nobody asked for.
    loaders: knob.state === 'absent' || knob.state === 'mangled' ? [] : bootLoaderSteps(text),
    notes: [
      knob.note,
      ...(text.length > COMMAND_LINE_MAX / 2
        ? [`${text.length} characters: the whole command line must stay below ${COMMAND_LINE_MAX} on x86`]
        : []),
      ...notes,
    ],
  };
}

/** Elements that the running command line has; of several such options the kernel keeps the last. */
function existing(
  index: MachineIndex,
  name: 'disable_acs_redir' | 'config_acs',
): { readonly device: string; readonly text: string }[] {
  const line = index.machine.kernel.commandLine;
  const options = line === undefined ? [] : pciOptions(parseCommandLine(line));
  const value = options.findLast((option) => option.name === name)?.value;
  if (value == null) {
    return [];
  }
  const parsed = name === 'config_acs' ? parseConfigList(value) : parseRedirectList(value);
  return elementsOf(value)
    .map((text, i) => ({ device: parsed[i]!.device, text, isGood: parsed[i]!.problem === null }))
    .filter((element) => element.isGood);
}

/** Old elements, but for those that mean nothing else than a port which is changed. */
function withoutOwn(
  index: MachineIndex,
  old: readonly { readonly device: string; readonly text: string }[],
  changes: readonly AcsChange[],
): string[] {
  const own = new Set<Bdf>(changes.map((change) => change.at));
  return old
    .filter(({ device }) => {
      const spec = parseDeviceSpec(device);
      const matched = spec === undefined ? [] : matchSpec(index, spec);
      return matched.length === 0 || !matched.every((fn) => own.has(fn.bdf));
    })
    .map((element) => element.text);
}

function replaces(isThere: boolean, name: string): string[] {
  return isThere
    ? [
        `the command line has pci=${name} already: take the old one out, its devices are in this one; of two the kernel keeps the last`,
      ]
    : [];
}

/** From 7.0 on the kernel writes ACS when a driver binds, so a function without one may keep firmware's word. */
function driverNote(index: MachineIndex, rules: RuleSet, changes: readonly AcsChange[]): string[] {
  const isAtBinding = knobsFor(rules.version).appliedAt === 'dma-configuration';
  const unbound = changes.map((change) => change.at).filter((at) => index.find(at)?.driver === null);
  return isAtBinding && unbound.length > 0
    ? [
        `no driver is bound to ${unbound.join(', ')}: from 7.0 on the kernel may then leave the word as firmware set it; compare it after the boot`,
      ]
    : [];
}

function pathNote(index: MachineIndex, changes: readonly AcsChange[]): string[] {
  const paths = changes
    .flatMap((change) => pathText(index, change.at) ?? [])
    .filter((path) => path.includes('/'));
  return paths.length === 0
    ? []
    : [
        `bus numbers change when cards are added or moved; these name the same ports by their way down: ${paths.join(' ')}`,
      ];
}

/** Works on every kernel, because it writes the registers itself. */
function serviceForm(changes: readonly AcsChange[], isRecommended: boolean): PersistentForm {
  const lines = [
    '[Unit]',
    'Description=Clear ACS redirect for peer-to-peer DMA',
    '',
    '[Service]',
    'Type=oneshot',
    ...changes.map((change) => `ExecStart=/usr/bin/${change.command}`),
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return {
    kind: 'service',
    state: 'works',
    isRecommended,
    text: `${lines.join('\n')}\n`,
    loaders: [],
    notes: [
      'as /etc/systemd/system/peerlane-acs.service, then: systemctl enable peerlane-acs.service; setpci may be in /usr/sbin',
      'IOMMU groups are made before it runs and keep showing the old isolation: never pass one of these devices through',
    ],
  };
}

/** What changed from one reading of a machine to another. Serial numbers and the like are not compared. */
import type { Bdf } from '../base/index.ts';
import {
  type Bar,
  BLANKED,
  blankedCommandLine,
  type LinkState,
  type Machine,
  type MachineFunction,
} from '../topology/index.ts';
import { hex16, hexAddress, idText, sizeText } from './registers.ts';

export type ChangeKind =
  | 'function-added'
  | 'function-removed'
  | 'identity'
  | 'parent'
  | 'acs'
  | 'link'
  | 'bar'
  | 'command'
  | 'driver'
  | 'iommu-group'
  | 'numa-node'
  | 'p2pmem'
  | 'gone'
  | 'kernel'
  | 'kernel-config'
  | 'command-line'
  | 'module-parameter'
  | 'cpu'
  | 'iommu'
  | 'host-bridge';

/** `before` and `after` as a person would write them; `unknown` where that reading does not say, `none` for known absent. */
export interface Change {
  readonly kind: ChangeKind;
  /** The function or host bridge concerned; null for the machine. */
  readonly at: string | null;
  readonly before: string;
  readonly after: string;
}

/** Changes of the machine first, then of functions in address order of the new reading, then those that are gone. */
export function machineChanges(before: Machine, after: Machine): Change[] {
  const old = new Map(before.functions.map((fn) => [fn.bdf, fn]));
  const now = new Set(after.functions.map((fn) => fn.bdf));
  return [
    ...wholeMachine(before, after),
    ...after.functions.flatMap((fn) => {
      const known = old.get(fn.bdf);
      return known === undefined ? [added(fn)] : functionChanges(known, fn);
    }),
    ...before.functions.filter((fn) => !now.has(fn.bdf)).map(removed),
  ];
}

function added(fn: MachineFunction): Change {
  return { kind: 'function-added', at: fn.bdf, before: 'none', after: identity(fn) };
}

function removed(fn: MachineFunction): Change {
  return { kind: 'function-removed', at: fn.bdf, before: identity(fn), after: 'none' };
}

function identity(fn: MachineFunction): string {
  return [idText(fn) ?? 'unknown', fn.deviceName].filter((part) => part !== undefined).join(' ');
}

function wholeMachine(before: Machine, after: Machine): Change[] {
  const at = null;
  const cpu = ({ cpu: known }: Machine): string | undefined =>
    known.vendor === undefined
      ? undefined
      : `${known.vendor} family ${known.family ?? '?'} model ${known.model ?? '?'}`;
  return [
    ...different('kernel', at, before.kernel.release, after.kernel.release),
    ...commandLineChange(before.kernel.commandLine, after.kernel.commandLine),
    ...different('cpu', at, cpu(before), cpu(after)),
    ...different('iommu', at, before.iommu.mode, after.iommu.mode),
    ...recordChanges('kernel-config', before.kernel.config ?? {}, after.kernel.config ?? {}),
    ...recordChanges('module-parameter', before.kernel.moduleParameters, after.kernel.moduleParameters),
    ...hostBridgeChanges(before, after),
  ];
}

function recordChanges(
  kind: ChangeKind,
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => {
    const [old, now] = [before[name], after[name]];
    return old === undefined || now === undefined || old === now
      ? []
      : [{ kind, at: null, before: `${name}=${old}`, after: `${name}=${now}` }];
  });
}

/** A snapshot has blanked what it did not know to be harmless; then only the rest can be compared. */
function commandLineChange(before: string | undefined, after: string | undefined): Change[] {
  const isBlanked = before?.includes(BLANKED) === true || after?.includes(BLANKED) === true;
  if (isBlanked && before !== undefined && after !== undefined) {
    return different('command-line', null, blankedCommandLine(before), blankedCommandLine(after));
  }
  return different('command-line', null, before, after);
}

function hostBridgeChanges(before: Machine, after: Machine): Change[] {
  const old = new Set(before.hostBridges.map((bridge) => bridge.key));
  const now = new Set(after.hostBridges.map((bridge) => bridge.key));
  return [
    ...[...now]
      .filter((key) => !old.has(key))
      .map((key): Change => ({ kind: 'host-bridge', at: key, before: 'none', after: key })),
    ...[...old]
      .filter((key) => !now.has(key))
      .map((key): Change => ({ kind: 'host-bridge', at: key, before: key, after: 'none' })),
  ];
}

function functionChanges(before: MachineFunction, after: MachineFunction): Change[] {
  const at = after.bdf;
  const field = (kind: ChangeKind, text: (fn: MachineFunction) => string | null | undefined): Change[] =>
    different(kind, at, text(before), text(after));
  return [
    ...field('identity', (fn) => idText(fn)),
    ...field('gone', (fn) => (fn.isGone ? 'gone' : 'there')),
    ...field('parent', (fn) => fn.parent),
    ...field('acs', (fn) => (fn.acs == null ? fn.acs : `ACS Control ${hex16(fn.acs.control)}`)),
    ...field('link', (fn) => linkText(fn.link)),
    ...field('bar', (fn) => fn.bars?.map(barText).join(', ')),
    ...field('command', (fn) => (fn.command === undefined ? undefined : hex16(fn.command))),
    ...field('driver', (fn) => fn.driver),
    ...field('iommu-group', (fn) => fn.iommuGroup),
    ...field('numa-node', (fn) => (fn.numaNode == null ? fn.numaNode : String(fn.numaNode))),
    ...field('p2pmem', peerMemoryText),
  ];
}

/** Nothing is said where a reading does not know: a snapshot without root is no change. */
function different(
  kind: ChangeKind,
  at: Bdf | null,
  before: string | null | undefined,
  after: string | null | undefined,
): Change[] {
  if (before === undefined || after === undefined || before === after) {
    return [];
  }
  return [{ kind, at, before: before ?? 'none', after: after ?? 'none' }];
}

function linkText(link: LinkState | null | undefined): string | null | undefined {
  if (link == null) {
    return link;
  }
  const { current, max } = link;
  if (current === undefined) {
    return undefined;
  }
  const most = max === undefined ? '' : ` of ${max.speedGTs} GT/s x${max.width}`;
  return `${current.speedGTs} GT/s x${current.width}${most}`;
}

function barText(bar: Bar): string {
  const where =
    bar.start === null ? 'unassigned' : bar.start === undefined ? 'somewhere' : hexAddress(bar.start);
  return `BAR ${bar.index} ${bar.sizeBytes === undefined ? '' : `${sizeText(bar.sizeBytes)} `}at ${where}`;
}

/** What is free changes all the time and is left out. */
function peerMemoryText(fn: MachineFunction): string | null | undefined {
  if (fn.p2pmem == null) {
    return fn.p2pmem;
  }
  const { sizeBytes, published } = fn.p2pmem;
  const size = sizeBytes === undefined ? 'of unknown size' : sizeText(sizeBytes);
  return `${size}${published === undefined ? '' : published ? ', published' : ', not published'}`;
}

/** The device tree as text: one line a function, children indented below their bridge. */
import type { Bdf } from '../../base/index.ts';
import type { Machine, MachineFunction } from '../../topology/index.ts';
import {
  acsText,
  hexId,
  kindOf,
  linkText,
  mainName,
  peerMemoryText,
  productText,
  shortBdf,
} from './describe.ts';
import { isBootFinding } from './notes.ts';
import { printable, type Style } from './style.ts';

export interface TreeOptions {
  /** What each thing is and who offers memory; no links, groups and numbers. */
  readonly isBrief?: boolean;
}

export function* renderTree(machine: Machine, style: Style, options: TreeOptions = {}): Generator<string> {
  const children = new Map<string, MachineFunction[]>();
  const known = new Set<string>(machine.functions.map((fn) => fn.bdf));
  for (const fn of machine.functions) {
    // A VF is drawn below its PF's bridge, as the kernel walks it.
    const owner =
      fn.physicalFunction == null
        ? fn
        : (machine.functions.find((pf) => pf.bdf === fn.physicalFunction) ?? fn);
    const above = owner.parent != null && known.has(owner.parent) ? owner.parent : fn.hostBridge;
    const list = children.get(above);
    if (list === undefined) {
      children.set(above, [fn]);
    } else {
      list.push(fn);
    }
  }
  for (const bridge of machine.hostBridges) {
    const where = bridge.numaNode == null || bridge.numaNode < 0 ? '' : `  NUMA node ${bridge.numaNode}`;
    const behind = bridge.behind === null ? '' : `  behind ${bridge.behind}`;
    yield `${style.bold(printable(bridge.key))}${style.dim(where + behind)}\n`;
    const line = options.isBrief === true ? briefLine : functionLine;
    yield* renderChildren(machine, children, bridge.key, '', style, new Set(), line);
  }
}

function* renderChildren(
  machine: Machine,
  children: ReadonlyMap<string, readonly MachineFunction[]>,
  above: string,
  indent: string,
  style: Style,
  seen: Set<Bdf>,
  line: typeof functionLine,
): Generator<string> {
  const list = children.get(above) ?? [];
  for (const [position, fn] of list.entries()) {
    if (seen.has(fn.bdf)) {
      continue;
    }
    seen.add(fn.bdf);
    const isLast = position === list.length - 1;
    yield `${style.dim(`${indent}${isLast ? '└─' : '├─'} `)}${line(machine, fn, style)}\n`;
    yield* renderChildren(machine, children, fn.bdf, `${indent}${isLast ? '   ' : '│  '}`, style, seen, line);
  }
}

function briefLine(machine: Machine, fn: MachineFunction, style: Style): string {
  const name = mainName(fn);
  const memory = peerMemoryText(fn);
  return [
    style.bold(shortBdf(machine, fn.bdf)),
    kindOf(fn),
    ...(name === undefined ? [] : [style.bold(name)]),
    ...(fn.acs != null && (fn.acs.control & REDIRECTS) !== 0 ? [style.warn(acsText(fn.acs)!)] : []),
    ...(memory === undefined ? [] : [style.good(memory)]),
  ].join('  ');
}

/** RR, CR and EC of ACS Control: what sends peer traffic up. */
const REDIRECTS = 0x2c;

function functionLine(machine: Machine, fn: MachineFunction, style: Style): string {
  const name = mainName(fn);
  const isBridge = fn.headerType === 1 || (fn.classCode !== undefined && fn.classCode >> 8 === 0x0604);
  const parts = [
    style.bold(shortBdf(machine, fn.bdf)),
    kindOf(fn),
    isBridge ? style.dim(hexId(fn)) : style.dim(productText(fn)),
  ];
  if (name !== undefined) {
    parts.push(style.bold(name));
  }
  if (fn.driver != null && !isBridge) {
    parts.push(style.dim(`driver ${printable(fn.driver)}`));
  }
  if (fn.isGone) {
    parts.push(style.bad('GONE (config reads all ones)'));
  }
  if (fn.physicalFunction != null) {
    parts.push(`VF of ${shortBdf(machine, fn.physicalFunction)}`);
  }
  if (fn.hiddenAbove) {
    parts.push(style.dim('(bridges left out above)'));
  }
  const link = linkText(fn.link);
  if (link !== undefined) {
    parts.push(`[${link}]`);
  }
  const acs = isBridge || fn.acs ? acsText(fn.acs) : undefined;
  if (acs !== undefined) {
    parts.push(fn.acs && (fn.acs.control & REDIRECTS) !== 0 ? style.warn(acs) : acs);
  }
  if (fn.iommuGroup != null) {
    parts.push(style.dim(`group ${printable(fn.iommuGroup)}`));
  }
  const memory = peerMemoryText(fn);
  if (memory !== undefined) {
    parts.push(style.good(memory));
  }
  for (const { code, detail } of machine.findings.filter(({ at }) => at === fn.bdf)) {
    // Of the reader's findings there is a list below the tree; what a lab's boot says belongs here.
    if (isBootFinding(code)) {
      parts.push(style.warn(printable(detail)));
    }
  }
  return parts.join('  ');
}

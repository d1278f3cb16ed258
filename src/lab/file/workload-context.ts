/** What a workload refers to: functions, disks and nodes of the machine that the same file describes. */
import { walkNodes } from './checks.ts';
import { printSize } from './field.ts';
import type { LabEndpoint, LabNode } from './lab-device.ts';
import type { LabFile, LabIopmem } from './lab-file.ts';
import type { LabBar } from './lab-function.ts';
import type { LabPlace } from './lab-workload.ts';
import { didYouMean } from './problems.ts';

export interface WorkloadContext {
  /** Functions that are no bridges, by name; virtual ones with the device whose they are. */
  readonly functions: ReadonlyMap<string, StreamFunction>;
  readonly bridges: ReadonlyMap<string, LabNode['kind']>;
  readonly disks: ReadonlyMap<string, LabIopmem>;
  /** Bytes of each NUMA node. */
  readonly memoryBytes: readonly number[];
  readonly sockets: number;
}

export interface StreamFunction {
  readonly node: LabEndpoint;
  readonly bars: readonly LabBar[];
  readonly isVirtual: boolean;
}

export function workloadContext(
  lab: Pick<LabFile, 'hostBridges' | 'iopmem' | 'memory' | 'cpu'>,
): WorkloadContext {
  const functions = new Map<string, StreamFunction>();
  const bridges = new Map<string, LabNode['kind']>();
  for (const node of lab.hostBridges.flatMap((bridge) => [...walkNodes(bridge.below)])) {
    if (!('bars' in node)) {
      if (node.name !== null) {
        bridges.set(node.name, node.kind);
      }
      continue;
    }
    functions.set(node.name, { node, bars: node.bars, isVirtual: false });
    for (let vf = 0; vf < (node.sriov?.vfs ?? 0); vf++) {
      functions.set(`${node.name}vf${vf}`, { node, bars: node.sriov!.bars, isVirtual: true });
    }
  }
  return {
    functions,
    bridges,
    disks: new Map(lab.iopmem.map((disk) => [disk.name, disk])),
    memoryBytes: lab.memory.map((node) => node.sizeBytes),
    sockets: lab.cpu.sockets,
  };
}

/** A thing that was found, or a sentence that says why not. */
export type Found<Value> =
  | { readonly value: Value }
  | { readonly problem: string; readonly isUnknown: boolean };

const unknown = (problem: string) => ({ problem, isUnknown: true });
const unable = (problem: string) => ({ problem, isUnknown: false });

/** Something that takes block requests. */
export interface BlockDevice {
  readonly sizeBytes: number;
  readonly blockBytes: number;
}

export function findBlockDevice(name: string, context: WorkloadContext): Found<BlockDevice> {
  const disk = context.disks.get(name);
  if (disk !== undefined) {
    return { value: disk };
  }
  const fn = context.functions.get(name);
  const node = fn?.node;
  if (fn === undefined || node === undefined) {
    const drives = [...context.functions].flatMap(([key, each]) => ('namespaces' in each.node ? [key] : []));
    return notFound(name, context, [...drives, ...context.disks.keys()], 'drive or iopmem disk');
  }
  if (!('namespaces' in node) || fn.isVirtual) {
    const what = fn.isVirtual ? 'a virtual function' : `a device of kind ${node.kind}`;
    return unable(`${name} is ${what}, which takes no block requests; a drive or an iopmem disk does`);
  }
  const namespace = node.namespaces[0];
  return namespace === undefined
    ? unable(`${name} has no namespace; give it one: \`namespaces: 64G\``)
    : { value: { sizeBytes: namespace.sizeBytes, blockBytes: namespace.blockBytes } };
}

export function findFunction(name: string, context: WorkloadContext): Found<StreamFunction> {
  const fn = context.functions.get(name);
  if (fn !== undefined) {
    return { value: fn };
  }
  const disk = context.disks.get(name);
  return disk === undefined
    ? notFound(name, context, [...context.functions.keys()], 'device')
    : unable(`${name} is an iopmem disk and makes no requests; its memory is that of ${disk.function}`);
}

const PLACE = 'place';

function notFound(name: string, context: WorkloadContext, allowed: readonly string[], what: string) {
  const bridge = context.bridges.get(name);
  if (bridge !== undefined) {
    const why = what === PLACE ? 'has no memory for data' : 'makes no requests of its own';
    return unable(`${name} is a ${bridge} and ${why}`);
  }
  const some = allowed.slice(0, 8).join(', ');
  const list =
    allowed.length === 0
      ? '; the machine has none'
      : `; there ${allowed.length === 1 ? 'is' : 'are'} ${some}`;
  const near = didYouMean(name, allowed);
  return unknown(`no ${what} has the name '${name}'${near === '' ? list : near}`);
}

/** @param own  name of the device whose request it is, for `cmb` and `host` */
export function findPlace(word: string, own: string | null, context: WorkloadContext): Found<LabPlace> {
  if (word === 'host') {
    return { value: { kind: 'host', node: null } };
  }
  const node = /^node(\d{1,3})$/.exec(word);
  if (node !== null) {
    const index = Number(node[1]);
    const nodes = context.memoryBytes.length;
    return index < nodes
      ? { value: { kind: 'host', node: index } }
      : unknown(
          `no node has the number ${index}; \`memory\` lists ${nodes} node${nodes === 1 ? '' : 's'}, from 0`,
        );
  }
  if (word === 'cmb') {
    return own === null ? unable('whose cmb? Write the name of the drive') : findMemory(own, context);
  }
  return findMemory(word, context);
}

function findMemory(name: string, context: WorkloadContext): Found<LabPlace> {
  const fn = context.functions.get(name);
  if (fn === undefined) {
    const disk = context.disks.get(name);
    if (disk !== undefined) {
      return unable(`${name} is an iopmem disk; name the function whose memory it is: ${disk.function}`);
    }
    const withMemory = [...context.functions.keys()].filter((key) => 'value' in findMemory(key, context));
    return notFound(name, context, ['host', ...withMemory], PLACE);
  }
  const { node, bars, isVirtual } = fn;
  if ('cmb' in node) {
    return node.cmb === null || isVirtual
      ? unable(`${name} has no controller memory buffer; give it one: \`cmb: 64M\``)
      : { value: { kind: 'cmb', name } };
  }
  // Registers of an engine are no place for data.
  const hasRegisters = node.kind === 'dma-engine' || node.kind === 'rnic';
  const memory = bars.filter((bar) => bar.kind === 'memory' && (!hasRegisters || bar.index !== 0));
  const published = 'publishedBar' in node && !isVirtual ? node.publishedBar : null;
  const largest = memory.reduce<LabBar | undefined>(
    (best, bar) => (best === undefined || bar.sizeBytes > best.sizeBytes ? bar : best),
    undefined,
  );
  const bar = memory.find((each) => each.index === published) ?? largest;
  return bar === undefined
    ? unable(`${name} has no memory BAR${hasRegisters ? ' besides its registers' : ''}`)
    : { value: { kind: 'bar', name, bar: bar.index } };
}

/** How large a place is; infinite for none that is known. */
export function placeBytes(place: LabPlace, context: WorkloadContext): number {
  if (place.kind === 'host') {
    return place.node === null ? Math.min(...context.memoryBytes) : context.memoryBytes[place.node]!;
  }
  const fn = context.functions.get(place.name)!;
  if (place.kind === 'cmb') {
    return 'cmb' in fn.node ? (fn.node.cmb?.sizeBytes ?? 0) : 0;
  }
  return fn.bars.find((bar) => bar.index === place.bar)?.sizeBytes ?? 0;
}

export function placeText(place: LabPlace): string {
  return place.kind === 'host' ? (place.node === null ? 'host' : `node${place.node}`) : place.name;
}

/** `nvme0 has 64G`. */
export const hasBytes = (who: string, bytes: number) => `${who} has ${printSize(bytes)}`;

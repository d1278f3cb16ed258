/** What must hold between parts of a lab: bus numbers, domains, NUMA nodes, virtual functions, references. */
import { printLink } from './endpoint-fields.ts';
import { printSize } from './field.ts';
import type { LabEndpoint, LabNode } from './lab-device.ts';
import type { LabHostBridge, LabIopmem } from './lab-file.ts';
import type { LabLink } from './lab-function.ts';
import type { IopmemRaw } from './machine-fields.ts';
import type { Names } from './names.ts';
import { didYouMean, type LabErrorCode } from './problems.ts';
import type { LabPath } from './values.ts';

/** Reports a problem of a node or host bridge at one of its fields. */
export type NodeReport = (node: object, code: LabErrorCode, path: LabPath, message: string) => void;

/** Every node below, bridges before what is below them. */
export function* walkNodes(nodes: readonly LabNode[]): Generator<LabNode> {
  for (const node of nodes) {
    yield node;
    if ('below' in node) {
      yield* walkNodes(node.below);
    }
  }
}

const BUSES_PER_DOMAIN = 256;

/** Buses that enumeration needs at least for what is on one: itself and those below, VMD domains apart. */
function busCount(nodes: readonly LabNode[]): number {
  let buses = 1;
  for (const node of nodes) {
    if ('below' in node && node.kind !== 'vmd') {
      buses += busCount(node.below);
    }
  }
  return buses;
}

export function checkBuses(hostBridges: readonly LabHostBridge[], report: NodeReport): void {
  const inOrder = [...hostBridges].sort((a, b) => a.domain - b.domain || a.rootBus - b.rootBus);
  inOrder.forEach((bridge, i) => {
    const next = inOrder[i + 1]?.domain === bridge.domain ? inOrder[i + 1]! : undefined;
    const end = bridge.rootBus + busCount(bridge.below);
    if (next !== undefined && next.rootBus === bridge.rootBus) {
      report(
        next,
        'LAB_ADDRESS',
        ['root-bus'],
        `root-bus: another host bridge of this domain has bus ${hex(bridge.rootBus)}`,
      );
    } else if (end > (next?.rootBus ?? BUSES_PER_DOMAIN)) {
      report(
        bridge,
        'LAB_ADDRESS',
        ['root-bus'],
        `its ${end - bridge.rootBus} buses from ${hex(bridge.rootBus)} on run into ${
          next === undefined ? 'the end of the domain' : `the host bridge at ${hex(next.rootBus)}`
        }`,
      );
    }
  });
}

const hex = (value: number) => value.toString(16).padStart(2, '0');

export function checkVmdDomains(hostBridges: readonly LabHostBridge[], report: NodeReport): void {
  const domains = new Set(hostBridges.map((bridge) => bridge.domain));
  for (const bridge of hostBridges) {
    for (const node of bridge.below) {
      if (node.kind !== 'vmd') {
        continue;
      }
      if (domains.has(node.domain)) {
        report(node, 'LAB_ADDRESS', ['domain'], `domain: ${node.domain.toString(16)} is taken`);
      }
      domains.add(node.domain);
      if (busCount(node.below) > BUSES_PER_DOMAIN) {
        report(node, 'LAB_ADDRESS', [], 'more than 256 buses below one VMD');
      }
    }
  }
}

export function checkNumaNodes(
  hostBridges: readonly LabHostBridge[],
  nodes: number,
  report: NodeReport,
): void {
  for (const bridge of hostBridges) {
    if (bridge.numaNode >= nodes) {
      report(
        bridge,
        'LAB_REFERENCE',
        ['numa-node'],
        `numa-node: ${bridge.numaNode} has no memory; \`memory\` lists ${nodes} node${nodes === 1 ? '' : 's'}, from 0`,
      );
    }
  }
}

/** A link comes up with no more than either of its ends can. */
export function checkTrained(siblings: readonly LabNode[], port: LabLink | null, report: NodeReport): void {
  for (const node of siblings) {
    if ('trained' in node && node.trained !== null) {
      const { trained } = node;
      const own = 'link' in node ? node.link : null;
      const end = [own, port].find(
        (each) => each !== null && (trained.generation > each.generation || trained.width > each.width),
      );
      if (end !== undefined && end !== null) {
        const whose = end === own ? 'its own end' : 'the port above';
        report(
          node,
          'LAB_VALUE',
          ['trained'],
          `trained: ${printLink(trained)} is more than ${whose} can, which is ${printLink(end)}`,
        );
      }
    }
    if ('below' in node) {
      const isPort = node.kind === 'root-port' || node.kind === 'port';
      checkTrained(node.below, isPort ? node.link : null, report);
    }
  }
}

/** Virtual functions: how many, where, and what they are called. */
export function checkVirtualFunctions(siblings: readonly LabNode[], names: Names, report: NodeReport): void {
  const taken = new Map<number, string>(
    siblings.map((node) => [node.device * 8 + node.function, node.name ?? node.kind]),
  );
  for (const node of siblings) {
    if ('below' in node) {
      checkVirtualFunctions(node.below, names, report);
    } else if (node.sriov !== null) {
      checkSriov(node, taken, names, report);
    }
  }
}

function checkSriov(node: LabEndpoint, taken: Map<number, string>, names: Names, report: NodeReport): void {
  const sriov = node.sriov!;
  const path = ['sr-iov'];
  if (sriov.vfs > sriov.total) {
    report(
      node,
      'LAB_VALUE',
      path,
      `sr-iov: ${sriov.vfs} virtual functions of ${sriov.total} cannot be enabled`,
    );
    return;
  }
  for (let vf = 0; vf < sriov.vfs; vf++) {
    const routing = node.device * 8 + node.function + sriov.offset + vf * sriov.stride;
    const owner = taken.get(routing);
    if (owner !== undefined) {
      report(
        node,
        'LAB_ADDRESS',
        path,
        `sr-iov: virtual function ${vf} would have the address of ${owner}; raise offset`,
      );
      return;
    }
    taken.set(routing, `${node.name}vf${vf}`);
    if (names.has(`${node.name}vf${vf}`)) {
      report(
        node,
        'LAB_NAME',
        path,
        `sr-iov: '${node.name}vf${vf}', a virtual function, is the name of another device`,
      );
    }
  }
}

/** What one entry of `iopmem` means; reports and gives undefined when it means nothing. */
export function resolveIopmem(
  raw: IopmemRaw,
  name: string,
  functions: ReadonlyMap<string, LabNode>,
  report: (code: LabErrorCode, path: LabPath, message: string) => void,
): LabIopmem | undefined {
  const fn = functions.get(raw.function);
  if (fn === undefined || !('bars' in fn)) {
    const message = `function: no device has the name '${raw.function}'`;
    report('LAB_REFERENCE', ['function'], message + didYouMean(raw.function, [...functions.keys()]));
    return undefined;
  }
  const memory = fn.bars.filter((bar) => bar.kind === 'memory');
  const largest = memory.reduce<(typeof memory)[number] | undefined>(
    (best, bar) => (best === undefined || bar.sizeBytes > best.sizeBytes ? bar : best),
    undefined,
  );
  const bar = raw.bar === undefined ? largest : memory.find((each) => each.index === raw.bar);
  if (bar === undefined) {
    const indices = memory.map((each) => each.index).join(', ') || 'none';
    report('LAB_REFERENCE', ['bar'], `bar: ${raw.function} has memory BARs ${indices}`);
    return undefined;
  }
  const blockBytes = Number(raw.block);
  const sizeBytes = raw.size ?? bar.sizeBytes - raw.offset;
  const isAligned = sizeBytes % blockBytes === 0 && raw.offset % blockBytes === 0;
  if (sizeBytes <= 0 || raw.offset + sizeBytes > bar.sizeBytes || !isAligned) {
    report(
      'LAB_BAR',
      [raw.size === undefined ? 'offset' : 'size'],
      `offset and size are multiples of ${blockBytes} within BAR ${bar.index}, which has ${printSize(bar.sizeBytes)}`,
    );
    return undefined;
  }
  return { name, function: raw.function, bar: bar.index, offsetBytes: raw.offset, sizeBytes, blockBytes };
}

/**
 * A `LabFile` as text that a person can go on with: only what differs from a default is written.
 *
 * What may be left out is found by reading: a field goes when the rest still reads as the same thing. So the text always means
 * exactly the lab it was made from.
 */
import { Document, isMap, isScalar, isSeq, type Pair, visit, type YAMLMap } from 'yaml';
import {
  bridgeSchemas,
  fillPciBridge,
  fillPort,
  fillSwitch,
  fillVmd,
  type PortDefaults,
  printBridge,
  rootPortDefaults,
  switchPortDefaults,
} from './bridge-fields.ts';
import { assignAddresses, assignPorts } from './bus-numbers.ts';
import { endpointKindOf } from './entries.ts';
import { printFault } from './fault-fields.ts';
import { printSize } from './field.ts';
import { readFields } from './kind.ts';
import type { LabBridge, LabEndpoint, LabNode } from './lab-device.ts';
import type { LabFile, LabHostBridge, LabIopmem } from './lab-file.ts';
import {
  fillHostBridge,
  fillMachine,
  hostBridgeSchema,
  machineSchema,
  printHostBridge,
  printMachine,
} from './machine-fields.ts';
import type { Report } from './report.ts';
import { isBlock, type LabBlock, type LabValue } from './values.ts';
import { printWorkload } from './workload.ts';

/** The text of a lab, with a heading. `comment` lines come first; the default names the format. */
export function printLab(lab: LabFile, comment: readonly string[] = DEFAULT_COMMENT): string {
  const { peerlane, ...machine } = machineFieldsOf(lab);
  const block: LabBlock = {
    peerlane: peerlane!,
    ...machine,
    ...treeOf(lab),
    ...iopmemOf(lab),
    ...(lab.faults.length === 0 ? {} : { faults: lab.faults.map(printFault) }),
    ...printWorkload(lab, reduced),
  };
  // As in the reader, every word is text, so nothing needs quotes but what looks like no value at all.
  const document = new Document(block, {
    version: '1.2',
    schema: 'failsafe',
    customTags: (tags) => [...tags, 'null'],
    aliasDuplicateObjects: false,
  });
  style(document);
  const head = comment.map((line) => `# ${line.replace(/[\p{Cc}\u2028\u2029]/gu, ' ')}`.trimEnd());
  return `${head.join('\n')}\n${document.toString({ lineWidth: 0, flowCollectionPadding: false, nullStr: '' })}`;
}

const DEFAULT_COMMENT = ['A machine for peerlane. What is not written has its default: docs/lab-file.md.'];

/** Long lists and lists of blocks are written one item a line, short ones of words in brackets. */
const FLOW_MAX = 60;

function style(document: Document): void {
  visit(document, {
    Seq(_, node) {
      const isWords = node.items.every((item) => isScalar(item));
      node.flow = isWords && String(node).length <= FLOW_MAX;
    },
    Map(_, node) {
      node.flow = isSmall(node);
    },
  });
}

function isSmall(node: YAMLMap): boolean {
  const pairs = node.items as Pair[];
  return (
    pairs.length === 0 ||
    (pairs.every((pair) => isScalar(pair.value) && !isMap(pair.value) && !isSeq(pair.value)) &&
      pairs.every((pair) => /^[0-5]$/.test(String(pair.key))))
  );
}

const SILENT: Report = () => {};

/** The smallest block that still reads as `wanted`, leaving out one field after the other; those of `keep` are only shortened. */
function reduced(
  full: LabBlock,
  wanted: unknown,
  read: (fields: LabBlock) => unknown,
  keep: readonly string[] = [],
): LabBlock {
  const key = JSON.stringify(wanted, withInfinity);
  const isSame = (fields: LabBlock) => JSON.stringify(read(fields), withInfinity) === key;
  let current = full;
  for (const field of Object.keys(full)) {
    const { [field]: value, ...rest } = current;
    if (!keep.includes(field) && isSame(rest)) {
      current = rest;
      continue;
    }
    for (const shorter of shorterForms(value!)) {
      const candidate = { ...current, [field]: shorter };
      if (isSame(candidate)) {
        current = candidate;
        break;
      }
    }
  }
  return current;
}

/** Infinity is something else than null. */
function withInfinity(_: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? 'inf' : value;
}

/** Ways to write a value with less, the shortest first; each may mean something else. */
function* shorterForms(value: LabValue): Generator<LabValue> {
  if (Array.isArray(value) && value.length === 1) {
    yield value[0] as LabValue;
  }
  if (isBlock(value)) {
    const keys = Object.keys(value);
    if (typeof value[keys[0] ?? ''] === 'string') {
      yield value[keys[0]!]!;
    }
    // Each part that could be left out alone, then what is left without all of those, is found by trying prefixes and singles.
    for (let length = 1; length < keys.length; length++) {
      yield Object.fromEntries(keys.slice(0, length).map((key) => [key, value[key]!]));
    }
    for (const key of keys) {
      const { [key]: _, ...rest } = value;
      yield rest;
    }
  }
}

/** Verdicts depend on them, so they are written even where a default says the same. */
const STATED = ['peerlane', 'kernel', 'cpu', 'iommu', 'memory'];

function machineFieldsOf(lab: LabFile): LabBlock {
  const { hostBridges: _, iopmem: __, faults: ___, workload: ____, ...wanted } = lab;
  return reduced(
    printMachine(lab),
    wanted,
    (fields) => {
      const raw = readFields(machineSchema, fields, SILENT);
      return raw === undefined ? undefined : fillMachine(raw);
    },
    STATED,
  );
}

function treeOf(lab: LabFile): LabBlock {
  const bridges = lab.hostBridges.map((bridge, index) => hostBridgeOf(lab, bridge, index));
  if (bridges.length === 1 && Object.keys(bridges[0]!).every((key) => key === 'below')) {
    return bridges[0]!;
  }
  return { 'host-bridges': bridges };
}

function hostBridgeOf(lab: LabFile, bridge: LabHostBridge, index: number): LabBlock {
  const { below, ...wanted } = bridge;
  const place = {
    index,
    count: lab.hostBridges.length,
    numaNodes: lab.memory.length,
    cpuVendor: lab.cpu.vendor,
  };
  const fields = reduced(printHostBridge(bridge), wanted, (given) => {
    const raw = readFields(hostBridgeSchema, given, SILENT);
    return raw === undefined ? undefined : fillHostBridge(raw, place);
  });
  const context: BusContext = {
    bus: 'root',
    ports: rootPortDefaults(lab.cpu.vendor),
    rootPorts: rootPortDefaults(lab.cpu.vendor),
    taken: bridge.identity === null ? [] : [0],
  };
  return { ...fields, ...belowOf(below, context) };
}

interface BusContext {
  readonly bus: 'root' | 'vmd' | 'switch' | 'slot' | 'pci';
  readonly ports: PortDefaults;
  readonly rootPorts: PortDefaults;
  readonly taken: readonly number[];
}

function belowOf(nodes: readonly LabNode[], context: BusContext): LabBlock {
  if (nodes.length === 0) {
    return {};
  }
  const assigned = assignAddresses(
    nodes.map(() => null),
    context.taken,
  );
  const isUsual = (node: LabNode, i: number) =>
    node.device === assigned[i]?.device && node.function === assigned[i]?.function;
  // Below a port everything is device 0; elsewhere one address given moves those that are not.
  const isSlot = context.bus === 'slot';
  const areUsual = nodes.every(isUsual);
  const ports = nodes.flatMap((node) => ('port' in node ? [node.port] : []));
  const isCounted = assignPorts(ports.map(() => null)).every((port, i) => port === ports[i]);
  return {
    below: nodes.map((node, i) =>
      withoutPlainPort(node, {
        [node.kind]: node.name,
        ...((isSlot ? i === 0 && isUsual(node, i) : areUsual)
          ? {}
          : { at: `${node.device.toString(16).padStart(2, '0')}.${node.function}` }),
        ...(isCounted || !('port' in node) ? {} : { 'port-number': String(node.port) }),
        ...('bars' in node ? endpointOf(node, context) : bridgeOf(node, context)),
      }),
    ),
  };
}

/** What is below a port of which nothing is said stands for both. */
function withoutPlainPort(node: LabNode, item: LabBlock): LabBlock {
  const below = item.below;
  const isPort = node.kind === 'root-port' || node.kind === 'port';
  const isPlain = isPort && node.name === null && Object.keys(item).length === 2;
  const only = isPlain && Array.isArray(below) && below.length === 1 ? (below[0] as LabBlock) : undefined;
  return only === undefined || 'at' in only ? item : only;
}

function endpointOf(node: LabEndpoint, context: BusContext): LabBlock {
  const kind = endpointKindOf(node.kind)!;
  const place = {
    name: node.name,
    device: node.device,
    function: node.function,
    hasLink: context.bus === 'slot',
  };
  const fields = reduced(kind.print(node), node, (given) => {
    let isBad = false;
    const read = kind.read(given, place, () => {
      isBad = true;
    });
    return isBad ? undefined : read;
  });
  return { ...fields, ...(context.bus === 'root' ? { integrated: 'yes' } : {}) };
}

function bridgeOf(node: LabBridge, context: BusContext): LabBlock {
  const { below, ...wanted } = node;
  const place = { name: node.name, device: node.device, function: node.function };
  const child = (bus: BusContext['bus'], ports = context.ports): BusContext => ({
    bus,
    ports,
    rootPorts: context.rootPorts,
    taken: [],
  });
  switch (node.kind) {
    case 'root-port':
    case 'port': {
      const fields = reduced(printBridge(node), wanted, (given) => {
        const raw = readFields(bridgeSchemas.port, given, SILENT);
        return raw && fillPort(node.kind, raw, place, context.ports, node.port);
      });
      return { ...fields, ...belowOf(below, child('slot')) };
    }
    case 'switch': {
      const fields = reduced(printBridge(node), wanted, (given) => {
        const raw = readFields(bridgeSchemas.switch, given, SILENT);
        return raw && fillSwitch(raw, place);
      });
      const ports = switchPortDefaults(bridgeSchemas.switch.parse(fields));
      return { ...fields, ...belowOf(below, child('switch', ports)) };
    }
    case 'pci-bridge': {
      const fields = reduced(printBridge(node), wanted, (given) => {
        const raw = readFields(bridgeSchemas['pci-bridge'], given, SILENT);
        return raw && fillPciBridge(raw, place);
      });
      return { ...fields, ...belowOf(below, child('pci')) };
    }
    case 'vmd': {
      // Its default domain depends on the others, so it is always written.
      const fields = reduced(printBridge(node), wanted, (given) => {
        const raw = readFields(bridgeSchemas.vmd, given, SILENT);
        return raw && fillVmd(raw, { ...place, name: node.name }, -1);
      });
      return { ...fields, ...belowOf(below, child('vmd', context.rootPorts)) };
    }
  }
}

function iopmemOf(lab: LabFile): LabBlock {
  if (lab.iopmem.length === 0) {
    return {};
  }
  return {
    iopmem: lab.iopmem.map(
      (each: LabIopmem): LabBlock => ({
        name: each.name,
        function: each.function,
        bar: String(each.bar),
        ...(each.offsetBytes === 0 ? {} : { offset: printSize(each.offsetBytes) }),
        size: printSize(each.sizeBytes),
        ...(each.blockBytes === 4096 ? {} : { block: String(each.blockBytes) }),
      }),
    ),
  };
}

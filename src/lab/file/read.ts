/** A lab file from text: YAML, then the machine's own fields, then the tree, then what must hold between them. */
import {
  checkBuses,
  checkNumaNodes,
  checkTrained,
  checkVirtualFunctions,
  checkVmdDomains,
  type NodeReport,
  resolveIopmem,
  walkNodes,
} from './checks.ts';
import type { Origin } from './entries.ts';
import { bridgeNames, type FaultRaw, faultDevices, resolveFault } from './fault-fields.ts';
import { readFields } from './kind.ts';
import type { LabNode } from './lab-device.ts';
import type { LabFault } from './lab-fault.ts';
import type { LabCpuVendor, LabFile, LabHostBridge, LabIopmem } from './lab-file.ts';
import type { LabStream, LabWorkload } from './lab-workload.ts';
import {
  fillHostBridge,
  fillMachine,
  hostBridgeSchema,
  type IopmemRaw,
  machineSchema,
} from './machine-fields.ts';
import { Names } from './names.ts';
import { type LabPosition, Problems, shown } from './problems.ts';
import { LAB_MARKER, LAB_VERSION } from './recognise-lab.ts';
import type { Report } from './report.ts';
import { keepStreamPosition } from './stream-positions.ts';
import { TreeReader } from './tree.ts';
import { isBlock, type LabBlock, type LabPath, type LabValue } from './values.ts';
import { readWorkload } from './workload.ts';
import { workloadContext } from './workload-context.ts';
import type { WorkloadRaw } from './workload-fields.ts';
import { readYaml, type YamlSource } from './yaml-source.ts';

export type { LabPosition } from './problems.ts';

export interface LabReading {
  readonly lab: LabFile;
  /**
   * Where in the text a node, host bridge or stream of `lab` is, for problems that show later; a port that is not written, where
   * the device is.
   */
  readonly position: (node: LabNode | LabHostBridge | LabIopmem | LabStream) => LabPosition | undefined;
}

/**
 * @param label  names the file in messages
 * @throws {LabError} LAB_SYNTAX and the other LAB_ codes; the first problem is the message, up to twenty are in `detail.problems`
 */
export function parseLab(text: string, label: string): LabFile {
  return readLab(text, label).lab;
}

/** The same, with the places of things. */
export function readLab(text: string, label: string): LabReading {
  const problems = new Problems(label);
  const source = readYaml(text, problems);
  const reader = new Reader(source, problems);
  const lab = reader.read();
  return { lab, position: (node) => reader.position(node) };
}

const HOST_BRIDGES_MAX = 256;
const TOP: LabPosition = { line: 1, column: 1 };

class Reader {
  readonly #source: YamlSource;
  readonly #problems: Problems;
  readonly #origins = new Map<object, Origin>();

  constructor(source: YamlSource, problems: Problems) {
    this.#source = source;
    this.#problems = problems;
  }

  position(node: object): LabPosition | undefined {
    const origin = this.#origins.get(node);
    return origin === undefined ? undefined : this.#source.valuePosition(origin.container, origin.path);
  }

  read(): LabFile {
    const root = this.#root();
    const report = this.#reportOf({ container: root, path: [] });
    const raw = readFields(machineSchema, this.#withoutPrototype(root, report), report);
    if (raw === undefined) {
      this.#problems.throwIfAny();
    }
    const machine = fillMachine(raw!);
    // Workload and faults only refer to names; a drive without one may still be the `nvme0` that they speak of.
    const { workload: _, faults: __, ...machineText } = root;
    const names = new Names(machineText);
    const tree = new TreeReader(
      this.#source,
      this.#problems,
      names,
      machine.cpu.vendor,
      this.#origins as Map<LabNode, Origin>,
    );
    const hostBridges = this.#hostBridges(root, tree, machine.cpu.vendor, machine.memory.length);
    this.#check(hostBridges, machine.memory.length, names);
    const iopmem = this.#iopmem(root, raw!.iopmem, hostBridges, names);
    const faults = this.#faults(root, raw!.faults, hostBridges);
    const whole = { ...machine, hostBridges, iopmem, faults };
    const workload = raw!.workload === undefined ? null : this.#workload(root, raw!.workload, whole, names);
    this.#problems.throwIfAny();
    // Where nothing was reported it was read.
    return { ...whole, workload: workload! };
  }

  #workload(
    root: LabBlock,
    raw: WorkloadRaw,
    machine: Omit<LabFile, 'workload'>,
    names: Names,
  ): LabWorkload | undefined {
    const block = root.workload as LabBlock;
    const streams = block.streams as LabValue;
    const originOf = (index: number): Origin => {
      const path = index < 0 ? [] : [index];
      const container: object = index < 0 ? block : (streams as readonly LabValue[]);
      const item = index < 0 ? streams : (streams as readonly LabValue[])[index];
      return isBlock(item)
        ? { container: item, path: [] }
        : { container, path: index < 0 ? ['streams'] : path };
    };
    // What hangs on a device that could not be read would be told as missing.
    const context = this.#problems.count > 0 ? null : workloadContext(machine);
    return readWorkload(raw, context, {
      report: this.#reportOf({ container: block, path: [] }),
      reportOf: (index) => this.#reportOf(originOf(index)),
      found: (stream, index) => {
        const origin = originOf(index);
        this.#origins.set(stream, origin);
        keepStreamPosition(stream, this.#source.valuePosition(origin.container, origin.path));
      },
      isTaken: (name) => names.has(name) || context?.functions.has(name) === true,
    });
  }

  #root(): LabBlock {
    const root = this.#source.root;
    const marker = isBlock(root) ? root[LAB_MARKER] : undefined;
    if (!isBlock(root) || marker === undefined) {
      this.#problems.fail(
        'LAB_MARKER',
        TOP,
        `no lab file: it does not say \`${LAB_MARKER}: ${LAB_VERSION}\``,
      );
    }
    if (marker !== LAB_VERSION) {
      const written = typeof marker === 'string' ? shown(marker) : 'something else';
      const position = this.#source.valuePosition(root, [LAB_MARKER]);
      this.#problems.fail(
        'LAB_MARKER',
        position,
        `${LAB_MARKER}: ${LAB_VERSION} is what is read here, not ${written}`,
      );
    }
    return root;
  }

  #reportOf(origin: Origin): Report {
    return (code, path, message, isKey) => {
      const whole: LabPath = [...origin.path, ...path];
      const position = isKey
        ? this.#source.keyPosition(origin.container, whole)
        : this.#source.valuePosition(origin.container, whole);
      this.#problems.add(code, position, message);
    };
  }

  #withoutPrototype(root: LabBlock, report: Report): LabBlock {
    const rest: Record<string, LabValue> = {};
    for (const [key, value] of Object.entries(root)) {
      if (key === '__proto__') {
        report('LAB_UNKNOWN_KEY', [key], `unknown key ${shown(key)}`, true);
      } else {
        rest[key] = value;
      }
    }
    return rest;
  }

  #hostBridges(
    root: LabBlock,
    tree: TreeReader,
    cpuVendor: LabCpuVendor,
    numaNodes: number,
  ): LabHostBridge[] {
    const list = this.#hostBridgeList(root);
    return list.flatMap(({ value, origin }, index) => {
      const { below, ...fields } = value;
      const raw = readFields(hostBridgeSchema, fields, this.#reportOf(origin));
      if (raw === undefined) {
        // What is below is read all the same, so that all problems are told at once.
        tree.readRootBus(below, { container: origin.container, path: [...origin.path, 'below'] }, null);
        return [];
      }
      const bridge = fillHostBridge(raw, { index, count: list.length, numaNodes, cpuVendor });
      const holder = { container: origin.container, path: [...origin.path, 'below'] };
      const node = { ...bridge, below: tree.readRootBus(below, holder, bridge.identity) };
      this.#origins.set(node, origin);
      return [node];
    });
  }

  #hostBridgeList(root: LabBlock): { value: LabBlock; origin: Origin }[] {
    const written = root['host-bridges'];
    if (written === undefined || written === null) {
      const below = root.below ?? null;
      return [{ value: { below }, origin: { container: root, path: [] } }];
    }
    if ('below' in root) {
      const message = '`below` and `host-bridges` are two ways to write one thing: give one';
      this.#problems.add('LAB_VALUE', this.#source.keyPosition(root, ['below']), message);
    }
    const items = Array.isArray(written) ? (written as readonly LabValue[]) : [written];
    const container = Array.isArray(written) ? written : root;
    if (items.length > HOST_BRIDGES_MAX) {
      const position = this.#source.valuePosition(root, ['host-bridges']);
      this.#problems.fail('LAB_TOO_LARGE', position, `more than ${HOST_BRIDGES_MAX} host bridges`);
    }
    return items.flatMap((item, index) => {
      if (!isBlock(item)) {
        const position = this.#source.valuePosition(
          container,
          Array.isArray(written) ? [index] : ['host-bridges'],
        );
        this.#problems.add(
          'LAB_VALUE',
          position,
          'a host bridge is a block of keys, `{}` for one with defaults',
        );
        return [];
      }
      return [{ value: item, origin: { container: item, path: [] } }];
    });
  }

  #check(hostBridges: readonly LabHostBridge[], numaNodes: number, names: Names): void {
    const report: NodeReport = (node, code, path, message) => {
      const origin = this.#origins.get(node);
      const position =
        origin === undefined ? TOP : this.#source.valuePosition(origin.container, [...origin.path, ...path]);
      this.#problems.add(code, position, message);
    };
    checkBuses(hostBridges, report);
    checkVmdDomains(hostBridges, report);
    checkNumaNodes(hostBridges, numaNodes, report);
    for (const bridge of hostBridges) {
      checkTrained(bridge.below, null, report);
      checkVirtualFunctions(bridge.below, names, report);
    }
  }

  #faults(root: LabBlock, list: readonly FaultRaw[], hostBridges: readonly LabHostBridge[]): LabFault[] {
    // What is wrong with a device that could not be read would be told twice.
    if (list.length === 0 || this.#problems.count > 0) {
      return [];
    }
    const devices = faultDevices({ hostBridges });
    const bridges = bridgeNames({ hostBridges });
    const written = root.faults;
    return list.flatMap((raw, index) => {
      const path = Array.isArray(written) ? ['faults', index] : ['faults'];
      return resolveFault(raw, devices, bridges, this.#reportOf({ container: root, path })) ?? [];
    });
  }

  #iopmem(
    root: LabBlock,
    list: readonly IopmemRaw[],
    hostBridges: readonly LabHostBridge[],
    names: Names,
  ): LabIopmem[] {
    const functions = new Map<string, LabNode>();
    for (const bridge of hostBridges) {
      for (const node of walkNodes(bridge.below)) {
        if ('bars' in node) {
          functions.set(node.name, node);
        }
      }
    }
    const written = root.iopmem;
    return list.flatMap((raw, index) => {
      const origin: Origin = {
        container: root,
        path: Array.isArray(written) ? ['iopmem', index] : ['iopmem'],
      };
      const report = this.#reportOf(origin);
      if (raw.name !== undefined) {
        names.claim(raw.name, (code, message) => report(code, [], message));
      }
      const name = raw.name ?? names.next('iopmem');
      const resolved = resolveIopmem(raw, name, functions, report);
      if (resolved === undefined) {
        return [];
      }
      this.#origins.set(resolved, origin);
      return [resolved];
    });
  }
}

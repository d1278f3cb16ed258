/** A udev database export to a machine. */
import { type Bdf, InputError, toBdf } from '../../base/index.ts';
import { assembleMachine, type FunctionDraft, type HostBridgeDraft } from '../assemble/index.ts';
import type { ClassName, Finding, Gap, Machine } from '../machine.ts';
import { checkTextSize, diskOfPath, FUNCTIONS_MAX, headerTypeOfClass, linesOf } from '../text/index.ts';

/**
 * The machine in the output of `udevadm info --export-db`.
 *
 * @param label  names the input in messages
 * @throws {InputError} INPUT_NOT_UDEV when no record stands for a PCI function, INPUT_TOO_LARGE
 */
export function readUdev(text: string, label: string): Machine {
  checkTextSize(text, label);
  const tree = new UdevTree();
  let record: UdevRecord | undefined;
  for (const line of linesOf(text)) {
    const match = /^\s*([A-Z]): ?(.*)$/.exec(line);
    if (match === null) {
      continue;
    }
    const value = match[2]!;
    if (match[1] === 'P') {
      tree.add(record);
      record = { path: value.trim(), properties: new Map() };
    } else if (match[1] === 'E' && record !== undefined && record.properties.size < PROPERTIES_MAX) {
      const equals = value.indexOf('=');
      if (equals > 0) {
        record.properties.set(value.slice(0, equals), value.slice(equals + 1).trim());
      }
    }
  }
  tree.add(record);
  if (tree.isTooLarge) {
    throw new InputError('INPUT_TOO_LARGE', {
      message: `${label} names more than ${FUNCTIONS_MAX} PCI functions`,
      hint: 'give the export of one machine only',
    });
  }
  const functions = tree.functions();
  if (functions.length === 0) {
    throw new InputError('INPUT_NOT_UDEV', {
      message: `${label} has no record of a PCI function`,
      hint: 'write it with `udevadm info --export-db`',
    });
  }
  return assembleMachine({
    source: { kind: 'udev', label, privileged: undefined },
    functions,
    hostBridges: tree.hostBridges(),
    gaps: tree.gaps(),
    findings: tree.findings,
  });
}

/** A record has some dozens of properties. */
const PROPERTIES_MAX = 1024;

interface UdevRecord {
  /** Below /sys: `/devices/pci0000:00/0000:00:01.0/...`. */
  readonly path: string;
  readonly properties: Map<string, string>;
}

/** Where a path passes through PCI: each function with the component before it. */
interface PathStep {
  readonly bdf: Bdf;
  /** The function above, or null on a root bus. */
  readonly parent: Bdf | null | undefined;
  readonly hostBridge: string | undefined;
}

/** Classes whose members name a device; the rest (ports, queues, partitions, sensors) only repeat it. */
const NAMING_CLASSES = new Set([
  'nvme',
  'nvme-generic',
  'block',
  'net',
  'infiniband',
  'infiniband_verbs',
  'drm',
  'accel',
  'switchtec',
  'dma',
  'scsi_host',
  'virtio',
]);
const HOST_BRIDGE = /^pci([0-9a-f]{4,8}):([0-9a-f]{2})$/;

class UdevTree {
  readonly findings: Finding[] = [];
  isTooLarge = false;
  readonly #steps = new Map<Bdf, PathStep>();
  readonly #records = new Map<Bdf, ReadonlyMap<string, string>>();
  readonly #names = new Map<Bdf, Map<string, ClassName>>();
  /** By host bridge: the endpoint that its path goes through, or null. */
  readonly #bridges = new Map<string, Bdf | null>();

  add(record: UdevRecord | undefined): void {
    if (record === undefined) {
      return;
    }
    const components = record.path.split('/');
    const last = this.#walk(components);
    if (last === undefined) {
      return;
    }
    if (components.at(-1) === last || record.properties.get('PCI_SLOT_NAME') === last) {
      this.#records.set(last, record.properties);
      return;
    }
    const name = className(record, components);
    if (name !== undefined) {
      const names = this.#names.get(last) ?? new Map<string, ClassName>();
      names.set(`${name.subsystem}/${name.name}`, name);
      this.#names.set(last, names);
    }
  }

  /** Notes the functions of a path; the last one is whom the record belongs to. */
  #walk(components: readonly string[]): Bdf | undefined {
    let above: Bdf | undefined;
    let hostBridge: string | undefined;
    let isOnRootBus = false;
    for (const component of components) {
      if (HOST_BRIDGE.test(component)) {
        hostBridge = component;
        isOnRootBus = true;
        if (!this.#bridges.has(component)) {
          this.#bridges.set(component, above ?? null);
        }
        continue;
      }
      const bdf = component.length >= 12 ? toBdf(component) : undefined;
      if (bdf === undefined) {
        continue;
      }
      if (!this.#steps.has(bdf)) {
        if (this.#steps.size >= FUNCTIONS_MAX) {
          this.isTooLarge = true;
          return undefined;
        }
        this.#steps.set(bdf, { bdf, parent: isOnRootBus ? null : above, hostBridge });
      }
      above = bdf;
      isOnRootBus = false;
    }
    return above;
  }

  functions(): FunctionDraft[] {
    return [...this.#steps.values()].map((step) => {
      const properties = this.#records.get(step.bdf);
      return {
        bdf: step.bdf,
        parent: step.parent,
        hostBridge: step.hostBridge,
        ...(properties === undefined ? {} : this.#facts(properties)),
        classNames: [...(this.#names.get(step.bdf)?.values() ?? [])],
      };
    });
  }

  #facts(properties: ReadonlyMap<string, string>): Omit<FunctionDraft, 'bdf'> {
    const classCode = hexNumber(properties.get('PCI_CLASS'), 6);
    const headerType = classCode === undefined ? undefined : headerTypeOfClass(classCode >>> 8);
    const ids = idPair(properties.get('PCI_ID'));
    const subsystem = idPair(properties.get('PCI_SUBSYS_ID'));
    const hasNoSubsystem = subsystem !== undefined && subsystem[0] === 0 && subsystem[1] === 0;
    return {
      vendorId: ids?.[0],
      deviceId: ids?.[1],
      subsystemVendorId: hasNoSubsystem ? null : subsystem?.[0],
      subsystemDeviceId: hasNoSubsystem ? null : subsystem?.[1],
      classCode,
      headerType,
      secondaryBus: headerType === 0 ? null : undefined,
      subordinateBus: headerType === 0 ? null : undefined,
      windows: headerType === 0 ? [] : undefined,
      vendorName: properties.get('ID_VENDOR_FROM_DATABASE'),
      deviceName: properties.get('ID_MODEL_FROM_DATABASE'),
      // The kernel sends DRIVER with every event of a device that has one (drivers/base/core.c, dev_uevent).
      driver: properties.get('DRIVER') ?? null,
    };
  }

  hostBridges(): HostBridgeDraft[] {
    return [...this.#bridges].map(([key, behind]) => ({ key, behind }));
  }

  /** An export has every function; where one is only part of a path, somebody has cut it. */
  gaps(): Gap[] {
    const missing = [...this.#steps.keys()].filter((bdf) => !this.#records.has(bdf));
    return missing.length === 0
      ? []
      : [
          {
            at: null,
            what: 'root-bus-devices',
            detail: `the export was cut: ${missing.slice(0, 4).join(', ')} is in a path but has no record; what stands for a host bridge may be missing too`,
          },
        ];
  }
}

function className(record: UdevRecord, components: readonly string[]): ClassName | undefined {
  const subsystem = record.properties.get('SUBSYSTEM');
  if (subsystem === undefined || !NAMING_CLASSES.has(subsystem)) {
    return undefined;
  }
  const type = record.properties.get('DEVTYPE');
  const name = record.properties.get('INTERFACE') ?? components.at(-1);
  const isPart =
    (subsystem === 'block' && type === 'partition') || (subsystem === 'drm' && name?.includes('-') === true);
  return isPart || name === undefined || name === ''
    ? undefined
    : { subsystem, name: diskOfPath(name) ?? name };
}

/** The kernel prints classes without leading zeros: `60400`. */
function hexNumber(text: string | undefined, digitsMax: number): number | undefined {
  return text !== undefined && text.length <= digitsMax && /^[0-9a-f]+$/i.test(text)
    ? Number.parseInt(text, 16)
    : undefined;
}

/** `8086:352D`. */
function idPair(text: string | undefined): readonly [number, number] | undefined {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(text ?? '');
  return match === null ? undefined : [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
}

/**
 * The kernel's verdict once more, written straight from the pseudo-code and tables of p2pdma.md (sections 2.1 to 2.6) for
 * machines of which everything is known. Slow and plain on purpose, by names and version numbers instead of positions and
 * intervals, so that it shares nothing with src/p2pdma but the shapes.
 */
import type { Bdf } from '../../../src/base/index.ts';
import type { MapType } from '../../../src/p2pdma/index.ts';
import type { Machine, MachineFunction } from '../../../src/topology/index.ts';

export interface ReferenceAnswer {
  readonly distance: number;
  readonly mapType: MapType;
}

const REJECTED: ReferenceAnswer = { distance: -1, mapType: 'not-supported' };

/** Kernels of the vectors file and whether the first device of the root bus stands for the host bridge. */
export const REFERENCE_KERNELS = [
  '4.20',
  '5.2.1',
  '5.3.1',
  '5.4.0',
  '5.6.4',
  '5.7.14',
  '5.8.1',
  '5.9.1',
  '5.10.198',
  '5.12.9',
  '5.14.0-rc5',
  '5.19.0',
  '6.6.129',
  '6.12.0',
  '7.0.0',
  '7.1.2',
  '7.1.5',
  '7.2.12',
  '7.3.4',
] as const;

type Version = readonly [number, number, number];

function versionOf(kernel: string): Version {
  const [major, minor, patch] = kernel.split(/[.-]/).map(Number);
  return [major!, minor!, patch ?? 0];
}

function isAtLeast(version: Version, major: number, minor: number, patch = 0): boolean {
  return (
    version[0] > major ||
    (version[0] === major && (version[1] > minor || (version[1] === minor && version[2] >= patch)))
  );
}

export function referenceVerdict(
  machine: Machine,
  kernel: string,
  provider: Bdf,
  client: Bdf,
): ReferenceAnswer {
  const version = versionOf(kernel);
  const get = (bdf: Bdf): MachineFunction => machine.functions.find((fn) => fn.bdf === bdf)!;
  const a = chain(provider, get);
  const b = chain(client, get);
  const i = a.findIndex((bdf) => b.includes(bdf));
  if (i >= 0) {
    const j = b.indexOf(a[i]!);
    const walked = [...a.slice(0, i + 1), ...b.slice(0, j)];
    if (!walked.some((bdf) => hasRedirect(get(bdf), version))) {
      return { distance: i + j, mapType: 'bus-addr' };
    }
    if (!isAtLeast(version, 5, 4)) {
      return REJECTED;
    }
    return isBridgeAccepted(machine, version, get(provider), get(client))
      ? { distance: i + j, mapType: 'thru-host-bridge' }
      : REJECTED;
  }
  const distance = a.length + b.length;
  if (!isAtLeast(version, 5, 2)) {
    return REJECTED;
  }
  if (!isAtLeast(version, 5, 4)) {
    const isZen = [get(provider), get(client)].every((fn) => {
      const slot = rootBus(machine, fn.hostBridge).find((root) => root.bdf.endsWith(':00.0'));
      return slot !== undefined && slot.vendorId === 0x1022 && slot.deviceId === 0x1450;
    });
    return isZen && machine.iommu.mode === 'off'
      ? { distance: 0x1000 + distance, mapType: 'thru-host-bridge' }
      : REJECTED;
  }
  return isBridgeAccepted(machine, version, get(provider), get(client))
    ? { distance, mapType: 'thru-host-bridge' }
    : REJECTED;
}

function chain(start: Bdf, get: (bdf: Bdf) => MachineFunction): Bdf[] {
  const list = [start];
  for (;;) {
    const at = get(list[list.length - 1]!);
    const up = get(at.physicalFunction ?? at.bdf).parent;
    if (up == null) {
      return list;
    }
    list.push(up);
  }
}

function hasRedirect(fn: MachineFunction, version: Version): boolean {
  if (fn.acs == null || (fn.isGone && !isAtLeast(version, 5, 9))) {
    return false;
  }
  const control = fn.isGone ? 0xffff : fn.acs.control;
  return (control & 0x04) !== 0 || (control & 0x08) !== 0 || (control & 0x20) !== 0;
}

function rootBus(machine: Machine, hostBridge: string): MachineFunction[] {
  return machine.functions.filter(
    (fn) => fn.hostBridge === hostBridge && fn.parent === null && fn.physicalFunction === null,
  );
}

function isBridgeAccepted(
  machine: Machine,
  version: Version,
  provider: MachineFunction,
  client: MachineFunction,
): boolean {
  const { vendor, family } = machine.cpu;
  if (isAtLeast(version, 5, 9) && vendor === 'amd' && family! >= 0x17) {
    return true;
  }
  const isSame = provider.hostBridge === client.hostBridge;
  const bridges = isSame ? [provider.hostBridge] : [provider.hostBridge, client.hostBridge];
  return bridges.every((key) => {
    const entry = listed(representative(machine, version, key), version);
    return entry === 'free' || (entry === 'same' && isSame);
  });
}

function representative(machine: Machine, version: Version, key: string): MachineFunction | undefined {
  const root = rootBus(machine, key);
  const isFirstRule = isAtLeast(version, 5, 14) || (version[1] === 10 && version[2] >= 198);
  if (!isFirstRule) {
    return root.find((fn) => fn.bdf.endsWith(':00.0'));
  }
  const first = root[0];
  if (first?.bdf.endsWith(':00.0') || (isAtLeast(version, 5, 19) && first?.pcieType === 'root-port')) {
    return first;
  }
  return undefined;
}

function listed(fn: MachineFunction | undefined, version: Version): 'free' | 'same' | undefined {
  if (fn === undefined) {
    return undefined;
  }
  const id = `${fn.vendorId!.toString(16)}:${fn.deviceId!.toString(16).padStart(4, '0')}`;
  const since = (major: number, minor: number, patch = 0, ids: string): boolean =>
    isAtLeast(version, major, minor, patch) && ids.split(' ').includes(id);
  if (since(5, 4, 0, '8086:3c00 8086:3c01 8086:2f00 8086:2f01')) {
    return 'same';
  }
  const isFree =
    (!isAtLeast(version, 5, 9) && since(5, 4, 0, '1022:1450')) ||
    since(5, 6, 0, '8086:2030 8086:2020') ||
    since(5, 7, 0, '8086:2031 8086:2032 8086:2033') ||
    (!isAtLeast(version, 5, 9) && since(5, 8, 0, '1022:15d0 1022:1630')) ||
    since(5, 19, 0, '8086:09a2') ||
    (isAtLeast(version, 7, 1) && id.startsWith('1ae0:')) ||
    since(7, 1, 3, '8086:0b25 8086:0cfe 8086:11fb 8086:1212 8086:1216') ||
    since(7, 1, 3, '8086:4940 8086:4942 8086:4944 8086:4946 8086:4948') ||
    since(7, 3, 0, '10de:2f95 10de:2f96 10de:2f97 10de:2f98');
  return isFree ? 'free' : undefined;
}

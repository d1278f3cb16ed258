/**
 * Where a function stands, read off its path: `sys/devices/pci0000:00/0000:00:01.0/0000:01:00.0` is the kernel's own tree.
 * A host bridge below an endpoint (`.../0000:00:0e.0/pci10000:e0/...`) is that of a VMD.
 */
import { type Bdf, toBdf } from '../../base/index.ts';

/** A function and its folder. */
export interface PlacedFunction {
  readonly bdf: Bdf;
  readonly path: string;
}

export interface Place {
  /** `pci0000:00`; undefined when the path does not say (flattened snapshots). */
  readonly hostBridge: string | undefined;
  /** The endpoint that the host bridge lies behind. */
  readonly behind: PlacedFunction | null;
  /** Functions above, from the root bus down, each with its path. */
  readonly ancestors: readonly PlacedFunction[];
}

const HOST_BRIDGE = /^pci[0-9a-f]{4,8}:[0-9a-f]{2}$/;

/** The name of a host bridge's folder: `pci0000:00`. */
export function isHostBridgeName(name: string): boolean {
  return HOST_BRIDGE.test(name);
}

/** The address that a folder of sysfs is named by; there the domain is always written. */
export function functionName(name: string): Bdf | undefined {
  return name.length >= '0000:00:00.0'.length ? toBdf(name) : undefined;
}

/** @param path  of a function's folder, links resolved */
export function placeOf(path: string): Place {
  const parts = path.split('/');
  const host = parts.findLastIndex((part) => HOST_BRIDGE.test(part));
  if (host === -1) {
    return { hostBridge: undefined, behind: null, ancestors: [] };
  }
  const functionAt = (i: number): PlacedFunction[] => {
    const bdf = functionName(parts[i] ?? '');
    return bdf === undefined ? [] : [{ bdf, path: parts.slice(0, i + 1).join('/') }];
  };
  const ancestors: PlacedFunction[] = [];
  for (let i = host + 1; i < parts.length - 1; i++) {
    ancestors.push(...functionAt(i));
  }
  return { hostBridge: parts[host]!, behind: functionAt(host - 1)[0] ?? null, ancestors };
}

/** The function that a path of a device below it leads through: the last PCI address in it. */
export function functionInPath(path: string): Bdf | undefined {
  const parts = path.split('/');
  for (let i = parts.length - 1; i >= 0; i--) {
    const bdf = functionName(parts[i]!);
    if (bdf !== undefined) {
      return bdf;
    }
  }
  return undefined;
}

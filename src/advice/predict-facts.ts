/** What a prediction knows of platform, DMA engines and media beside what registers say: presets, where nobody says better. */
import {
  type DeviceTiming,
  deviceNamed,
  generationOf,
  gpuOfGeneration,
  isKnownLinkSpeed,
  mediaOfGeneration,
  type PlatformTiming,
  platformFor,
} from '../rates/index.ts';
import type { Machine, MachineFunction } from '../topology/index.ts';
import { isAccelerator } from './registers.ts';

/** GB/s of a drive's media. Infinity: no limit. */
export interface MediaRates {
  /** Which media: `gen4`, `its own`. */
  readonly name: string;
  readonly readGBs: number;
  readonly writeGBs: number;
}

/** What a root complex does with requests from one of its ports to another, of whom it is known and not inferred. */
export interface PeerPolicy {
  readonly writes: boolean;
  readonly reads: boolean;
  /** Who says so, as a sentence part: `the lab file has \`peers: writes-only\``. */
  readonly because: string;
}

export interface PredictFacts {
  readonly platform: PlatformTiming;
  /** Where the platform comes from, in one sentence part. */
  readonly platformNote: string;
  /** DMA engine of a function. */
  readonly device: (fn: MachineFunction) => DeviceTiming;
  /** Media behind a function; null for what is no drive. */
  readonly media: (fn: MachineFunction) => MediaRates | null;
  /** Requests between root ports of two functions; missing or null: what is known of the processor's family decides. */
  readonly peers?: (provider: MachineFunction, client: MachineFunction) => PeerPolicy | null;
  /** Whether a function sets the Relaxed Ordering attribute of its reads where it may; missing or null: not known. */
  readonly isRelaxed?: (fn: MachineFunction) => boolean | null;
  /** What these figures leave out of a port or a device, as sentence parts; missing: nothing is known to be. */
  readonly leftOut?: (fn: MachineFunction) => readonly string[];
  /** NUMA nodes of a socket, where more are known than have devices; missing: as many as devices show. */
  readonly nodesPerSocket?: number;
}

/** Base classes (PCI Code and ID Assignment 1.17, 1.1). */
const CLASS_NETWORK = 0x02;
const CLASS_NVME = 0x0108;

/** What is usual for a processor, and for a device of that class behind that link. */
export function usualFacts(machine: Machine): PredictFacts {
  const { platform, note } = platformFor(machine.cpu ?? {});
  return { platform, platformNote: note, device: usualDevice, media: usualMedia };
}

export function usualDevice(fn: MachineFunction): DeviceTiming {
  const { classCode } = fn;
  if (isAccelerator(fn)) {
    return gpuOfGeneration(generationAt(fn) ?? 4);
  }
  if (classCode !== undefined && classCode >> 8 === CLASS_NVME) {
    return deviceNamed('ssd');
  }
  return deviceNamed(classCode !== undefined && classCode >> 16 === CLASS_NETWORK ? 'nic' : 'generic');
}

export function usualMedia(fn: MachineFunction): MediaRates | null {
  return fn.classCode !== undefined && fn.classCode >> 8 === CLASS_NVME
    ? mediaOfGeneration(generationAt(fn) ?? 3)
    : null;
}

/** By what the device itself can do: its link may be slower than its media. */
function generationAt({ link }: MachineFunction): number | undefined {
  const speedGTs = (link?.max ?? link?.current)?.speedGTs;
  return speedGTs === undefined || !isKnownLinkSpeed(speedGTs) ? undefined : generationOf(speedGTs);
}

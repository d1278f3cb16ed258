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

export interface PredictFacts {
  readonly platform: PlatformTiming;
  /** Where the platform comes from, in one sentence part. */
  readonly platformNote: string;
  /** DMA engine of a function. */
  readonly device: (fn: MachineFunction) => DeviceTiming;
  /** Media behind a function; null for what is no drive. */
  readonly media: (fn: MachineFunction) => MediaRates | null;
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

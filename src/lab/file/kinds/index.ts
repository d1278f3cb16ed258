/** All kinds of device, in the order of the documentation. A new kind is a file here and a line in this list. */
import type { EndpointKind } from '../kind.ts';
import { acceleratorKind } from './accelerator.ts';
import { dmaEngineKind } from './dma-engine.ts';
import { memoryKind } from './memory.ts';
import { nvmeKind } from './nvme.ts';
import { genericKind, gpuKind, nicKind } from './plain-device.ts';
import { rnicKind } from './rnic.ts';

export const ENDPOINT_KINDS: readonly EndpointKind[] = [
  nvmeKind,
  acceleratorKind,
  memoryKind,
  dmaEngineKind,
  rnicKind,
  nicKind,
  gpuKind,
  genericKind,
];

/** What predictions know of a machine beside its registers: of a lab what its file says, of others what is usual. */
import { type PredictFacts, usualDevice, usualFacts, usualMedia } from '../advice/index.ts';
import type { Bdf } from '../base/index.ts';
import type { Machine } from '../topology/index.ts';
import type { RunningLab } from './lab/boot.ts';

/** @param running null: no lab */
export async function factsFor(machine: Machine, running: RunningLab | null): Promise<PredictFacts> {
  if (running === null) {
    return usualFacts(machine);
  }
  const { endpointTiming, isLabEndpoint, labFacts, labPlatform, mediaRates } = await import(
    './lab/predict-lab.ts'
  );
  const { platform, note } = labPlatform(running.lab);
  const nodes = new Map(running.machine.members.map(({ bdf, node }) => [bdf as Bdf, node]));
  return {
    platform,
    platformNote: note,
    ...labFacts(running),
    device: (fn) => {
      const node = nodes.get(fn.bdf);
      return node !== undefined && isLabEndpoint(node) ? endpointTiming(node) : usualDevice(fn);
    },
    media: (fn) => {
      const node = nodes.get(fn.bdf);
      return node === undefined ? usualMedia(fn) : mediaRates(node);
    },
  };
}

/** Where a stream stands in its lab file, for what is found wrong with it when it is set up. Not part of a stream: copies have none. */
import type { LabStream } from './lab-workload.ts';
import type { LabPosition } from './problems.ts';

const positions = new WeakMap<LabStream, LabPosition>();

export function keepStreamPosition(stream: LabStream, position: LabPosition): void {
  positions.set(stream, position);
}

/** Undefined for a stream that no file has. */
export function streamPosition(stream: LabStream): LabPosition | undefined {
  return positions.get(stream);
}

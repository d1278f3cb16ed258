/**
 * What the blocks of a namespace lie on: memory, or something that the edge opened.
 *
 * Leaves out metadata, which is always in memory.
 */
import type { Memory } from '../../../fabric/index.ts';

/**
 * Blocks outside of the simulation, such as a disk image: synchronous, given by the edge. A method that cannot do its work
 * returns false, which the host sees as a media error; it does not throw.
 */
export interface BackingFile {
  readonly sizeBytes: number;
  read(offset: number, into: Uint8Array, intoOffset: number, lengthBytes: number): boolean;
  write(offset: number, from: Uint8Array, fromOffset: number, lengthBytes: number): boolean;
  /** Makes what was written durable. */
  flush(): boolean;
}

export type Backing = Memory | BackingFile;

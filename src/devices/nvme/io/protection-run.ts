/**
 * Protection information over the blocks of a command: checking what is stored, checking or making what is written.
 *
 * Works block by block through one scratch buffer; not a hot path. Follows NVM Command Set 1.1, sections 5.3.2 and 5.3.3.
 */
import type { Memory } from '../../../fabric/index.ts';
import { LBAT_CDW15, PRINFO } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { Namespace, Tags } from '../media/index.ts';
import { failMedia } from './checks.ts';
import type { IoContext } from './io-context.ts';
import type { IoState } from './io-state.ts';

const BLOCK_BYTES_MAX = 65_536;
const METADATA_BYTES_MAX = 4096;
const block = new Uint8Array(BLOCK_BYTES_MAX);
const metadata = new Uint8Array(METADATA_BYTES_MAX);

/** What blocks are checked against. `tags` counts up as they are. */
export interface Expectation {
  readonly prinfo: number;
  readonly isStorageTagChecked: boolean;
  readonly applicationTag: number;
  readonly applicationMask: number;
  readonly tags: Tags;
}

/** From PRINFO, CDW14 and CDW15 of a command. */
export function expectationOf(state: IoState): Expectation {
  const cdw15 = state.command.dword(15);
  return {
    prinfo: state.prinfo,
    isStorageTagChecked: state.isStorageTagChecked,
    applicationTag: LBAT_CDW15.LBAT.of(cdw15),
    applicationMask: LBAT_CDW15.LBATM.of(cdw15),
    tags: state.tags!,
  };
}

export function hasChecks(prinfo: number, isStorageTagChecked: boolean): boolean {
  return (prinfo & PRINFO.PRCHK) !== 0 || isStorageTagChecked;
}

/** Checks blocks on the media. @returns false: the command has failed */
export function checkStored(
  context: IoContext,
  command: Command,
  namespace: Namespace,
  slba: number,
  blocks: number,
  expectation: Expectation,
): boolean {
  for (let lba = slba; lba < slba + blocks; lba++) {
    const status = namespace.loadBytes(lba, 1, block, 0);
    if (status !== 0) {
      return failMedia(context, command, status, lba);
    }
    namespace.metadata.read(lba * namespace.metadataBytes, metadata, 0, namespace.metadataBytes);
    if (!checkBlock(command, namespace, lba, expectation)) {
      return false;
    }
  }
  return true;
}

/** Where the blocks of a write stand before they are stored. `metadataStride` 0: there is no metadata yet. */
export interface Incoming {
  readonly data: Memory;
  readonly dataOffset: number;
  readonly dataStride: number;
  readonly metadata: Memory;
  readonly metadataOffset: number;
  readonly metadataStride: number;
}

/** Checks blocks that came from the host. @returns false: the command has failed */
export function checkIncoming(
  command: Command,
  namespace: Namespace,
  slba: number,
  blocks: number,
  incoming: Incoming,
  expectation: Expectation,
): boolean {
  for (let i = 0; i < blocks; i++) {
    incoming.data.read(incoming.dataOffset + i * incoming.dataStride, block, 0, namespace.blockBytes);
    const at = incoming.metadataOffset + i * incoming.metadataStride;
    incoming.metadata.read(at, metadata, 0, namespace.metadataBytes);
    if (!checkBlock(command, namespace, slba + i, expectation)) {
      return false;
    }
  }
  return true;
}

/** Stores the metadata of blocks that came from the host, with protection information made here. */
export function storeGenerated(
  namespace: Namespace,
  slba: number,
  blocks: number,
  incoming: Incoming,
  expectation: Expectation,
): void {
  const protection = namespace.protection!;
  const { metadataBytes } = namespace;
  for (let i = 0; i < blocks; i++) {
    incoming.data.read(incoming.dataOffset + i * incoming.dataStride, block, 0, namespace.blockBytes);
    if (incoming.metadataStride > 0) {
      const at = incoming.metadataOffset + i * incoming.metadataStride;
      incoming.metadata.read(at, metadata, 0, metadataBytes);
    } else {
      metadata.fill(0, 0, metadataBytes);
    }
    protection.generate(block, 0, metadata, 0, expectation.applicationTag, expectation.tags);
    expectation.tags.next();
    namespace.metadata.write((slba + i) * metadataBytes, metadata, 0, metadataBytes);
  }
}

/** Makes the protection information of zeroes. */
export function storeGeneratedZeroes(
  namespace: Namespace,
  slba: number,
  blocks: number,
  expectation: Expectation,
): void {
  const protection = namespace.protection!;
  const { metadataBytes } = namespace;
  block.fill(0, 0, namespace.blockBytes);
  for (let i = 0; i < blocks; i++) {
    metadata.fill(0, 0, metadataBytes);
    protection.generate(block, 0, metadata, 0, expectation.applicationTag, expectation.tags);
    expectation.tags.next();
    namespace.metadata.write((slba + i) * metadataBytes, metadata, 0, metadataBytes);
  }
}

/** Checks what stands in the scratch buffers. */
function checkBlock(command: Command, namespace: Namespace, lba: number, expectation: Expectation): boolean {
  const status = namespace.protection!.check(
    block,
    0,
    metadata,
    0,
    expectation.prinfo,
    expectation.isStorageTagChecked,
    expectation.applicationTag,
    expectation.applicationMask,
    expectation.tags,
  );
  expectation.tags.next();
  if (status !== 0) {
    command.fail(status);
    command.errorLba = lba;
    return false;
  }
  return true;
}

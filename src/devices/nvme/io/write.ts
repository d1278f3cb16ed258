/**
 * Write, Write Zeroes and Write Uncorrectable.
 *
 * Write takes data straight from the bus to the media wherever nothing has to be looked at first; then a write that fails
 * on the bus leaves its blocks undefined, as the specification allows. With protection information, interleaved metadata or a
 * file behind the blocks, data are staged and a write that fails has changed nothing.
 *
 * Zeroes without PRACT get protection information that switches checking off, as deallocated blocks have.
 *
 * Follows NVM Command Set 1.1, sections 3.3.6 to 3.3.8, and 5.3.2 for protection information.
 */
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import { PRINFO, WRITE_ZEROES_CDW12 } from '../../../spec/nvme/index.ts';
import type { Namespace } from '../media/index.ts';
import {
  checkBounds,
  checkLength,
  checkPrinfo,
  checkWritable,
  checkWriteFault,
  failMedia,
  takeRange,
} from './checks.ts';
import { type IoContext, isDurableWrite } from './io-context.ts';
import { type IoState, STEP } from './io-state.ts';
import {
  checkIncoming,
  expectationOf,
  hasChecks,
  type Incoming,
  storeGenerated,
  storeGeneratedZeroes,
} from './protection-run.ts';
import { FUA } from './read.ts';

export function runWrite(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = takeRange(context, state);
    if (
      namespace === null ||
      !checkLength(context, state) ||
      !checkBounds(state) ||
      !checkWritable(command, namespace)
    ) {
      return DONE;
    }
    if (state.prinfo !== 0 && !checkPrinfo(command, namespace, state.prinfo, state.tags!, state.slba)) {
      return DONE;
    }
    state.isWrite = true;
    state.step = STEP.ENTER;
  }
  if (state.step === STEP.ENTER) {
    if (!state.gate!.enter(state)) {
      return PENDING;
    }
    if (!checkWriteFault(context, command, state.namespace!, state.slba, state.blocks)) {
      return DONE;
    }
    state.step = STEP.ROOM;
    if (context.clock !== null && context.clock.waitRoom(state) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.ROOM) {
    state.step = STEP.MEDIA;
    if (context.clock !== null && context.clock.waitPath(state) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.MEDIA) {
    state.step = STEP.DATA;
    if (takeData(context, state) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.DATA) {
    if (command.status !== 0) {
      return finishWrite(context, state);
    }
    state.step = STEP.METADATA;
    if (state.metadataBytes > 0 && takeMetadata(context, state) === PENDING) {
      return PENDING;
    }
  }
  return finishWrite(context, state);
}

function takeData(context: IoContext, state: IoState): Status {
  const { command, slba, blocks, dataBytes } = state;
  const namespace = state.namespace!;
  if (namespace.isPlain) {
    namespace.beginWrite(slba, blocks);
    return context.data.fromHost(command, namespace.data!, slba * namespace.blockBytes, dataBytes);
  }
  state.staging = context.staging.take(dataBytes);
  return context.data.fromHost(command, state.staging, 0, dataBytes);
}

function takeMetadata(context: IoContext, state: IoState): Status {
  const { command, metadataBytes } = state;
  const namespace = state.namespace!;
  if (namespace.isPlain) {
    const offset = state.slba * namespace.metadataBytes;
    return context.data.metadataFromHost(command, namespace.metadata, offset, metadataBytes);
  }
  state.metadataStaging = context.staging.take(metadataBytes);
  return context.data.metadataFromHost(command, state.metadataStaging, 0, metadataBytes);
}

function finishWrite(context: IoContext, state: IoState): Status {
  const { command, slba, blocks } = state;
  const namespace = state.namespace!;
  if (namespace.isPlain) {
    if (command.status !== 0) {
      namespace.abandonWrite(slba, blocks);
      return DONE;
    }
  } else if (command.status !== 0 || !storeStaged(context, state, namespace)) {
    return DONE;
  }
  endWrite(context, state, namespace);
  const { counters } = context.services;
  counters.writeCommands++;
  counters.writtenBytes += blocks * namespace.blockBytes;
  return DONE;
}

/** Checks what was staged, all of it, and then stores it. */
function storeStaged(context: IoContext, state: IoState, namespace: Namespace): boolean {
  const { command, slba, blocks, hostBlockBytes } = state;
  const { blockBytes, metadataBytes, protection } = namespace;
  const data = state.staging!;
  const isInterleaved = hostBlockBytes > blockBytes;
  const incoming: Incoming = {
    data,
    dataOffset: 0,
    dataStride: hostBlockBytes,
    metadata: isInterleaved ? data : (state.metadataStaging ?? data),
    metadataOffset: isInterleaved ? blockBytes : 0,
    metadataStride: isInterleaved ? hostBlockBytes : state.metadataBytes > 0 ? metadataBytes : 0,
  };
  const isGenerated = protection !== null && (state.prinfo & PRINFO.PRACT) !== 0;
  if (protection !== null && !isGenerated && hasChecks(state.prinfo, state.isStorageTagChecked)) {
    if (!checkIncoming(command, namespace, slba, blocks, incoming, expectationOf(state))) {
      return false;
    }
  }
  namespace.beginWrite(slba, blocks);
  const status = isInterleaved
    ? storeEach(namespace, slba, blocks, data, hostBlockBytes)
    : namespace.store(slba, blocks, data, 0);
  if (status !== 0) {
    namespace.abandonWrite(slba, blocks);
    return failMedia(context, command, status, slba);
  }
  if (isGenerated) {
    storeGenerated(namespace, slba, blocks, incoming, expectationOf(state));
  } else if (isInterleaved) {
    for (let i = 0; i < blocks; i++) {
      const at = i * hostBlockBytes + blockBytes;
      data.copyTo(at, namespace.metadata, (slba + i) * metadataBytes, metadataBytes);
    }
  } else if (state.metadataBytes > 0) {
    incoming.metadata.copyTo(0, namespace.metadata, slba * metadataBytes, state.metadataBytes);
  }
  return true;
}

function storeEach(
  namespace: Namespace,
  slba: number,
  blocks: number,
  data: Incoming['data'],
  stride: number,
): number {
  for (let i = 0; i < blocks; i++) {
    const status = namespace.store(slba + i, 1, data, i * stride);
    if (status !== 0) {
      return status;
    }
  }
  return 0;
}

/** Notes what was written; a durable write reaches the file behind the blocks. */
function endWrite(context: IoContext, state: IoState, namespace: Namespace): void {
  const isDurable = isDurableWrite(context, (state.command.dword(12) & FUA) !== 0);
  namespace.endWrite(state.slba, state.blocks, isDurable);
  if (isDurable) {
    const status = namespace.commit();
    if (status !== 0) {
      failMedia(context, state.command, status, state.slba);
    }
  }
}

export function runWriteZeroes(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = takeRange(context, state);
    if (namespace === null || !checkBounds(state) || !checkWritable(command, namespace)) {
      return DONE;
    }
    if (state.prinfo !== 0 && !checkPrinfo(command, namespace, state.prinfo, state.tags!, state.slba)) {
      return DONE;
    }
    state.isWrite = true;
    state.step = STEP.ENTER;
  }
  if (!state.gate!.enter(state)) {
    return PENDING;
  }
  const { slba, blocks } = state;
  const namespace = state.namespace!;
  if (!checkWriteFault(context, command, namespace, slba, blocks)) {
    return DONE;
  }
  const isGenerated = (state.prinfo & PRINFO.PRACT) !== 0;
  const isDeallocated = WRITE_ZEROES_CDW12.DEAC.of(command.dword(12)) === 1 && namespace.isThin;
  // Blocks that are given back have no tags to hold, so asking for tags keeps them.
  if (isDeallocated && !isGenerated) {
    const status = namespace.deallocate(slba, blocks);
    if (status !== 0) {
      failMedia(context, command, status, slba);
    }
    return DONE;
  }
  namespace.beginWrite(slba, blocks);
  const status = namespace.storeZeroes(slba, blocks);
  if (status !== 0) {
    namespace.abandonWrite(slba, blocks);
    failMedia(context, command, status, slba);
    return DONE;
  }
  if (isGenerated) {
    storeGeneratedZeroes(namespace, slba, blocks, expectationOf(state));
  }
  endWrite(context, state, namespace);
  return DONE;
}

export function runWriteUncorrectable(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = takeRange(context, state);
    if (namespace === null || !checkBounds(state) || !checkWritable(command, namespace)) {
      return DONE;
    }
    state.isWrite = true;
    state.step = STEP.ENTER;
  }
  if (!state.gate!.enter(state)) {
    return PENDING;
  }
  state.namespace!.markBad(state.slba, state.blocks);
  return DONE;
}

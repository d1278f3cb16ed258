/**
 * Read, Compare and Verify: what looks at blocks and changes none.
 *
 * Read moves data straight from the media to the bus wherever the host sees blocks as the media keep them. Follows NVM
 * Command Set 1.1, sections 3.3.1, 3.3.4 and 3.3.5, and 5.3.2 for protection information.
 */
import { DONE, Memory, PENDING, type Status } from '../../../fabric/index.ts';
import { NVME_STATUS, PRINFO } from '../../../spec/nvme/index.ts';
import type { Namespace } from '../media/index.ts';
import { checkBounds, checkLength, checkPrinfo, checkReadable, failMedia, takeRange } from './checks.ts';
import type { IoContext } from './io-context.ts';
import { type IoState, STEP } from './io-state.ts';
import { checkStored, expectationOf, hasChecks } from './protection-run.ts';

/** CDW12.FUA. */
export const FUA = 0x4000_0000;

export function runRead(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = takeRange(context, state);
    if (namespace === null || !checkLength(context, state) || !checkBounds(state)) {
      return DONE;
    }
    if (state.prinfo !== 0 && !checkPrinfo(command, namespace, state.prinfo, state.tags!, state.slba)) {
      return DONE;
    }
    state.step = STEP.ENTER;
  }
  if (state.step === STEP.ENTER) {
    if (!state.gate!.enter(state)) {
      return PENDING;
    }
    if (!prepareRead(context, state)) {
      return DONE;
    }
    state.step = STEP.DATA;
    if (sendData(context, state) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.DATA) {
    if (command.status !== 0) {
      return DONE;
    }
    state.step = STEP.METADATA;
    if (state.metadataBytes > 0 && sendMetadata(context, state) === PENDING) {
      return PENDING;
    }
  }
  if (command.status === 0) {
    const { counters } = context.services;
    counters.readCommands++;
    counters.readBytes += state.blocks * state.namespace!.blockBytes;
  }
  return DONE;
}

/** Looks at media and protection before a byte moves. */
function prepareRead(context: IoContext, state: IoState): boolean {
  const { command, slba, blocks } = state;
  const namespace = state.namespace!;
  if (!checkReadable(context, command, namespace, slba, blocks)) {
    return false;
  }
  if ((command.dword(12) & FUA) !== 0) {
    namespace.makeDurable(slba, blocks);
  }
  if (namespace.protection !== null && hasChecks(state.prinfo, state.isStorageTagChecked)) {
    return checkStored(context, command, namespace, slba, blocks, expectationOf(state));
  }
  return true;
}

function sendData(context: IoContext, state: IoState): Status {
  const { command, slba, blocks, dataBytes } = state;
  const namespace = state.namespace!;
  const allowedBytes = context.clock === null ? Number.POSITIVE_INFINITY : context.clock.startRead(state);
  if (namespace.data !== null && state.hostBlockBytes === namespace.blockBytes) {
    const offset = slba * namespace.blockBytes;
    return context.data.toHost(command, namespace.data, offset, dataBytes, allowedBytes);
  }
  const staging = context.staging.take(dataBytes);
  state.staging = staging;
  if (state.hostBlockBytes === namespace.blockBytes) {
    const status = namespace.load(slba, blocks, staging, 0);
    if (status !== 0) {
      failMedia(context, command, status, slba);
      return DONE;
    }
  } else if (!interleave(context, state, namespace, staging)) {
    return DONE;
  }
  return context.data.toHost(command, staging, 0, dataBytes, allowedBytes);
}

/** Puts the metadata of each block behind its data. */
function interleave(context: IoContext, state: IoState, namespace: Namespace, staging: Memory): boolean {
  const { blockBytes, metadataBytes } = namespace;
  for (let i = 0; i < state.blocks; i++) {
    const lba = state.slba + i;
    const at = i * state.hostBlockBytes;
    const status = namespace.load(lba, 1, staging, at);
    if (status !== 0) {
      return failMedia(context, state.command, status, lba);
    }
    namespace.metadata.copyTo(lba * metadataBytes, staging, at + blockBytes, metadataBytes);
  }
  return true;
}

function sendMetadata(context: IoContext, state: IoState): Status {
  const namespace = state.namespace!;
  const offset = state.slba * namespace.metadataBytes;
  return context.data.metadataToHost(state.command, namespace.metadata, offset, state.metadataBytes);
}

/** Whether Verify or Compare may begin: neither inserts nor strips, so PRACT is refused. False: the command has failed. */
function admitLook(context: IoContext, state: IoState): boolean {
  const { command } = state;
  const namespace = takeRange(context, state);
  if (namespace === null || !checkLength(context, state) || !checkBounds(state)) {
    return false;
  }
  if ((state.prinfo & PRINFO.PRACT) !== 0) {
    command.fail(NVME_STATUS.INVALID_PROTECTION_INFORMATION);
    return false;
  }
  return state.prinfo === 0 || checkPrinfo(command, namespace, state.prinfo, state.tags!, state.slba);
}

export function runVerify(context: IoContext, state: IoState): Status {
  if (state.step === STEP.BEGIN) {
    // VSL is MDTS.
    if (!admitLook(context, state)) {
      return DONE;
    }
    state.step = STEP.ENTER;
  }
  if (state.step === STEP.ENTER) {
    if (!state.gate!.enter(state)) {
      return PENDING;
    }
    state.step = STEP.MEDIA;
    if (context.clock !== null && context.clock.waitRead(state) === PENDING) {
      return PENDING;
    }
  }
  if (prepareRead(context, state)) {
    context.services.counters.readBytes += state.blocks * state.namespace!.blockBytes;
  }
  return DONE;
}

export function runCompare(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    if (!admitLook(context, state)) {
      return DONE;
    }
    state.step = STEP.ENTER;
  }
  if (state.step === STEP.ENTER) {
    if (!state.gate!.enter(state)) {
      return PENDING;
    }
    if (!prepareRead(context, state)) {
      return DONE;
    }
    state.step = STEP.MEDIA;
    if (context.clock !== null && context.clock.waitRead(state) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.MEDIA) {
    state.staging = context.staging.take(state.dataBytes);
    state.step = STEP.DATA;
    if (context.data.fromHost(command, state.staging, 0, state.dataBytes) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.DATA) {
    if (command.status !== 0) {
      return DONE;
    }
    state.step = STEP.METADATA;
    if (state.metadataBytes > 0) {
      state.metadataStaging = context.staging.take(state.metadataBytes);
      const target = state.metadataStaging;
      if (context.data.metadataFromHost(command, target, 0, state.metadataBytes) === PENDING) {
        return PENDING;
      }
    }
  }
  if (command.status === 0 && compareBlocks(context, state)) {
    const { counters } = context.services;
    counters.readCommands++;
    counters.readBytes += state.blocks * state.namespace!.blockBytes;
  }
  return DONE;
}

const ofBlock = Memory.flat(65_536);

function compareBlocks(context: IoContext, state: IoState): boolean {
  const { command, slba, blocks } = state;
  const namespace = state.namespace!;
  const { blockBytes, metadataBytes } = namespace;
  const staging = state.staging!;
  for (let i = 0; i < blocks; i++) {
    const lba = slba + i;
    const at = i * state.hostBlockBytes;
    let difference: number;
    if (namespace.data !== null) {
      difference = namespace.data.firstDifference(lba * blockBytes, staging, at, blockBytes);
    } else {
      const status = namespace.load(lba, 1, ofBlock, 0);
      if (status !== 0) {
        return failMedia(context, command, status, lba);
      }
      difference = ofBlock.firstDifference(0, staging, at, blockBytes);
    }
    const hasMetadata = metadataBytes > 0;
    if (
      difference >= 0 ||
      (hasMetadata && namespace.isExtended && !isSameMetadata(namespace, lba, staging, at + blockBytes)) ||
      (hasMetadata &&
        !namespace.isExtended &&
        !isSameMetadata(namespace, lba, state.metadataStaging!, i * metadataBytes))
    ) {
      command.fail(NVME_STATUS.COMPARE_FAILURE);
      command.errorLba = lba;
      return false;
    }
  }
  return true;
}

/** Protection information is checked, not compared: NVM Command Set 1.1, 5.3.2. */
function isSameMetadata(namespace: Namespace, lba: number, given: Memory, offset: number): boolean {
  const size = namespace.metadataBytes;
  const at = lba * size;
  const { protection } = namespace;
  const start = protection === null ? size : protection.offset;
  const after = protection === null ? size : start + protection.layout.sizeBytes;
  return (
    namespace.metadata.firstDifference(at, given, offset, start) < 0 &&
    namespace.metadata.firstDifference(at + after, given, offset + after, size - after) < 0
  );
}

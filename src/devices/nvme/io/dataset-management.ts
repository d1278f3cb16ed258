/**
 * Dataset Management: attributes are hints and change nothing; Deallocate gives blocks back.
 *
 * All ranges are checked before the first is given back. Follows NVM Command Set 1.1, section 3.3.3.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import {
  DSM_CDW11,
  DSM_RANGE_BYTES,
  DSM_RANGE_LLB,
  DSM_RANGE_SLBA,
  NVME_STATUS,
  rangeCount,
} from '../../../spec/nvme/index.ts';
import { checkWritable, failMedia, findNamespace } from './checks.ts';
import type { IoContext } from './io-context.ts';
import { type IoState, STEP } from './io-state.ts';

export function runDatasetManagement(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = findNamespace(context, command, command.nsid);
    if (namespace === null) {
      return DONE;
    }
    if (isDeallocation(state) && !checkWritable(command, namespace)) {
      return DONE;
    }
    state.namespace = namespace;
    const length = rangeCount(command.dword(10)) * DSM_RANGE_BYTES;
    state.staging = context.staging.take(length);
    state.step = STEP.LIST;
    if (context.data.fromHost(command, state.staging, 0, length) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.LIST) {
    if (command.status !== 0 || !checkRanges(state) || !isDeallocation(state)) {
      return DONE;
    }
    state.gate = state.namespace!.gate;
    state.slba = 0;
    state.end = state.namespace!.sizeBlocks;
    state.isWrite = true;
    state.step = STEP.ENTER;
  }
  if (!state.gate!.enter(state)) {
    return PENDING;
  }
  deallocateAll(context, state);
  return DONE;
}

function isDeallocation(state: IoState): boolean {
  return DSM_CDW11.AD.of(state.command.dword(11)) === 1;
}

function slbaOf(state: IoState, index: number): number {
  const at = index * DSM_RANGE_BYTES + DSM_RANGE_SLBA.offset;
  return addressFromDwords(state.staging!.getValue(at, 4), state.staging!.getValue(at + 4, 4));
}

function blocksOf(state: IoState, index: number): number {
  return state.staging!.getValue(index * DSM_RANGE_BYTES + DSM_RANGE_LLB.offset, 4);
}

function checkRanges(state: IoState): boolean {
  const { command } = state;
  const count = rangeCount(command.dword(10));
  for (let i = 0; i < count; i++) {
    const slba = slbaOf(state, i);
    if (!(slba + blocksOf(state, i) <= state.namespace!.sizeBlocks)) {
      command.fail(NVME_STATUS.LBA_OUT_OF_RANGE);
      command.errorLba = Math.min(slba, Number.MAX_SAFE_INTEGER);
      return false;
    }
  }
  return true;
}

function deallocateAll(context: IoContext, state: IoState): void {
  const { command } = state;
  const count = rangeCount(command.dword(10));
  for (let i = 0; i < count; i++) {
    const slba = slbaOf(state, i);
    const status = state.namespace!.deallocate(slba, blocksOf(state, i));
    if (status !== 0) {
      failMedia(context, command, status, slba);
      return;
    }
  }
}

/**
 * Copy, with descriptor formats 0 to 3.
 *
 * The list is fetched; then all ranges are copied in order, in one go, so the command is atomic for others but not for
 * failures: ranges before the one that failed stay copied, and DW0 of the completion says how many they are. Extents move
 * as extents. Which status comes first is that of QEMU's model where the specification leaves it open.
 *
 * Leaves out fast copy (SOPT.FCO is ignored) and copies to other controllers, which do not exist.
 *
 * Follows NVM Command Set 1.1, section 3.3.2.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import {
  COPY_CDW12,
  COPY_FORMATS,
  COPY_RANGE_NLB,
  COPY_RANGE_SNSID,
  GUARD_FORMAT,
  NVME_STATUS,
  rangeCount,
} from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import type { Namespace } from '../media/index.ts';
import { checkWritable, findNamespace } from './checks.ts';
import { type CopyTarget, copyRange, list, listView, writeExpectation } from './copy-range.ts';
import { type IoContext, isDurableWrite } from './io-context.ts';
import { type IoState, STEP } from './io-state.ts';
import { FUA } from './read.ts';

export function runCopy(context: IoContext, state: IoState): Status {
  const { command } = state;
  if (state.step === STEP.BEGIN) {
    const namespace = findNamespace(context, command, command.nsid);
    if (namespace === null || !checkCommand(context, command, namespace)) {
      return DONE;
    }
    const cdw12 = command.dword(12);
    const length = rangeCount(cdw12) * COPY_FORMATS[COPY_CDW12.CDF.of(cdw12)]!.rangeBytes;
    state.namespace = namespace;
    state.staging = context.staging.take(length);
    state.step = STEP.LIST;
    if (context.data.fromHost(command, state.staging, 0, length) === PENDING) {
      return PENDING;
    }
  }
  if (state.step === STEP.LIST) {
    if (command.status !== 0) {
      return DONE;
    }
    // Whole namespaces, one after the other: a copy waits, but never holds.
    state.slba = 0;
    state.end = Number.POSITIVE_INFINITY;
    state.isWrite = true;
    state.step = STEP.ENTER;
  }
  if (!enterAll(context, state)) {
    return PENDING;
  }
  copyAll(context, state);
  return DONE;
}

/** Whether nobody is in the way in the destination and in all sources; otherwise it waits where somebody is. */
function enterAll(context: IoContext, state: IoState): boolean {
  const destination = state.namespace!;
  if (!enterGate(state, destination)) {
    return false;
  }
  const cdw12 = state.command.dword(12);
  const format = COPY_FORMATS[COPY_CDW12.CDF.of(cdw12)]!;
  const count = format.crossNamespace ? rangeCount(cdw12) : 0;
  for (let i = 0; i < count; i++) {
    const nsid = state.staging!.getValue(i * format.rangeBytes + COPY_RANGE_SNSID.offset, 4);
    const source = context.services.namespace(nsid);
    if (source !== undefined && source !== destination && !enterGate(state, source)) {
      return false;
    }
  }
  return true;
}

function enterGate(state: IoState, namespace: Namespace): boolean {
  state.isAdmitted = false;
  state.gate = namespace.gate;
  return namespace.gate.enter(state);
}

function checkCommand(context: IoContext, command: Command, namespace: Namespace): boolean {
  const { options, settings } = context.services;
  const cdw12 = command.dword(12);
  const index = COPY_CDW12.CDF.of(cdw12);
  const format = COPY_FORMATS[index];
  if (
    format === undefined ||
    ((options.copyFormats >>> index) & 1) === 0 ||
    (format.crossNamespace && ((settings.copyFormatsAllowed >>> index) & 1) === 0)
  ) {
    command.failField(NVME_STATUS.INVALID_FIELD, 12, COPY_CDW12.CDF.low);
    return false;
  }
  if (rangeCount(cdw12) > namespace.copyLimits.rangesMax) {
    command.failField(NVME_STATUS.COMMAND_SIZE_LIMIT, 12, COPY_CDW12.NR.low);
    return false;
  }
  if (format.wideTags !== (namespace.guardFormat !== GUARD_FORMAT.GUARD_16B)) {
    command.failField(NVME_STATUS.INVALID_FORMAT, 12, COPY_CDW12.CDF.low);
    return false;
  }
  return checkWritable(command, namespace);
}

function copyAll(context: IoContext, state: IoState): void {
  const { command } = state;
  const destination = state.namespace!;
  const cdw12 = command.dword(12);
  const count = rangeCount(cdw12);
  const format = COPY_FORMATS[COPY_CDW12.CDF.of(cdw12)]!;
  state.staging!.read(0, list, 0, count * format.rangeBytes);
  let total = 0;
  for (let i = 0; i < count; i++) {
    total += COPY_RANGE_NLB.value(listView, i * format.rangeBytes) + 1;
  }
  if (total > destination.copyLimits.totalBlocksMax) {
    command.fail(NVME_STATUS.COMMAND_SIZE_LIMIT);
    return;
  }
  state.dataBytes = total * destination.blockBytes;
  const start = addressFromDwords(command.dword(10), command.dword(11));
  const target: CopyTarget = {
    destination,
    start,
    end: start + total,
    format,
    prinfor: COPY_CDW12.PRINFOR.of(cdw12),
    isSourceTagChecked: COPY_CDW12.STCR.of(cdw12) === 1,
    write: writeExpectation(command, destination, cdw12),
    isDurable: isDurableWrite(context, (cdw12 & FUA) !== 0),
  };
  let at = start;
  for (let i = 0; i < count; i++) {
    const base = i * format.rangeBytes;
    const blocks = COPY_RANGE_NLB.value(listView, base) + 1;
    if (!copyRange(context, command, target, base, blocks, at)) {
      command.dw0 = i;
      return;
    }
    at += blocks;
  }
  context.services.counters.writeCommands++;
}

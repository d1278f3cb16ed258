/**
 * Walks Physical Region Pages: PRP1, PRP2, and chains of PRP lists.
 *
 * Every rule on offsets is enforced (PRP Offset Invalid), also those that a controller may ignore: PRP1 is a dword aligned
 * place in its page, PRP2 as a second page and every entry of a list start their page, a list that PRP2 names is qword
 * aligned, and a list that another list names starts its page. Follows NVM Express Base 2.1, sections 4.1.1 and 4.3.1.
 */
import { addressFromDwords } from '../../../base/index.ts';
import { DONE, PENDING, type Status } from '../../../fabric/index.ts';
import { NVME_STATUS, PRP_ENTRY_BYTES, PRP1, PRP2 } from '../../../spec/nvme/index.ts';
import type { Command } from '../command.ts';
import { LIST_BUFFER_BYTES, type Transfer } from './transfer.ts';

/** What a walker asks of the engine. */
export interface SegmentSink {
  /**
   * Takes the next bytes of the payload.
   * @returns false when they may not be there; the command has its status then
   */
  addSegment(command: Command, transfer: Transfer, address: number, lengthBytes: number): boolean;
  /**
   * Fetches the next piece of a list, `transfer.listAddress`, into its buffer.
   * @returns DONE, then see `command.status`; or PENDING: walk on when it has come
   */
  fetchList(command: Command, transfer: Transfer, lengthBytes: number, entryBytes: number): Status;
}

/** Takes PRP1 and PRP2. DONE: the walk is over or has failed; otherwise as `walkPrpList`. */
export function walkPrp(sink: SegmentSink, command: Command, transfer: Transfer, pageBytes: number): Status {
  const { view, base } = command;
  const low = view.getUint32(base + PRP1.offset, true);
  if ((low & 3) !== 0) {
    command.failField(NVME_STATUS.INVALID_PRP_OFFSET, PRP1.offset / 4, 0);
    return DONE;
  }
  const length = transfer.lengthBytes;
  const first = Math.min(pageBytes - (low & (pageBytes - 1)), length);
  const address = addressFromDwords(low, view.getUint32(base + PRP1.offset + 4, true));
  if (!sink.addSegment(command, transfer, address, first)) {
    return DONE;
  }
  const left = length - first;
  if (left === 0) {
    return DONE;
  }
  const low2 = view.getUint32(base + PRP2.offset, true);
  const address2 = addressFromDwords(low2, view.getUint32(base + PRP2.offset + 4, true));
  if ((low2 & (left <= pageBytes ? pageBytes - 1 : PRP_ENTRY_BYTES - 1)) !== 0) {
    command.failField(NVME_STATUS.INVALID_PRP_OFFSET, PRP2.offset / 4, 0);
    return DONE;
  }
  if (left <= pageBytes) {
    sink.addSegment(command, transfer, address2, left);
    return DONE;
  }
  transfer.listAddress = address2;
  transfer.listLeftBytes = pageBytes - (low2 & (pageBytes - 1));
  return walkPrpList(sink, command, transfer, pageBytes);
}

/** Goes on where the list that is in the buffer, or the next piece of it, says. */
export function walkPrpList(
  sink: SegmentSink,
  command: Command,
  transfer: Transfer,
  pageBytes: number,
): Status {
  while (transfer.walkedBytes < transfer.lengthBytes) {
    const left = transfer.lengthBytes - transfer.walkedBytes;
    if (transfer.listIndex === transfer.listCount) {
      const wanted = Math.ceil(left / pageBytes) * PRP_ENTRY_BYTES;
      const length = Math.min(wanted, transfer.listLeftBytes, LIST_BUFFER_BYTES);
      if (sink.fetchList(command, transfer, length, PRP_ENTRY_BYTES) === PENDING) {
        return PENDING;
      }
      if (command.status !== 0) {
        return DONE;
      }
    }
    const at = transfer.listIndex++ * PRP_ENTRY_BYTES;
    const low = transfer.listView!.getUint32(at, true);
    const address = addressFromDwords(low, transfer.listView!.getUint32(at + 4, true));
    if ((low & (pageBytes - 1)) !== 0) {
      command.fail(NVME_STATUS.INVALID_PRP_OFFSET);
      return DONE;
    }
    if (left > pageBytes && transfer.listIndex === transfer.listCount && transfer.listLeftBytes === 0) {
      // The last entry of a list page, and more than one page of data is due: it names the next list.
      transfer.listAddress = address;
      transfer.listLeftBytes = pageBytes;
    } else if (!sink.addSegment(command, transfer, address, Math.min(left, pageBytes))) {
      return DONE;
    }
  }
  return DONE;
}

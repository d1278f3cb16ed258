/** Messages routed to the root complex: a packet on every link up, and what a listener hears. PCIe Base 6.0, 2.2.8. */
import { TRAFFIC } from '../model.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';

/** Message Code. 2.2.8.1 and 2.2.8.3. */
export const MESSAGE_CODE = {
  ASSERT_INTA: 0x20,
  DEASSERT_INTA: 0x24,
  ERR_COR: 0x30,
  ERR_NONFATAL: 0x31,
  ERR_FATAL: 0x33,
} as const;

/**
 * Follows a message up.
 * @param isStoppedBy  asked at every bridge on the way: whether the message ends there
 * @returns where it ended; null when a link was down
 */
export function sendUp(
  from: FabricFunction,
  code: number,
  isStoppedBy: (bridge: FabricFunction) => boolean,
): FabricFunction | null {
  const path = [from];
  let end = from;
  let isDown = false;
  for (let { bus } = from.device; bus.bridge !== null; { bus } = bus.bridge.device) {
    if (!bus.isLinkUp) {
      isDown = true;
      break;
    }
    // On a conventional bus it is a wire and no packet.
    if (bus.kind === 'link') {
      bus.link!.up.add(0, 0, 1);
    }
    end = bus.bridge;
    path.push(end);
    if (isStoppedBy(end)) {
      break;
    }
  }
  from.fabric.listener?.onTlp({
    kind: 'Msg',
    atPs: from.fabric.queue.nowPs,
    requesterId: from.requesterId,
    tag: 0,
    addr: code,
    lengthDw: 0,
    firstEnables: 0,
    lastEnables: 0,
    traffic: TRAFFIC.CONTROL,
    isTranslated: false,
    completionStatus: 0,
    path,
  });
  return isDown ? null : end;
}

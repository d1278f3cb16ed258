/** Turns one request into the packets that a listener hears. Not on the hot path: runs only while somebody listens. */

import type { Traffic } from '../model.ts';
import { ADDRESS_TYPE } from '../routing/acs.ts';
import { isExactAddress } from '../routing/region.ts';
import { ROUTE_KIND, type Route } from '../routing/route.ts';
import type { Fabric } from '../tree/fabric.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';
import { splitCompletions, splitRequest, type TlpPiece } from './split.ts';
import type { TlpEvent, TlpKind, TlpListener } from './trace.ts';

/** Completion Status. PCIe Base 6.0, 2.2.9. */
const COMPLETION = { SUCCESSFUL: 0, UNSUPPORTED_REQUEST: 1, COMPLETER_ABORT: 4 } as const;

export function traceWrite(
  fabric: Fabric,
  listener: TlpListener,
  route: Route,
  addr: number,
  lengthBytes: number,
  traffic: Traffic,
): void {
  for (const piece of pieces(addr, lengthBytes, route.payloadBytes)) {
    listener.onTlp(event(fabric, route, 'MWr', 0, piece, traffic, 0, route.parts.requestStops));
  }
}

export function traceRead(
  fabric: Fabric,
  listener: TlpListener,
  route: Route,
  addr: number,
  lengthBytes: number,
  traffic: Traffic,
): void {
  const { requestStops, completionStops } = route.parts;
  for (const piece of pieces(addr, lengthBytes, route.readRequestBytes)) {
    const tag = fabric.nextTag();
    listener.onTlp(event(fabric, route, 'MRd', tag, piece, traffic, 0, requestStops));
    if (route.kind === ROUTE_KIND.FAILED) {
      if (route.failure!.code !== 'timeout') {
        listener.onTlp(event(fabric, route, 'Cpl', tag, piece, traffic, refusal(route), completionStops));
      }
      continue;
    }
    const rcbBytes = requestStops[0]?.state.rcbBytes ?? 64;
    const chunks = splitCompletions(
      piece.addr,
      piece.lengthBytes,
      Math.min(route.payloadBytes, route.readRequestBytes),
      rcbBytes,
    );
    for (const chunk of chunks) {
      listener.onTlp(
        event(fabric, route, 'CplD', tag, chunk, traffic, COMPLETION.SUCCESSFUL, completionStops),
      );
    }
  }
}

/** A request to nowhere is one packet, wherever it would have been cut. */
function pieces(addr: number, lengthBytes: number, limitBytes: number): readonly TlpPiece[] {
  return isExactAddress(addr)
    ? splitRequest(addr, lengthBytes, limitBytes)
    : [
        {
          addr,
          lengthBytes,
          lengthDw: Math.ceil(Math.min(lengthBytes, limitBytes) / 4),
          firstEnables: 0xf,
          lastEnables: 0xf,
        },
      ];
}

function refusal(route: Route): number {
  const { code } = route.failure!;
  return code === 'acs-violation' || code === 'completer-abort'
    ? COMPLETION.COMPLETER_ABORT
    : COMPLETION.UNSUPPORTED_REQUEST;
}

function event(
  fabric: Fabric,
  route: Route,
  kind: TlpKind,
  tag: number,
  piece: TlpPiece,
  traffic: Traffic,
  completionStatus: number,
  path: readonly FabricFunction[],
): TlpEvent {
  return {
    kind,
    atPs: fabric.queue.nowPs,
    requesterId: route.parts.requesterId,
    tag,
    addr: piece.addr,
    lengthDw: piece.lengthDw,
    firstEnables: piece.firstEnables,
    lastEnables: piece.lastEnables,
    traffic,
    isTranslated: route.parts.shape.addressType === ADDRESS_TYPE.TRANSLATED,
    completionStatus,
    path,
  };
}

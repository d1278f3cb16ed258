/** Payload bytes per nanosecond of writes and reads on one link (PCIe Base 6.0, 2.2.9, 2.3.1.1). */
import { type DllpModel, dllpShare } from './dllp.ts';
import { isFlitLink, type LinkSpeed, netGBs, rawGBs } from './link-rate.ts';
import {
  completionOverheadBytes,
  packetCount,
  paddedPayloadBytes,
  requestOverheadBytes,
  type TlpOptions,
} from './tlp-size.ts';

type Header = Pick<TlpOptions, 'is64Bit' | 'ecrc' | 'prefixes'>;

function overhead(link: LinkSpeed, header: Header): TlpOptions {
  return { ...header, isFlit: isFlitLink(link) };
}

/**
 * GB/s that packets have of one direction of a link, their own overhead included.
 *
 * `symbol` charges acknowledgements only while the other direction is busy too; `pciebench` always.
 * @param mpsBytes  payload of the packets that are acknowledged
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function directionGBs(
  link: LinkSpeed,
  mpsBytes: number,
  model: DllpModel,
  isOtherBusy: boolean,
): number {
  const isCharged = isOtherBusy || model === 'pciebench';
  return netGBs(link) - (isCharged ? rawGBs(link) * dllpShare(link, mpsBytes, model) : 0);
}

/** GB/s of payload when every packet holds `payloadBytes` and carries `overheadBytes`. */
function streamGBs(capacityGBs: number, payloadBytes: number, overheadBytes: number): number {
  return (capacityGBs * payloadBytes) / (payloadBytes + overheadBytes);
}

/**
 * A stream of full memory writes in one direction, the other one idle.
 * @param payloadBytes  of each packet: the requester's MPS, or what the root complex splits it to
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function writeGoodputGBs(link: LinkSpeed, payloadBytes: number, header: Header = {}): number {
  return streamGBs(netGBs(link), payloadBytes, requestOverheadBytes(overhead(link, header)));
}

/** Transfers of `transferBytes`, each starting aligned, cut at `mpsBytes`. @throws {InputError} INPUT_LINK_SPEED */
export function writeTransferGoodputGBs(
  link: LinkSpeed,
  transferBytes: number,
  mpsBytes: number,
  header: Header = {},
): number {
  const perPacket = requestOverheadBytes(overhead(link, header));
  const wireBytes = paddedPayloadBytes(transferBytes) + packetCount(transferBytes, mpsBytes) * perPacket;
  return (netGBs(link) * transferBytes) / wireBytes;
}

/** Writes saturating both directions: what one direction delivers. @throws {InputError} INPUT_LINK_SPEED */
export function bidirectionalWriteGoodputGBs(
  link: LinkSpeed,
  payloadBytes: number,
  header: Header = {},
  model: DllpModel = 'symbol',
): number {
  const capacity = netGBs(link) - rawGBs(link) * dllpShare(link, payloadBytes, model);
  return streamGBs(capacity, payloadBytes, requestOverheadBytes(overhead(link, header)));
}

/**
 * Read data arriving in completions of `chunkBytes`, as many requests in flight as it takes.
 * @param chunkBytes  min(MPS, what the completer sends): 64 where it cuts at its read completion boundary
 * @throws {InputError} INPUT_LINK_SPEED
 */
export function readGoodputGBs(link: LinkSpeed, chunkBytes: number, header: Header = {}): number {
  return streamGBs(netGBs(link), chunkBytes, completionOverheadBytes(overhead(link, header)));
}

/** Reads of `transferBytes`, each starting aligned. @throws {InputError} INPUT_LINK_SPEED */
export function readTransferGoodputGBs(
  link: LinkSpeed,
  transferBytes: number,
  chunkBytes: number,
  header: Header = {},
): number {
  const perPacket = completionOverheadBytes(overhead(link, header));
  const wireBytes = paddedPayloadBytes(transferBytes) + packetCount(transferBytes, chunkBytes) * perPacket;
  return (netGBs(link) * transferBytes) / wireBytes;
}

/** Bytes of a link that one byte of payload takes, in the direction of the data and in the other. */
export interface WireLoad {
  readonly dataDirection: number;
  readonly otherDirection: number;
}

/** Wire bytes per payload byte of a write stream. @throws {InputError} INPUT_LINK_SPEED */
export function writeLoad(link: LinkSpeed, mpsBytes: number, header: Header = {}): WireLoad {
  return { dataDirection: 1 + requestOverheadBytes(overhead(link, header)) / mpsBytes, otherDirection: 0 };
}

/** Wire bytes per payload byte of a read stream: one request per `mrrsBytes`. @throws {InputError} INPUT_LINK_SPEED */
export function readLoad(
  link: LinkSpeed,
  chunkBytes: number,
  mrrsBytes: number,
  header: Header = {},
): WireLoad {
  return {
    dataDirection: 1 + completionOverheadBytes(overhead(link, header)) / chunkBytes,
    otherDirection: requestOverheadBytes(overhead(link, header)) / mrrsBytes,
  };
}

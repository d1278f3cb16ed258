/** Hears what happens between clients and devices. */
import type { FileRefusal } from '../../host/index.ts';
import type { ServedDevice } from './served-device.ts';

/**
 * Why a connection is over. `closed`: the client has closed it; `shut-down`: the server was closed. All others are what the
 * client has sent, except `connection-lost`: the socket failed.
 */
export type EndReason =
  | 'closed'
  | 'shut-down'
  | 'connection-lost'
  | 'no-version'
  | 'bad-version'
  | 'bad-size'
  | 'bad-type'
  | 'too-many-descriptors'
  | 'socket-passed'
  | 'unexpected-reply'
  | 'bad-reply';

/** Why a range with a descriptor is not memory here, and is reached by messages only. */
export type MapRefusal = FileRefusal | 'write-only' | 'too-large' | 'unmappable';

/** Every method may be missing. Bytes are valid within the call. */
export interface ServeListener {
  onConnect?(device: ServedDevice): void;
  /** @param detail for people */
  onDisconnect?(device: ServedDevice, reason: EndReason, detail: string): void;
  /** Somebody else was connected already. */
  onTurnedAway?(device: ServedDevice): void;
  onReset?(device: ServedDevice, cause: 'message' | 'disconnect'): void;
  onConfigRead?(
    device: ServedDevice,
    offset: number,
    lengthBytes: number,
    bytes: Uint8Array,
    at: number,
  ): void;
  /** After the device has seen it. */
  onConfigWrite?(
    device: ServedDevice,
    offset: number,
    lengthBytes: number,
    bytes: Uint8Array,
    at: number,
  ): void;
  onBarRead?(
    device: ServedDevice,
    bar: number,
    offset: number,
    lengthBytes: number,
    bytes: Uint8Array,
    at: number,
  ): void;
  /** Before the device sees it. */
  onBarWrite?(
    device: ServedDevice,
    bar: number,
    offset: number,
    lengthBytes: number,
    bytes: Uint8Array,
    at: number,
  ): void;
  /** @param refusal null: memory; `no-descriptor`: the client shares nothing, messages reach it */
  onMap?(
    device: ServedDevice,
    addr: number,
    sizeBytes: number,
    isReadOnly: boolean,
    refusal: MapRefusal | 'no-descriptor' | null,
  ): void;
  /** @param sizeBytes as asked for; may reach far beyond what was mapped */
  onUnmap?(device: ServedDevice, addr: number, sizeBytes: number): void;
  /** Event counters were attached to vectors, or taken away. */
  onVectors?(device: ServedDevice, index: number, start: number, count: number, isAttached: boolean): void;
  onInterrupt?(device: ServedDevice, index: number, vector: number): void;
  /** A message of ours for the client's memory was answered. @param errno 0 when it was done */
  onDmaMessage?(
    device: ServedDevice,
    isRead: boolean,
    addr: number,
    lengthBytes: number,
    errno: number,
  ): void;
  /** A request was refused. */
  onRefusal?(device: ServedDevice, command: number, errno: number): void;
}

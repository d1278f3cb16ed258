/** What the server needs of a device; whoever builds the machine makes it. */
import { assert, PeerlaneError } from '../../base/index.ts';
import type { FabricFunction } from '../../fabric/index.ts';

/** A device that cannot be served as it is described. Codes start with SERVE_. */
export class ServeError extends PeerlaneError {}

/** A BAR whose memory, or parts of it, a client may map: it then reads and writes them without a message. */
export interface SharedBar {
  /** Its index; the lower one of a 64-bit BAR. */
  readonly bar: number;
  /** Descriptor of the file behind it; stays the caller's. */
  readonly fd: number;
  /**
   * Where in the file the BAR begins: the byte at `offsetBytes` of the BAR lies at `fileOffsetBytes + offsetBytes`. Negative where
   * the file begins with a later part of the BAR; no area lies before the file.
   */
  readonly fileOffsetBytes: number;
  /** Ascending, not overlapping, whole pages, within the BAR. */
  readonly areas: readonly { readonly offsetBytes: number; readonly lengthBytes: number }[];
}

export interface ServedDevice {
  /** For people: `nvme0`. Names differ. */
  readonly name: string;
  /** Where its socket will be. Paths differ. */
  readonly socketPath: string;
  readonly fn: FabricFunction;
  /** Empty: everything is trapped, and writes of the client need not wait. */
  readonly bars: readonly SharedBar[];
  /** The client has written to config space. */
  onConfigWrite(): void;
  /** The client has reset the device, or has gone: as at power on, media kept. */
  onReset(): void;
}

const PAGE_BYTES = 4096;

/** @throws {ServeError} SERVE_NOT_SERVABLE */
export function checkDevice(device: ServedDevice): void {
  const { fn, name } = device;
  if (fn.kind !== 'endpoint' || fn.model === null) {
    throw new ServeError('SERVE_NOT_SERVABLE', {
      message: `${name} is a ${fn.kind}: vfio-user has endpoints only`,
      hint: 'serve what is below it; the virtual machine brings ports and switches of its own',
      detail: { name, kind: fn.kind },
    });
  }
  for (const { bar, fileOffsetBytes, areas } of device.bars) {
    const sizeBytes = fn.config.bar(bar)?.sizeBytes ?? 0;
    let end = 0;
    for (const { offsetBytes, lengthBytes } of areas) {
      const place = fileOffsetBytes + offsetBytes;
      const isWhole = [place, offsetBytes, lengthBytes].every((bytes) => bytes % PAGE_BYTES === 0);
      assert(
        isWhole && place >= 0 && offsetBytes >= end && lengthBytes > 0,
        'areas of a BAR are whole pages, ascending',
        { name, bar, offsetBytes, lengthBytes },
      );
      end = offsetBytes + lengthBytes;
    }
    assert(end <= sizeBytes, 'an area of a BAR lies outside it', { name, bar, end, sizeBytes });
  }
}

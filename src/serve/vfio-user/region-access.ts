/**
 * Reads and writes of a client: config space, and BARs as the processor would access them.
 *
 * A device that was taken away from the machine while its socket stays reads all ones, and drops writes.
 */
import { readBar, writeBar } from '../../fabric/index.ts';
import { VFIO_REGION, VFIO_USER_ERRNO } from '../../spec/vfio-user/index.ts';
import type { ServeCounters } from './counters.ts';
import { regionBytes } from './device-info.ts';
import type { ServeListener } from './listener.ts';
import type { ServedDevice } from './served-device.ts';

export class RegionAccess {
  readonly #device: ServedDevice;
  readonly #counters: ServeCounters;
  readonly #listener: ServeListener | null;

  constructor(device: ServedDevice, counters: ServeCounters, listener: ServeListener | null) {
    this.#device = device;
    this.#counters = counters;
    this.#listener = listener;
  }

  /** Whether an access lies within its region. @returns 0 or an errno */
  check(region: number, offset: number, lengthBytes: number): number {
    return offset + lengthBytes <= regionBytes(this.#device.fn.config, region) ? 0 : VFIO_USER_ERRNO.EINVAL;
  }

  /** An access that `check` has passed. */
  read(region: number, offset: number, lengthBytes: number, into: Uint8Array, at: number): void {
    const device = this.#device;
    if (region === VFIO_REGION.CONFIG) {
      this.#counters.configReads++;
      const { fn } = device;
      if (fn.isGone) {
        into.fill(0xff, at, at + lengthBytes);
      } else {
        into.set(fn.config.bytes.subarray(offset, offset + lengthBytes), at);
      }
      this.#listener?.onConfigRead?.(device, offset, lengthBytes, into, at);
      return;
    }
    this.#counters.barReads++;
    this.#counters.barBytes += lengthBytes;
    readBar(device.fn, region, offset, into, at, lengthBytes);
    this.#listener?.onBarRead?.(device, region, offset, lengthBytes, into, at);
  }

  /** An access that `check` has passed. */
  write(region: number, offset: number, lengthBytes: number, from: Uint8Array, at: number): void {
    const device = this.#device;
    if (region === VFIO_REGION.CONFIG) {
      this.#counters.configWrites++;
      if (!device.fn.isGone) {
        this.#writeConfig(offset, lengthBytes, from, at);
        device.onConfigWrite();
      }
      this.#listener?.onConfigWrite?.(device, offset, lengthBytes, from, at);
      return;
    }
    this.#counters.barWrites++;
    this.#counters.barBytes += lengthBytes;
    this.#listener?.onBarWrite?.(device, region, offset, lengthBytes, from, at);
    writeBar(device.fn, region, offset, from, at, lengthBytes);
  }

  /** In aligned pieces, ascending. */
  #writeConfig(offset: number, lengthBytes: number, from: Uint8Array, at: number): void {
    const { config } = this.#device.fn;
    for (let done = 0; done < lengthBytes; ) {
      const place = offset + done;
      const left = lengthBytes - done;
      const length = place % 4 === 0 && left >= 4 ? 4 : place % 2 === 0 && left >= 2 ? 2 : 1;
      let value = 0;
      for (let i = length - 1; i >= 0; i--) {
        value = value * 256 + from[at + done + i]!;
      }
      config.write(place, length, value);
      done += length;
    }
  }
}

/**
 * What an unmapped range means for whoever keeps translations of it: the IOTLB, and the cache of a device with ATS, which is told
 * by a message and answers with one. PCIe Base 6.0, 10.3.
 */
import { linksUp } from '../timing/ats-paths.ts';
import type { Fabric } from './fabric.ts';
import type { FabricFunction } from './fabric-function.ts';

/** Payload of an Invalidate Request; its completion has none. 10.3.1, 10.3.2. */
const INVALIDATE_BYTES = 8;

export class Invalidations {
  readonly #fabric: Fabric;
  /** Functions whose ATS was switched on, by domain and requester id. */
  readonly #functions = new Map<number, FabricFunction>();

  constructor(fabric: Fabric) {
    this.#fabric = fabric;
  }

  /** ATS Control of a function was written. */
  changed(fn: FabricFunction): void {
    const key = keyOf(fn.device.bus.hostBridge.domain, fn.requesterId);
    if (fn.state.enablesAts) {
      this.#functions.set(key, fn);
    } else {
      this.#functions.delete(key);
    }
    this.#fabric.timing?.transport.translations.forget(fn);
  }

  readonly onUnmap = (domain: number, requesterId: number, addr: number, lengthBytes: number): void => {
    const { timing } = this.#fabric;
    timing?.onUnmap(domain, requesterId, addr, lengthBytes);
    const fn = this.#functions.get(keyOf(domain, requesterId));
    if (fn === undefined || fn.isGone || !fn.state.enablesAts) {
      return;
    }
    for (const { link } of linksUp(fn)) {
      link.down.add(0, INVALIDATE_BYTES, 1);
      link.up.add(0, 0, 1);
    }
    timing?.transport.translations.invalidate(fn, addr, lengthBytes);
  };
}

function keyOf(domain: number, requesterId: number): number {
  return domain * 0x1_0000 + requesterId;
}

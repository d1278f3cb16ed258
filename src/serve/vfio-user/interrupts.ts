/**
 * Interrupts of one device, as event counters of its client.
 *
 * Masks and tables are the client's; what is kept here is which counter a vector has, and what could not be signalled yet: an
 * MSI-X vector without a counter is masked in the guest, and comes when it gets one. The interrupt pin is a level: once
 * signalled it is masked until the client unmasks it, and is signalled again if it still stands (VFIO's "automasked").
 */
import type { FabricFunction, InterruptDelivery } from '../../fabric/index.ts';
import { adoptEventFd, drainEventFd, libc, signalEventFd } from '../../host/index.ts';
import { INTERRUPT_PIN, MSI_MESSAGE_CONTROL } from '../../spec/pci/index.ts';
import {
  IRQ_ACTION,
  IRQ_DATA,
  VFIO_IRQ,
  VFIO_IRQ_COUNT,
  VFIO_USER_ERRNO,
} from '../../spec/vfio-user/index.ts';
import type { ServeCounters } from './counters.ts';
import type { ServeListener } from './listener.ts';
import type { RemoteLink } from './remote-dma.ts';
import type { ServedDevice } from './served-device.ts';

const NO_FD = -1;

/** One of VFIO_IRQ: its vectors. */
class VectorSet {
  readonly fds: Int32Array;
  readonly isMasked: Uint8Array;
  /** Raised while it had no counter or was masked. */
  readonly isPending: Uint8Array;

  constructor(count: number) {
    this.fds = new Int32Array(count).fill(NO_FD);
    this.isMasked = new Uint8Array(count);
    this.isPending = new Uint8Array(count);
  }

  get count(): number {
    return this.fds.length;
  }
}

/** A message that waits until writes before it have arrived. */
interface Deferred {
  readonly index: number;
  readonly vector: number;
  readonly afterWrite: number;
}

export class ClientInterrupts implements InterruptDelivery {
  /** The messages of ours that are under way; null while no client is connected. */
  link: RemoteLink | null = null;
  /** The client's counter that unmasks the pin, to be polled; -1 for none. */
  unmaskFd = NO_FD;
  readonly #device: ServedDevice;
  readonly #counters: ServeCounters;
  readonly #listener: ServeListener | null;
  #sets: readonly VectorSet[];
  #isPinAsserted = false;
  readonly #deferred: Deferred[] = [];

  constructor(device: ServedDevice, counters: ServeCounters, listener: ServeListener | null) {
    this.#device = device;
    this.#counters = counters;
    this.#listener = listener;
    this.#sets = vectorSets(device.fn);
  }

  /** Vectors of one of VFIO_IRQ; 0 when the device has none of them. */
  vectorCount(index: number): number {
    return this.#sets[index]!.count;
  }

  message(mode: 'msi-x' | 'msi', vector: number): void {
    const index = mode === 'msi-x' ? VFIO_IRQ.MSIX : VFIO_IRQ.MSI;
    const { link } = this;
    // A message is a write: it does not overtake writes that are still on their way to the client.
    if (link !== null && (this.#deferred.length > 0 || link.writesEnded < link.writesAsked)) {
      this.#deferred.push({ index, vector, afterWrite: link.writesAsked });
    } else {
      this.#raise(index, vector);
    }
  }

  pin(isAsserted: boolean): void {
    this.#isPinAsserted = isAsserted;
    if (isAsserted) {
      this.#raisePin();
    }
  }

  /** Sends what has waited for writes that have ended meanwhile. */
  flush(): void {
    const { link } = this;
    while (
      this.#deferred.length > 0 &&
      (link === null || this.#deferred[0]!.afterWrite <= link.writesEnded)
    ) {
      const { index, vector } = this.#deferred.shift()!;
      this.#raise(index, vector);
    }
  }

  /** `unmaskFd` can be read. */
  unmaskSignalled(): void {
    if (drainEventFd(this.unmaskFd)) {
      this.#unmask(VFIO_IRQ.INTX, 0);
    }
  }

  /**
   * DEVICE_SET_IRQS. Takes the descriptors over in any case.
   * @param flags bytes of IRQ_DATA.BOOL, one for each vector
   * @returns 0 or an errno
   */
  set(
    index: number,
    data: number,
    action: number,
    start: number,
    count: number,
    flags: Uint8Array | null,
    fds: readonly number[],
  ): number {
    const isTaken =
      data === IRQ_DATA.EVENTFD && index < VFIO_IRQ_COUNT
        ? this.#setCounters(index, action, start, count, fds)
        : VFIO_USER_ERRNO.EINVAL;
    if (data === IRQ_DATA.EVENTFD) {
      if (isTaken !== 0) {
        closeAll(fds);
      }
      return isTaken;
    }
    closeAll(fds);
    const set = this.#sets[index];
    const isAction =
      action === IRQ_ACTION.MASK || action === IRQ_ACTION.UNMASK || action === IRQ_ACTION.TRIGGER;
    const isData = data === IRQ_DATA.NONE || (data === IRQ_DATA.BOOL && flags?.length === count);
    if (set === undefined || !isAction || !isData || fds.length > 0) {
      return VFIO_USER_ERRNO.EINVAL;
    }
    if (action === IRQ_ACTION.TRIGGER && data === IRQ_DATA.NONE && count === 0) {
      this.#clear(index);
      return 0;
    }
    if (count === 0 || start + count > set.count) {
      return VFIO_USER_ERRNO.EINVAL;
    }
    for (let vector = start; vector < start + count; vector++) {
      if (flags !== null && flags[vector - start] === 0) {
        continue;
      }
      if (action === IRQ_ACTION.MASK) {
        set.isMasked[vector] = 1;
      } else if (action === IRQ_ACTION.UNMASK) {
        this.#unmask(index, vector);
      } else {
        this.#raise(index, vector);
      }
    }
    return 0;
  }

  /** The device was reset: what it has raised before is not heard any more. Counters stay. */
  forget(): void {
    this.#deferred.length = 0;
    for (const set of this.#sets) {
      set.isPending.fill(0);
    }
  }

  /** The client has gone: all counters are closed. */
  reset(): void {
    this.forget();
    for (let index = 0; index < VFIO_IRQ_COUNT; index++) {
      this.#clear(index);
    }
    this.#sets = vectorSets(this.#device.fn);
  }

  #setCounters(index: number, action: number, start: number, count: number, fds: readonly number[]): number {
    const set = this.#sets[index]!;
    const isUnmask = action === IRQ_ACTION.UNMASK && index === VFIO_IRQ.INTX;
    if (
      (action !== IRQ_ACTION.TRIGGER && !isUnmask) ||
      count === 0 ||
      start + count > set.count ||
      (fds.length !== 0 && fds.length !== count) ||
      !fds.every(adoptEventFd)
    ) {
      return VFIO_USER_ERRNO.EINVAL;
    }
    if (isUnmask) {
      closeFd(this.unmaskFd);
      this.unmaskFd = fds[0] ?? NO_FD;
      return 0;
    }
    this.#listener?.onVectors?.(this.#device, index, start, count, fds.length > 0);
    for (let i = 0; i < count; i++) {
      const vector = start + i;
      closeFd(set.fds[vector]!);
      set.fds[vector] = fds[i] ?? NO_FD;
      if (index === VFIO_IRQ.INTX) {
        set.isMasked[vector] = 0;
        this.#raisePin();
      } else if (set.isPending[vector] === 1) {
        this.#raise(index, vector);
      }
    }
    return 0;
  }

  #raise(index: number, vector: number): void {
    const set = this.#sets[index]!;
    const fd = set.fds[vector];
    if (fd === undefined) {
      return;
    }
    if (fd === NO_FD || set.isMasked[vector] === 1) {
      set.isPending[vector] = 1;
      return;
    }
    set.isPending[vector] = 0;
    this.#counters.interrupts++;
    this.#listener?.onInterrupt?.(this.#device, index, vector);
    signalEventFd(fd);
  }

  #raisePin(): void {
    const set = this.#sets[VFIO_IRQ.INTX]!;
    if (this.#isPinAsserted && set.count > 0 && set.fds[0] !== NO_FD && set.isMasked[0] === 0) {
      this.#raise(VFIO_IRQ.INTX, 0);
      set.isMasked[0] = 1;
    }
  }

  #unmask(index: number, vector: number): void {
    const set = this.#sets[index]!;
    set.isMasked[vector] = 0;
    if (index === VFIO_IRQ.INTX) {
      this.#raisePin();
    } else if (set.isPending[vector] === 1) {
      this.#raise(index, vector);
    }
  }

  /** An index is switched off. */
  #clear(index: number): void {
    const set = this.#sets[index]!;
    let hadAny = false;
    for (const fd of set.fds) {
      hadAny ||= fd !== NO_FD;
      closeFd(fd);
    }
    set.fds.fill(NO_FD);
    set.isMasked.fill(0);
    set.isPending.fill(0);
    if (index === VFIO_IRQ.INTX) {
      closeFd(this.unmaskFd);
      this.unmaskFd = NO_FD;
    }
    if (hadAny) {
      this.#listener?.onVectors?.(this.#device, index, 0, set.count, false);
    }
  }
}

/** What the function has; errors and requests to give it back are not told. */
function vectorSets(fn: FabricFunction): readonly VectorSet[] {
  const { view, offsets } = fn.config;
  const hasPin = INTERRUPT_PIN.value(view) !== 0;
  const msiCount =
    offsets.msi === 0
      ? 0
      : 2 ** Math.min(MSI_MESSAGE_CONTROL.Multiple_Message_Capable.read(view, offsets.msi), 5);
  return [hasPin ? 1 : 0, msiCount, fn.msix?.vectorCount ?? 0, 0, 0].map((count) => new VectorSet(count));
}

function closeFd(fd: number): void {
  if (fd !== NO_FD) {
    libc().close(fd);
  }
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) {
    closeFd(fd);
  }
}

/** What a device model gets of the fabric: `FunctionPort`. */
import { DONE, type Executor, PENDING, type Status } from '../../access/index.ts';
import { ADDR_NOWHERE, type Bdf } from '../../base/index.ts';
import { logUncorrectable } from '../errors/error-log.ts';
import { Memory } from '../memory/memory.ts';
import { type BarMemory, DMA_STATUS, type FunctionPort, type Traffic } from '../model.ts';
import type { DmaWatcher } from '../outside.ts';
import type { Fabric } from './fabric.ts';
import type { FabricFunction } from './fabric-function.ts';
import { type InterruptMode, interruptMode, raiseVector, updateIntx } from './interrupts.ts';
import type { Requester } from './requester.ts';

export class FabricFunctionPort implements FunctionPort {
  readonly executor: Executor;
  readonly #fabric: Fabric;
  readonly #fn: FabricFunction;
  readonly #requester: Requester;

  constructor(fn: FabricFunction) {
    this.#fn = fn;
    this.#fabric = fn.fabric;
    this.executor = fn.fabric.queue;
    this.#requester = fn.requester;
  }

  get bdf(): Bdf {
    return this.#fn.bdf;
  }

  get isBusMaster(): boolean {
    return !this.#fn.isGone && this.#fn.state.canMaster;
  }

  dmaRead(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    if (!this.#fabric.isDelaying) {
      let status = this.#requester.readNow(addr, local, localOffset, lengthBytes, traffic);
      if (status === PENDING) {
        const { remoteRequests } = this.#fabric;
        status = remoteRequests.read(this.#requester, addr, local, localOffset, lengthBytes, traffic, token);
      }
      if (this.#fn.dmaWatcher !== null && status !== PENDING) {
        this.#fn.dmaWatcher.onRead(addr, local, localOffset, lengthBytes, traffic, status);
      }
      return status;
    }
    const refused = this.#refusal();
    if (refused !== DONE) {
      local.fill(localOffset, lengthBytes, 0xff);
      return refused;
    }
    return this.#fabric.inFlight.read(this.#requester, addr, local, localOffset, lengthBytes, traffic, token);
  }

  dmaWrite(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    const { dmaWatcher } = this.#fn;
    return dmaWatcher === null
      ? this.#write(addr, local, localOffset, lengthBytes, traffic, token)
      : this.#writeWatched(dmaWatcher, addr, local, localOffset, lengthBytes, traffic, token);
  }

  get interruptMode(): InterruptMode {
    return interruptMode(this.#fn);
  }

  interrupt(vector: number): void {
    if (!this.#fn.isGone) {
      raiseVector(this.#fn, vector);
    }
  }

  setIntx(isAsserted: boolean): void {
    if (this.#fn.isGone) {
      return;
    }
    if (this.#fabric.isDelaying) {
      this.#fabric.inFlight.postAction(this.#requester, () => this.#setPin(isAsserted));
    } else {
      this.#setPin(isAsserted);
    }
  }

  barAddress(index: number): number {
    const bar = this.#fn.state.bars.find((candidate) => candidate.index === index);
    return bar === undefined ? ADDR_NOWHERE : bar.start;
  }

  setOpen(range: BarMemory, isOpen: boolean): void {
    if (range.isOpen !== isOpen) {
      range.isOpen = isOpen;
      this.#fabric.touch();
    }
  }

  reportInternalError(): void {
    if (!this.#fn.isGone) {
      logUncorrectable(this.#fn, 'Uncorrectable_Internal_Error', null, false);
    }
  }

  #write(
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    if (!this.#fabric.isDelaying) {
      const status = this.#requester.writeNow(addr, local, localOffset, lengthBytes, traffic);
      if (status !== PENDING) {
        return status;
      }
      const { remoteRequests } = this.#fabric;
      return remoteRequests.write(this.#requester, addr, local, localOffset, lengthBytes, traffic, token);
    }
    const refused = this.#refusal();
    return refused !== DONE
      ? refused
      : this.#fabric.inFlight.write(this.#requester, addr, local, localOffset, lengthBytes, traffic, token);
  }

  /** What a watcher sends instead is its own and may be used again: where requests are delayed it is kept for this one. */
  #writeWatched(
    watcher: DmaWatcher,
    addr: number,
    local: Memory,
    localOffset: number,
    lengthBytes: number,
    traffic: Traffic,
    token: number,
  ): Status {
    const instead = watcher.onWrite(addr, local, localOffset, lengthBytes, traffic);
    if (instead === null) {
      return this.#write(addr, local, localOffset, lengthBytes, traffic, token);
    }
    if (!this.#fabric.isDelaying) {
      return this.#write(addr, instead, 0, lengthBytes, traffic, token);
    }
    const kept = Memory.flat(lengthBytes);
    instead.copyTo(0, kept, 0, lengthBytes);
    return this.#write(addr, kept, 0, lengthBytes, traffic, token);
  }

  #setPin(isAsserted: boolean): void {
    this.#fn.isIntxAsserted = isAsserted;
    updateIntx(this.#fn);
  }

  /** What keeps a request from being sent at all. */
  #refusal(): Status {
    if (this.#fn.isGone) {
      return DMA_STATUS.GONE;
    }
    if (!this.#fn.state.canMaster) {
      return DMA_STATUS.DISABLED;
    }
    return this.#fn.device.bus.isLinkUp ? DONE : DMA_STATUS.GONE;
  }
}

/**
 * Rules and what has become of them. A rule is armed when it is added: commands and media go to the fault plan of the NVMe model,
 * bit flips to the function's DMA, and what happens to a card as a whole (removed, link down, CMB gone) waits for its moment or
 * for a command.
 *
 * Rules can be taken away at any time. What a guest's card is then comes back; a card of a simulated machine that was pulled out
 * stays out.
 */
import { assert, SeededRandom } from '../../base/index.ts';
import {
  type FaultAction as NvmeAction,
  NvmeController,
  type FaultRule as NvmeRule,
} from '../../devices/index.ts';
import type {
  DmaWatcher,
  EndpointModel,
  EventHandler,
  EventQueue,
  Fabric,
  FabricFault,
  FabricFunction,
} from '../../fabric/index.ts';
import { LINK_CONTROL } from '../../spec/index.ts';
import {
  isTriggeredFault,
  type LabBlock,
  type LabEndpoint,
  type LabFault,
  printFault,
} from '../file/index.ts';
import { DmaFlips, type Flip } from './dma-flips.ts';

export interface FaultEndpoint {
  readonly name: string;
  readonly node: LabEndpoint;
  readonly fn: FabricFunction;
  readonly model: EndpointModel;
}

/** The machine. */
export interface FaultTarget {
  readonly queue: EventQueue;
  readonly fabric: Fabric;
  readonly endpoints: readonly FaultEndpoint[];
  /** Takes a function out of a machine to which it may come back; null: cards are really pulled out, and links disabled. */
  readonly setAbsent: ((endpoint: FaultEndpoint, isAbsent: boolean) => void) | null;
}

/** A rule, for people and for JSON. */
export interface FaultEntry {
  readonly id: number;
  /** As a lab file has it. */
  readonly rule: LabBlock;
  /** How often it has acted. */
  readonly acted: number;
}

interface Armed {
  readonly id: number;
  readonly fault: LabFault;
  readonly endpoint: FaultEndpoint;
  acted: number;
  /** Takes it away, and what it has done if that can be. */
  disarm: () => void;
}

export class FaultInjector implements EventHandler {
  /** Hears of each time that a rule acts. */
  onActed: ((id: number, fault: LabFault) => void) | null = null;
  readonly #target: FaultTarget;
  readonly #random: SeededRandom;
  readonly #armed = new Map<number, Armed>();
  readonly #flips = new Map<FabricFunction, DmaFlips>();
  #lastId = 0;

  constructor(target: FaultTarget, seed: number) {
    this.#target = target;
    this.#random = new SeededRandom(seed);
  }

  /**
   * Arms a rule; `after` counts from now on.
   * @param fault  of this lab: its device is there and can do it
   * @returns what `remove` takes, 1 for the first
   */
  add(fault: LabFault): number {
    const endpoint = this.#target.endpoints.find(({ name }) => name === fault.device);
    assert(endpoint !== undefined, 'a fault of a device that is not there', { device: fault.device });
    const armed: Armed = { id: ++this.#lastId, fault, endpoint, acted: 0, disarm: () => {} };
    this.#armed.set(armed.id, armed);
    this.#arm(armed);
    return armed.id;
  }

  /** @returns whether there was one */
  remove(id: number): boolean {
    const armed = this.#armed.get(id);
    this.#armed.delete(id);
    armed?.disarm();
    return armed !== undefined;
  }

  /** Those that have acted as often as they may are still there. In the order in which they were added. */
  list(): readonly FaultEntry[] {
    return [...this.#armed.values()].map(({ id, fault, acted }) => ({ id, rule: printFault(fault), acted }));
  }

  /** Somebody else looks at the DMA of a function: at what is sent and received with the faults in it. Null: nobody. */
  watchDma(fn: FabricFunction, watcher: DmaWatcher | null): void {
    const flips = this.#flipsOf(fn);
    flips.inner = watcher;
    this.#install(fn, flips);
  }

  /** The moment of a rule has come. */
  onEvent(_code: number, id: number): void {
    const armed = this.#armed.get(id);
    if (armed !== undefined) {
      this.#begin(armed);
    }
  }

  #arm(armed: Armed): void {
    const { fault, endpoint } = armed;
    switch (fault.action) {
      case 'flip':
        this.#armFlip(armed);
        return;
      case 'media':
        this.#armMedia(armed);
        return;
      case 'remove':
      case 'link-down':
      case 'cmb-gone':
        if (isTriggeredFault(fault)) {
          // A command starts it; it begins once that has been fetched.
          this.#armCommand(armed, { kind: 'none' }, () => this.#target.queue.after(0, this, 0, armed.id));
        } else if (fault.afterPs > 0) {
          const timer = this.#target.queue.timer(fault.afterPs, this, 0, armed.id);
          armed.disarm = () => this.#target.queue.cancel(timer);
        } else {
          this.#begin(armed);
        }
        return;
      default:
        assert(endpoint.model instanceof NvmeController, 'a fault of commands, of a device without them');
        this.#armCommand(armed, actionOf(fault), () => this.#acted(armed));
    }
  }

  #armCommand(armed: Armed, action: NvmeAction, onAct: () => void): void {
    const { fault, endpoint } = armed;
    const { faults } = endpoint.model as NvmeController;
    const rule: NvmeRule = {
      action,
      skip: fault.skip,
      count: fault.count,
      probability: fault.probability,
      ...(fault.queue === null ? {} : { queue: fault.queue }),
      ...(fault.opcode === null ? {} : { opcode: fault.opcode }),
      ...(fault.nsid === null ? {} : { nsid: fault.nsid }),
      isDue: this.#dueFrom(fault),
      onAct,
    };
    faults.add(rule);
    armed.disarm = () => faults.remove(rule);
  }

  #armMedia(armed: Armed): void {
    const { fault, endpoint } = armed;
    const { faults } = endpoint.model as NvmeController;
    const media = {
      nsid: fault.nsid!,
      slba: fault.firstLba!,
      blocks: fault.lastLba! - fault.firstLba! + 1,
      on: fault.direction ?? ('both' as const),
      count: fault.count,
      ...(fault.status === null ? {} : { status: fault.status }),
      isDue: this.#dueFrom(fault),
      onAct: () => this.#acted(armed),
    };
    faults.addMedia(media);
    armed.disarm = () => faults.removeMedia(media);
  }

  #armFlip(armed: Armed): void {
    const { fault, endpoint } = armed;
    const flips = this.#flipsOf(endpoint.fn);
    const flip: Flip = {
      fault,
      isDue: this.#dueFrom(fault),
      onAct: () => this.#acted(armed),
      skip: fault.skip,
      left: fault.count,
    };
    flips.flips = [...flips.flips, flip];
    this.#install(endpoint.fn, flips);
    armed.disarm = () => {
      flips.flips = flips.flips.filter((other) => other !== flip);
      this.#install(endpoint.fn, flips);
    };
  }

  #flipsOf(fn: FabricFunction): DmaFlips {
    let flips = this.#flips.get(fn);
    if (flips === undefined) {
      flips = new DmaFlips(this.#random);
      this.#flips.set(fn, flips);
    }
    return flips;
  }

  /** Where nobody looks, DMA is as fast as without faults. */
  #install(fn: FabricFunction, flips: DmaFlips): void {
    fn.dmaWatcher = flips.flips.length > 0 ? flips : flips.inner;
  }

  #dueFrom({ afterPs }: LabFault): () => boolean {
    const { queue } = this.#target;
    const fromPs = queue.nowPs + afterPs;
    return () => queue.nowPs >= fromPs;
  }

  /** Something happens to the whole card. */
  #begin(armed: Armed): void {
    const { fault, endpoint } = armed;
    const disarm = armed.disarm;
    const undo =
      fault.action === 'cmb-gone'
        ? this.#closeCmb(endpoint)
        : this.#target.setAbsent === null
          ? this.#takeAway(endpoint, fault.action === 'remove')
          : this.#hide(endpoint, this.#target.setAbsent);
    armed.disarm = () => {
      disarm();
      undo();
    };
    this.#acted(armed);
  }

  /** The window into the buffer answers nothing. What the controller keeps there is still its own. */
  #closeCmb({ node, fn }: FaultEndpoint): () => void {
    const { fabric } = this.#target;
    const { cmb } = node as LabEndpoint & {
      readonly cmb: NonNullable<Extract<LabEndpoint, { cmb: unknown }>['cmb']>;
    };
    const fault: FabricFault = {
      bar: cmb.bar,
      start: cmb.offsetBytes,
      end: cmb.offsetBytes + cmb.sizeBytes,
      code: 'unsupported',
    };
    fabric.injectFault(fn, fault);
    return () => fabric.removeFault(fn, fault);
  }

  #hide(endpoint: FaultEndpoint, setAbsent: NonNullable<FaultTarget['setAbsent']>): () => void {
    // All functions of a card go with it.
    const card = this.#target.endpoints.filter(({ fn }) => fn.device === endpoint.fn.device);
    for (const one of card) {
      setAbsent(one, true);
    }
    return () => {
      for (const one of card) {
        setAbsent(one, false);
      }
    };
  }

  #takeAway({ fn }: FaultEndpoint, isPulled: boolean): () => void {
    const port = fn.device.bus.bridge!;
    if (isPulled) {
      if (!fn.isGone) {
        this.#target.fabric.surpriseRemove(port);
      }
      return () => {};
    }
    const at = port.config.offsets.express + LINK_CONTROL.offset;
    const bit = 1 << LINK_CONTROL.Link_Disable.low;
    port.config.write(at, 2, port.config.read(at, 2) | bit);
    return () => port.config.write(at, 2, port.config.read(at, 2) & ~bit);
  }

  #acted(armed: Armed): void {
    armed.acted++;
    this.onActed?.(armed.id, armed.fault);
  }
}

function actionOf(fault: LabFault): NvmeAction {
  switch (fault.action) {
    case 'delay':
      return { kind: 'delay', delayPs: fault.delayPs! };
    case 'status':
      return { kind: 'status', status: fault.status! };
    default:
      return { kind: fault.action as Exclude<NvmeAction['kind'], 'delay' | 'status'> };
  }
}

/**
 * The life of a controller: CC.EN with CSTS.RDY, CC.SHN with CSTS.SHST, CSTS.CFS.
 *
 * What the host writes is noted and acted upon in an event of its own, since it may come from inside a DMA request of this very
 * controller. A reset or shutdown is over only when nothing is under way any more, so a late completion meets nobody.
 * Follows NVM Express Base 2.1, sections 3.1.4.5, 3.1.4.6, 3.5.1, 3.6.1 and 3.7.2.
 */
import type { EventHandler, Executor } from '../../fabric/index.ts';
import {
  AQA,
  ARBITRATION,
  CAP,
  CC,
  COMMAND_SET_SELECTED,
  CSTS,
  SHUTDOWN_STATUS,
} from '../../spec/nvme/index.ts';

const EVENT = { CONFIGURED: 0, READY: 1, QUIET: 2 } as const;
/** Bits of CC that are kept. */
const CC_MASK = 0x01ff_fff1;

export type ControllerPhase =
  /** CC.EN is 0. */
  | 'off'
  | 'starting'
  | 'ready'
  /** CC.EN went to 0 and work in progress has to end. */
  | 'stopping'
  /** CC.SHN was written; what was under way has to end. */
  | 'halting'
  | 'halted'
  /** CSTS.CFS: nothing but a reset helps. */
  | 'fatal';

/** What happens to the rest of the controller. */
export interface LifeHooks {
  /** Makes the admin queues. @returns whether they can be */
  open(): boolean;
  /** No command is taken or completed from now on; `stopWork` follows. */
  halt(): void;
  /** Ends all work that can be ended. */
  stopWork(): void;
  readonly isQuiet: boolean;
  /** A shutdown: everything becomes durable. */
  flush(): void;
  /** A Controller Reset of everything but CC and CSTS. */
  resetInside(): void;
}

export class LifeCycle implements EventHandler {
  readonly #view: DataView;
  readonly #hooks: LifeHooks;
  #executor: Executor | undefined;
  #phase: ControllerPhase = 'off';
  #isResetWanted = false;
  #isShutdownWanted = false;
  #isQuietAsked = false;
  /** Changes with `forget`: old events mean nothing. */
  #epoch = 0;

  /** `properties` are the 4 KiB that the host reads. */
  constructor(properties: DataView, hooks: LifeHooks) {
    this.#view = properties;
    this.#hooks = hooks;
  }

  get phase(): ControllerPhase {
    return this.#phase;
  }

  attach(executor: Executor): void {
    this.#executor = executor;
  }

  /** A store to CC. */
  configure(value: number): void {
    const view = this.#view;
    const wasOn = CC.EN.read(view) === 1;
    CC.setValue(view, (value & CC_MASK) >>> 0);
    if (wasOn && CC.EN.of(value) === 0) {
      this.#isResetWanted = true;
      this.#hooks.halt();
    }
    if (CC.SHN.of(value) !== 0 && CSTS.SHST.read(view) === SHUTDOWN_STATUS.NONE) {
      this.shutDown();
    }
    this.#ask(EVENT.CONFIGURED);
  }

  shutDown(): void {
    CSTS.SHST.write(this.#view, SHUTDOWN_STATUS.OCCURRING);
    this.#isShutdownWanted = true;
    this.#ask(EVENT.CONFIGURED);
  }

  /** CSTS.CFS: something is wrong that no completion can say. */
  fail(): void {
    CSTS.CFS.write(this.#view, 1);
    if (this.#phase === 'ready' || this.#phase === 'starting' || this.#phase === 'off') {
      this.#phase = 'fatal';
    }
    this.#askQuiet();
  }

  /** Something under way has ended. */
  onQuieter(): void {
    if (this.#phase === 'stopping' || this.#phase === 'halting') {
      this.#askQuiet();
    }
  }

  /** Back to the start without waiting: requests under way never end. CC and CSTS are the caller's. */
  forget(): void {
    this.#epoch++;
    this.#phase = 'off';
    this.#isResetWanted = false;
    this.#isShutdownWanted = false;
    this.#isQuietAsked = false;
  }

  onEvent(code: number, epoch: number): void {
    if (epoch !== this.#epoch) {
      return;
    }
    switch (code) {
      case EVENT.CONFIGURED:
        this.#onConfigured();
        break;
      case EVENT.READY:
        this.#onReady();
        break;
      default:
        this.#isQuietAsked = false;
        this.#onQuiet();
        break;
    }
  }

  #ask(code: number): void {
    this.#executor!.after(0, this, code, this.#epoch);
  }

  #askQuiet(): void {
    if (!this.#isQuietAsked) {
      this.#isQuietAsked = true;
      this.#ask(EVENT.QUIET);
    }
  }

  #onConfigured(): void {
    if (this.#isShutdownWanted && this.#phase !== 'stopping') {
      this.#isShutdownWanted = false;
      this.#phase = 'halting';
      this.#hooks.stopWork();
      this.#askQuiet();
    }
    if (this.#isResetWanted) {
      this.#isResetWanted = false;
      this.#isShutdownWanted = false;
      this.#phase = 'stopping';
      this.#hooks.stopWork();
      this.#askQuiet();
    } else if (this.#phase === 'off' && CC.EN.read(this.#view) === 1) {
      this.#start();
    }
  }

  #start(): void {
    if (this.#isPossible()) {
      this.#phase = 'starting';
      this.#ask(EVENT.READY);
    } else {
      this.fail();
    }
  }

  /** Whether the controller can do what CC and AQA ask for. */
  #isPossible(): boolean {
    const view = this.#view;
    const selected = CC.CSS.read(view);
    const arbitration = CC.AMS.read(view);
    const hasAll = (CAP.CSS.read(view) & (1 << COMMAND_SET_SELECTED.ALL)) !== 0;
    return (
      CC.MPS.read(view) >= CAP.MPSMIN.read(view) &&
      CC.MPS.read(view) <= CAP.MPSMAX.read(view) &&
      (selected === COMMAND_SET_SELECTED.NVM || (selected === COMMAND_SET_SELECTED.ALL && hasAll)) &&
      (arbitration === ARBITRATION.ROUND_ROBIN || arbitration === ARBITRATION.WEIGHTED_ROUND_ROBIN_URGENT) &&
      AQA.ASQS.read(view) > 0 &&
      AQA.ACQS.read(view) > 0
    );
  }

  #onReady(): void {
    if (this.#phase !== 'starting') {
      return;
    }
    if (this.#hooks.open()) {
      this.#phase = 'ready';
      CSTS.RDY.write(this.#view, 1);
    } else {
      this.fail();
    }
  }

  #onQuiet(): void {
    if (!this.#hooks.isQuiet) {
      return;
    }
    if (this.#phase === 'halting') {
      this.#phase = 'halted';
      this.#hooks.flush();
      CSTS.SHST.write(this.#view, SHUTDOWN_STATUS.COMPLETE);
    } else if (this.#phase === 'stopping') {
      this.#finishReset();
    }
  }

  /** A Controller Reset: the admin queue's properties and CMBMSC stay. */
  #finishReset(): void {
    const view = this.#view;
    this.#hooks.resetInside();
    const nssro = CSTS.NSSRO.read(view);
    CSTS.setValue(view, 0);
    CSTS.NSSRO.write(view, nssro);
    this.#phase = 'off';
    if (CC.EN.read(view) === 1) {
      this.#start();
    } else if (CC.SHN.read(view) !== 0) {
      CSTS.SHST.write(view, SHUTDOWN_STATUS.COMPLETE);
    }
  }
}

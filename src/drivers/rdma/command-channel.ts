/** Commands to the NIC, and the events that come back: two rings in host memory. */
import {
  type BarWindow,
  type CoherentMemory,
  Delivery,
  type EventHandler,
  type PciFunction,
  PS_PER_S,
  read32,
  type Task,
  type TimerId,
} from '../../access/index.ts';
import {
  CMD_NUMBER,
  CMD_OPCODE,
  CMD_RESULT,
  CMD_RESULTS_AT,
  CMD_RESULTS_BYTES,
  EVENT_BYTES,
  EVENT_HEAD,
  EVENT_NUMBER,
  RNIC_CMD_HIGH,
  RNIC_CMD_LOW,
  RNIC_CMD_TAIL,
  RNIC_COMMAND,
  RNIC_COMMAND_BYTES,
  RNIC_CTRL,
  RNIC_EVENT_HEAD,
  RNIC_EVENT_HIGH,
  RNIC_EVENT_LOW,
  RNIC_EVENT_TYPE,
  RNIC_RESULT,
  RNIC_SIZES,
  RNIC_STATUS,
} from '../../spec/rdma/index.ts';
import { RdmaError } from './rdma-error.ts';

const COMMAND_LOG = 5;
const COMMANDS = 2 ** COMMAND_LOG;
const EVENT_LOG = 10;
const EVENTS = 2 ** EVENT_LOG;
const TIMEOUT_PS = 10 * PS_PER_S;

type CommandName = keyof typeof RNIC_COMMAND;

const RESULT_TEXT: Readonly<Record<number, string>> = {
  [RNIC_RESULT.BAD_COMMAND]: 'it does not know the command',
  [RNIC_RESULT.BAD_NUMBER]: 'no such number, or one that is taken',
  [RNIC_RESULT.BAD_PARAMETER]: 'a parameter that cannot be',
  [RNIC_RESULT.BUSY]: 'it is still in use',
  [RNIC_RESULT.BAD_STATE]: 'no such change of state, or an attribute that it needs is missing',
  [RNIC_RESULT.TABLE_FAILED]: 'its table of addresses could not be read',
};

/** What a command ended with: its RNIC_RESULT, or why none came. */
type Outcome = number | 'gone' | 'timeout';

export class CommandChannel implements EventHandler {
  readonly #fn: PciFunction;
  readonly #registers: BarWindow;
  readonly #ring: CoherentMemory;
  readonly #events: CoherentMemory;
  readonly #waiting: (Delivery<Outcome> | undefined)[] = new Array(COMMANDS).fill(undefined);
  readonly #timers: TimerId[] = new Array(COMMANDS).fill(0);
  readonly #results = new DataView(new ArrayBuffer(RNIC_COMMAND_BYTES));
  #rooms: Delivery<void>[] = [];
  #posted = 0;
  #done = 0;
  #eventsTaken = 0;
  #isClosed = false;
  /** Everything but the end of a command. */
  onEventEntry: (type: number, number: number) => void = () => {};
  /** The function was taken away. Called once. */
  onGone: () => void = () => {};

  private constructor(fn: PciFunction, registers: BarWindow) {
    this.#fn = fn;
    this.#registers = registers;
    this.#ring = fn.dma.allocCoherent(COMMANDS * RNIC_COMMAND_BYTES);
    this.#events = fn.dma.allocCoherent(EVENTS * EVENT_BYTES);
  }

  /** Programs both rings and switches the NIC on. @throws {RdmaError} RDMA_START */
  static *start(fn: PciFunction, registers: BarWindow, label: string): Task<CommandChannel> {
    const channel = new CommandChannel(fn, registers);
    const low = (address: number): number => address % 2 ** 32;
    const high = (address: number): number => Math.floor(address / 2 ** 32);
    registers.write32(RNIC_CTRL.offset, 0);
    registers.write32(RNIC_CMD_LOW.offset, low(channel.#ring.addr));
    registers.write32(RNIC_CMD_HIGH.offset, high(channel.#ring.addr));
    registers.write32(RNIC_EVENT_LOW.offset, low(channel.#events.addr));
    registers.write32(RNIC_EVENT_HIGH.offset, high(channel.#events.addr));
    registers.write32(RNIC_SIZES.offset, COMMAND_LOG | (EVENT_LOG << 8));
    fn.onGone = () => channel.#gone();
    const vectors = fn.interrupts.enable(1, () => channel.reap());
    registers.write32(RNIC_CTRL.offset, 1);
    const status = yield* read32(registers, RNIC_STATUS.offset);
    if (status === 0xffff_ffff || RNIC_STATUS.RDY.of(status) === 0 || vectors === 0) {
      channel.close();
      throw new RdmaError('RDMA_START', {
        message: `${label}: the RDMA NIC ${vectors === 0 ? 'has no interrupt' : 'does not come up'}`,
        detail: { status, vectors },
        hint: 'was the function removed, and does it have MSI-X or MSI?',
        exitStatus: 3,
      });
    }
    return channel;
  }

  /**
   * Runs a command.
   * @param fill  writes its parameters; `base` is where they start in `view`
   * @returns the part of the entry that the NIC has written, valid until the next command ends; offsets as in the entry
   * @throws {RdmaError} RDMA_COMMAND, RDMA_TIMEOUT, RDMA_GONE
   */
  *run(name: CommandName, number: number, fill?: (view: DataView, base: number) => void): Task<DataView> {
    while (!this.#isClosed && this.#posted - this.#done >= COMMANDS) {
      const room = new Delivery<void>();
      this.#rooms.push(room);
      yield* room.wait();
    }
    if (this.#isClosed) {
      throw gone(name);
    }
    const slot = this.#posted % COMMANDS;
    const base = slot * RNIC_COMMAND_BYTES;
    const { view, bytes } = this.#ring;
    bytes.fill(0, base, base + RNIC_COMMAND_BYTES);
    CMD_OPCODE.OPCODE.write(view, RNIC_COMMAND[name], base);
    CMD_NUMBER.setValue(view, number, base);
    fill?.(view, base);
    const delivery = new Delivery<Outcome>();
    this.#waiting[slot] = delivery;
    this.#timers[slot] = this.#fn.executor.timer(TIMEOUT_PS, this, slot, 0);
    this.#posted++;
    this.#registers.write32(RNIC_CMD_TAIL.offset, this.#posted % 0x1_0000);
    const outcome = yield* delivery.wait();
    if (outcome === RNIC_RESULT.DONE) {
      return this.#results;
    }
    if (outcome === 'gone') {
      throw gone(name);
    }
    if (outcome === 'timeout') {
      throw new RdmaError('RDMA_TIMEOUT', {
        message: `the RDMA NIC did not answer ${name}`,
        detail: { command: name },
        hint: 'reset the function',
        exitStatus: 3,
      });
    }
    throw new RdmaError('RDMA_COMMAND', {
      message: `the RDMA NIC refused ${name}: ${RESULT_TEXT[outcome] ?? `result ${outcome}`}`,
      detail: { command: name, number, result: outcome },
      hint: outcome === RNIC_RESULT.BUSY ? 'destroy what uses it first' : 'see the limits of queryDevice()',
      exitStatus: 3,
    });
  }

  /** A command was not answered in time. */
  onEvent(slot: number): void {
    this.#timers[slot] = 0;
    const waiting = this.#waiting[slot];
    this.#waiting[slot] = undefined;
    waiting?.deliver('timeout');
  }

  /** Takes the events that are there. */
  reap(): void {
    const { view } = this.#events;
    const before = this.#eventsTaken;
    for (;;) {
      const at = (this.#eventsTaken % EVENTS) * EVENT_BYTES;
      const phase = 1 - (Math.floor(this.#eventsTaken / EVENTS) % 2);
      if (this.#isClosed || EVENT_HEAD.PHASE.read(view, at) !== phase) {
        break;
      }
      const type = EVENT_HEAD.TYPE.read(view, at);
      const number = EVENT_NUMBER.value(view, at);
      this.#eventsTaken++;
      if (type === RNIC_EVENT_TYPE.COMMAND_DONE) {
        this.#commandDone();
      } else {
        this.onEventEntry(type, number);
      }
    }
    if (this.#eventsTaken !== before && !this.#isClosed) {
      this.#registers.write32(RNIC_EVENT_HEAD.offset, this.#eventsTaken % 0x1_0000);
    }
  }

  /** Switches the NIC off. Commands under way end as gone. Idempotent. */
  close(): void {
    if (!this.#isClosed) {
      this.#registers.write32(RNIC_CTRL.offset, 0);
      this.#fn.interrupts.disable();
      this.#end();
      this.#ring.free();
      this.#events.free();
    }
  }

  /** Commands end in the order of the ring. */
  #commandDone(): void {
    const slot = this.#done++ % COMMANDS;
    const base = slot * RNIC_COMMAND_BYTES;
    const { view, bytes } = this.#ring;
    const from = base + CMD_RESULTS_AT;
    new Uint8Array(this.#results.buffer).set(bytes.subarray(from, from + CMD_RESULTS_BYTES), CMD_RESULTS_AT);
    const waiting = this.#waiting[slot];
    this.#waiting[slot] = undefined;
    this.#fn.executor.cancel(this.#timers[slot]!);
    waiting?.deliver(CMD_RESULT.value(view, base));
    const rooms = this.#rooms;
    this.#rooms = [];
    for (const room of rooms) {
      room.deliver();
    }
  }

  #gone(): void {
    if (!this.#isClosed) {
      this.#end();
      this.onGone();
    }
  }

  #end(): void {
    this.#isClosed = true;
    for (let slot = 0; slot < COMMANDS; slot++) {
      const waiting = this.#waiting[slot];
      this.#waiting[slot] = undefined;
      this.#fn.executor.cancel(this.#timers[slot]!);
      waiting?.deliver('gone');
    }
    const rooms = this.#rooms;
    this.#rooms = [];
    for (const room of rooms) {
      room.deliver();
    }
  }
}

function gone(name: string): RdmaError {
  return new RdmaError('RDMA_GONE', {
    message: `the RDMA NIC went away before ${name} was done`,
    detail: { command: name },
    hint: 'was the device removed, or the context closed?',
    exitStatus: 3,
  });
}

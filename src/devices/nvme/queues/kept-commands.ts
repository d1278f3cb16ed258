/**
 * Commands that a fault keeps back: some for a time, before they are executed, others for ever, their completion being lost.
 */
import type { EventHandler, Executor, TimerId } from '../../../fabric/index.ts';
import type { Command } from '../command.ts';

export class KeptCommands implements EventHandler {
  readonly #executor: Executor;
  readonly #onDue: (command: Command) => void;
  readonly #kept = new Map<number, { readonly command: Command; readonly timer: TimerId }>();

  /** @param onDue  the time of a command is over; it is kept no longer */
  constructor(executor: Executor, onDue: (command: Command) => void) {
    this.#executor = executor;
    this.#onDue = onDue;
  }

  /** Keeps a command for `delayPs`, 0 for ever. Passes in untimed machines too. */
  keep(command: Command, delayPs: number): void {
    command.isHeld = true;
    const timer = delayPs === 0 ? 0 : this.#executor.timer(delayPs, this, 0, command.index);
    this.#kept.set(command.index, { command, timer });
  }

  /** Gives a command up. */
  drop(command: Command): void {
    this.#executor.cancel(this.#kept.get(command.index)?.timer ?? 0);
    this.#kept.delete(command.index);
    command.isHeld = false;
  }

  /** Gives all up and returns them. */
  dropAll(): readonly Command[] {
    const commands = Array.from(this.#kept.values(), ({ command }) => command);
    for (const command of commands) {
      this.drop(command);
    }
    return commands;
  }

  onEvent(_code: number, slot: number): void {
    const { command } = this.#kept.get(slot)!;
    this.#kept.delete(slot);
    command.isHeld = false;
    this.#onDue(command);
  }
}

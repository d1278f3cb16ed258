/** Commands of one drive, a line each when it ends. */
import type { Command, CommandListener } from '../../../devices/index.ts';
import type { FabricFunction } from '../../../fabric/index.ts';
import { commandText, dataOf, resultText } from './command-text.ts';
import type { Places } from './places.ts';

export interface CommandLogHost {
  /** Of this computer. */
  readonly nowNs: () => number;
  readonly write: (line: string) => void;
}

interface Running {
  readonly text: string;
  readonly sinceNs: number;
}

export class CommandLog implements CommandListener {
  readonly #name: string;
  readonly #fn: FabricFunction;
  readonly #places: Places;
  readonly #host: CommandLogHost;
  /** By slot of the command. */
  readonly #running: (Running | undefined)[] = [];

  constructor(name: string, fn: FabricFunction, places: Places, host: CommandLogHost) {
    this.#name = name;
    this.#fn = fn;
    this.#places = places;
    this.#host = host;
  }

  onSubmitted(): void {}

  onFetched(command: Command): void {
    const data = dataOf(command);
    // Asked now: when the command ends, the memory may have gone.
    const where =
      data === null ? '' : ` ${data.isToHost ? '->' : '<-'} ${this.#places.of(this.#fn, data.addr)}`;
    this.#running[command.index] = {
      text: `${this.#name} SQ${command.queueId} cid ${command.cid} ${commandText(command)}${where}`,
      sinceNs: this.#host.nowNs(),
    };
  }

  onCompleted(command: Command): void {
    const running = this.#running[command.index];
    this.#running[command.index] = undefined;
    if (running !== undefined) {
      const us = Math.round((this.#host.nowNs() - running.sinceNs) / 1000);
      this.#host.write(`${running.text}: ${resultText(command)} in ${us} us`);
    }
  }

  onConsumed(): void {}

  /** A reset: what is under way never ends. */
  forget(): void {
    for (const running of this.#running.splice(0)) {
      if (running !== undefined) {
        this.#host.write(`${running.text}: ended by a reset`);
      }
    }
  }
}

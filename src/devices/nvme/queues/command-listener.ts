/** What a trace wants to know of the queues of a controller. Called only while somebody listens, from inside the event. */
import type { Command } from '../command.ts';

export interface CommandListener {
  /** The host has put `count` further entries into a submission queue, and said so. */
  onSubmitted(sqid: number, count: number): void;
  /** An entry was taken from its queue; its command begins. The command's slot, `index`, is also the token of its DMA. */
  onFetched(command: Command): void;
  /** The command is over; its completion entry goes into queue `cqid` next. */
  onCompleted(command: Command, cqid: number): void;
  /** The host has taken `count` entries from a completion queue, and said so. */
  onConsumed(cqid: number, count: number): void;
}

/**
 * The tracks of one drive: commands waiting in each submission queue, commands in execution, and completion entries that the host
 * has not taken yet. One number, a flow, joins what belongs to a command.
 */
import type { Command, CommandListener, NvmeController } from '../../devices/index.ts';
import type { PerfettoTrace, TrackId } from '../../report/index.ts';
import { ADMIN_OPCODE, NVM_OPCODE } from '../../spec/nvme/index.ts';

/** What the drive's tracks need of the recorder. */
export interface DriveHost {
  readonly trace: PerfettoTrace;
  readonly nowPs: number;
  readonly isFull: boolean;
  nextFlow(): number;
}

interface Running {
  readonly flow: number;
  readonly fetchedPs: number;
  readonly name: string;
}

interface Entry {
  readonly flow: number;
  readonly sincePs: number;
  readonly name: string;
}

interface CompletionTrack {
  readonly track: TrackId;
  /** What the host has not taken, the oldest first. */
  readonly entries: Entry[];
  /** Entries before them, from before anybody listened. */
  unknown: number;
}

/** A request of a stream that waits for its command. */
interface Issued {
  readonly take: (flow: number) => void;
}

export class DriveTracks implements CommandListener {
  readonly #host: DriveHost;
  readonly #track: TrackId;
  readonly #commands: TrackId;
  readonly #waiting = new Map<number, { readonly track: TrackId; readonly sincePs: number[] }>();
  readonly #completions = new Map<number, CompletionTrack>();
  /** By slot of the command. */
  readonly #running: (Running | undefined)[] = [];
  readonly #issued = new Map<string, Issued[]>();

  /** @param drive as it is now: what its queues hold already is known to be there, and no more */
  constructor(host: DriveHost, name: string, drive: NvmeController) {
    this.#host = host;
    this.#track = host.trace.track(null, `drive ${name}`);
    this.#commands = host.trace.track(this.#track, 'commands in execution');
    for (const queue of drive.engine.submissions) {
      if (queue !== null) {
        this.onSubmitted(queue.id, queue.waitingCount);
      }
    }
    for (const queue of drive.engine.completions) {
      const count = queue === null ? 0 : (queue.tail - queue.head + queue.entries) % queue.entries;
      if (count > 0) {
        this.#completion(queue!.id).unknown = count;
      }
    }
  }

  /** The command whose DMA has this token; 0 where it is no command's. */
  flowOf(token: number): number {
    return this.#running[token]?.flow ?? 0;
  }

  /** A stream asks for blocks; who fetches the command tells `take` its flow. */
  expect(isRead: boolean, startBlock: number, take: (flow: number) => void): void {
    const key = keyOf(isRead ? NVM_OPCODE.READ : NVM_OPCODE.WRITE, startBlock);
    const issued = this.#issued.get(key);
    if (issued === undefined) {
      this.#issued.set(key, [{ take }]);
    } else {
      issued.push({ take });
    }
  }

  onSubmitted(sqid: number, count: number): void {
    const { sincePs } = this.#queue(sqid);
    for (let i = 0; i < count; i++) {
      sincePs.push(this.#host.nowPs);
    }
  }

  onFetched(command: Command): void {
    const { nowPs, trace, isFull } = this.#host;
    if (isFull) {
      return;
    }
    const flow = this.#host.nextFlow();
    const name = commandName(command);
    this.#running[command.index] = { flow, fetchedPs: nowPs, name };
    const queue = this.#queue(command.queueId);
    // Entries from before anybody listened are not known.
    const sincePs = queue.sincePs.shift() ?? nowPs;
    trace.slice(queue.track, name, sincePs, nowPs, { flows: [flow], args: { cid: command.cid } });
    if (command.queueId !== 0) {
      this.#tellStream(command, flow);
    }
  }

  onCompleted(command: Command, cqid: number): void {
    const running = this.#running[command.index];
    if (running === undefined || this.#host.isFull) {
      return;
    }
    this.#running[command.index] = undefined;
    const { nowPs, trace } = this.#host;
    const { flow, fetchedPs, name } = running;
    trace.slice(this.#commands, name, fetchedPs, nowPs, {
      flows: [flow],
      args: { sqid: command.queueId, cid: command.cid, status: command.status },
    });
    this.#completion(cqid).entries.push({ flow, sincePs: nowPs, name });
  }

  onConsumed(cqid: number, count: number): void {
    const queue = this.#completion(cqid);
    const { track, entries } = queue;
    const known = Math.max(0, count - queue.unknown);
    queue.unknown = Math.max(0, queue.unknown - count);
    const { nowPs, trace, isFull } = this.#host;
    for (const { flow, sincePs, name } of entries.splice(0, known)) {
      if (!isFull) {
        trace.slice(track, name, sincePs, nowPs, { endsFlows: [flow] });
      }
    }
  }

  #tellStream(command: Command, flow: number): void {
    // Of reads and writes, the first block. NVM Command Set 1.0, 3.2.4 and 3.2.6.
    const startBlock = command.dword(10) + command.dword(11) * 0x1_0000_0000;
    const key = keyOf(command.opcode, startBlock);
    const issued = this.#issued.get(key);
    if (issued !== undefined) {
      issued.shift()!.take(flow);
      if (issued.length === 0) {
        this.#issued.delete(key);
      }
    }
  }

  #queue(sqid: number): { readonly track: TrackId; readonly sincePs: number[] } {
    let queue = this.#waiting.get(sqid);
    if (queue === undefined) {
      queue = { track: this.#host.trace.track(this.#track, `submission queue ${sqid}`), sincePs: [] };
      this.#waiting.set(sqid, queue);
    }
    return queue;
  }

  #completion(cqid: number): CompletionTrack {
    let queue = this.#completions.get(cqid);
    if (queue === undefined) {
      queue = {
        track: this.#host.trace.track(this.#track, `completion queue ${cqid}`),
        entries: [],
        unknown: 0,
      };
      this.#completions.set(cqid, queue);
    }
    return queue;
  }
}

function keyOf(opcode: number, startBlock: number): string {
  return `${opcode} ${startBlock}`;
}

const NAMES = {
  admin: new Map<number, string>(Object.entries(ADMIN_OPCODE).map(([name, value]) => [value, word(name)])),
  io: new Map<number, string>(Object.entries(NVM_OPCODE).map(([name, value]) => [value, word(name)])),
};

function word(name: string): string {
  return name.toLowerCase().replaceAll('_', ' ');
}

function commandName({ queueId, opcode }: Command): string {
  return (queueId === 0 ? NAMES.admin : NAMES.io).get(opcode) ?? `opcode 0x${opcode.toString(16)}`;
}

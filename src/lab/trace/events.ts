/** All that can be heard of a run that is traced. Times are picoseconds since the machine was switched on. */
import type { CommandListener } from '../../devices/index.ts';
import type { RequestListener, TimingListener } from '../../fabric/index.ts';
import type { LabMember } from '../machine/index.ts';
import type { StreamListener } from '../workload/index.ts';

/** Requests and what they occupy; requests of streams; commands of drives. All is heard when it happens, at `queue.nowPs`. */
export interface TraceSink extends TimingListener, RequestListener, StreamListener {
  /** Who hears of the commands of a drive; null: nobody. */
  commandsOf(member: LabMember): CommandListener | null;
  /** It takes nothing more. */
  readonly isFull: boolean;
  /** Since when; null: it is not full. */
  readonly fullPs: number | null;
  /** Nothing more comes: what is left is written. */
  close(): void;
}

/**
 * Asynchronous events: requests kept outstanding, and the log page read that lets the next event of the kind come.
 *
 * What an event leads to is the controller's business. A controller that reports without end is no longer listened to.
 * Follows NVM Express Base 2.1, section 5.1.2.
 */
import { PS_PER_MS, startTask, type Task } from '../../access/index.ts';
import { PeerlaneError } from '../../base/index.ts';
import { ADMIN_OPCODE, ASYNC_EVENT_RESULT, FEATURE, LOG_PAGE, NVME_STATUS } from '../../spec/nvme/index.ts';
import { Command } from './command-runner.ts';
import type { Engine } from './engine.ts';

export interface NvmeEvent {
  /** ASYNC_EVENT_TYPE. */
  readonly type: number;
  readonly information: number;
  /** LOG_PAGE. */
  readonly logPage: number;
  /** The page; null when it could not be read. */
  readonly log: Uint8Array | null;
}

/** More events than this in one millisecond are a storm. */
const STORM_EVENTS = 256;
const LOG_BYTES = 512;
const LIST_BYTES = 4096;

/**
 * Asks for what the controller can report and keeps requests outstanding, until the controller is reset or closed.
 * @param isCurrent false once the controller was reset: the requests of before end by themselves
 */
export function* listen(
  engine: Engine,
  isCurrent: () => boolean,
  onEvent: (event: NvmeEvent) => void,
): Task<void> {
  const { identity, options, admin } = engine;
  const count = Math.min(options.eventRequests, identity.eventRequestsMax, 16);
  if (count === 0) {
    return;
  }
  yield* admin.trySetFeature(FEATURE.ASYNC_EVENT_CONFIGURATION, identity.eventMask);
  const storm = new Storm(engine);
  for (let i = 0; i < count && isCurrent(); i++) {
    startTask(
      request(engine, isCurrent, onEvent, storm),
      () => {},
      (error) => {
        // A log page that vanishes with its controller is no news; anything else is a bug.
        if (!(error instanceof PeerlaneError)) {
          throw error;
        }
      },
    );
  }
}

function* request(
  engine: Engine,
  isCurrent: () => boolean,
  onEvent: (event: NvmeEvent) => void,
  storm: Storm,
): Task<void> {
  const command = new Command(ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST);
  while (isCurrent() && !storm.isOver) {
    const result = yield* engine.runner.run(engine.adminQueue, command.bytes, null, false);
    if (result.loss !== null || !isCurrent()) {
      return;
    }
    if (result.status !== NVME_STATUS.SUCCESS) {
      if (result.status !== NVME_STATUS.ABORT_REQUESTED) {
        engine.anomalies.record(
          'command-refused',
          `${engine.label} refuses an asynchronous event request: ${result.status}`,
        );
      }
      return;
    }
    storm.count();
    const logPage = ASYNC_EVENT_RESULT.LID.of(result.dw0);
    const log = yield* readLog(engine, logPage);
    if (!isCurrent()) {
      return;
    }
    onEvent({
      type: ASYNC_EVENT_RESULT.AET.of(result.dw0),
      information: ASYNC_EVENT_RESULT.AEI.of(result.dw0),
      logPage,
      log,
    });
  }
}

/** Reading the page re-arms its event. */
function* readLog(engine: Engine, logPage: number): Task<Uint8Array | null> {
  if (logPage === 0) {
    return null;
  }
  const lengthBytes = logPage === LOG_PAGE.CHANGED_ATTACHED_NAMESPACES ? LIST_BYTES : LOG_BYTES;
  try {
    return yield* engine.admin.getLogPage(logPage, lengthBytes);
  } catch (error) {
    if (error instanceof PeerlaneError) {
      return null;
    }
    throw error;
  }
}

class Storm {
  readonly #engine: Engine;
  #sincePs: number;
  #events = 0;
  isOver = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#sincePs = engine.executor.nowPs;
  }

  count(): void {
    const now = this.#engine.executor.nowPs;
    if (now - this.#sincePs > PS_PER_MS) {
      this.#sincePs = now;
      this.#events = 0;
    }
    if (++this.#events > STORM_EVENTS && !this.isOver) {
      this.isOver = true;
      this.#engine.anomalies.record(
        'event-storm',
        `${this.#engine.label} reported more than ${STORM_EVENTS} events in a millisecond; not listened to any more`,
      );
    }
  }
}

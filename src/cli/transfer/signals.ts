/** A signal stops a transfer in an orderly way: what is in flight is finished, memory given back, the summary printed. */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface SignalWatch {
  /** 128 + number of the first signal; undefined when none came. */
  readonly exitStatus: () => number | undefined;
  readonly end: () => void;
}

/**
 * What came with the first signal is not a second one: `timeout` sends one to the program and one to its group, a terminal to `npx`,
 * which hands it on, and to us.
 */
const SECOND_AFTER_MS = 300;

/** @param onSignal  called once; a later signal ends the process at once, as it would without us */
export function watchSignals(onSignal: () => void): SignalWatch {
  let status: number | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    if (status === undefined) {
      status = 128 + constants.signals[signal];
      setTimeout(end, SECOND_AFTER_MS).unref();
      onSignal();
    }
  };
  const end = (): void => {
    for (const signal of SIGNALS) {
      process.removeListener(signal, listener);
    }
  };
  for (const signal of SIGNALS) {
    process.on(signal, listener);
  }
  return { exitStatus: () => status, end };
}

/** A signal stops a transfer in an orderly way: what is in flight is finished, memory given back, the summary printed. */
import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface SignalWatch {
  /** 128 + number of the first signal; undefined when none came. */
  readonly exitStatus: () => number | undefined;
  readonly end: () => void;
}

/** @param onSignal  called once; a second signal of the same kind ends the process at once, as it would without us */
export function watchSignals(onSignal: () => void): SignalWatch {
  let status: number | undefined;
  const listener = (signal: NodeJS.Signals): void => {
    end();
    status = 128 + constants.signals[signal];
    onSignal();
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

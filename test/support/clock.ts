// How time passes in a machine under test: the contracts of devices and drivers hold for all of these.
import type { BootOptions } from '../../src/lab/index.ts';

/** Not at all; by one of the engines; a number: everything takes a random time, drawn from this seed. */
export type Clock = 'untimed' | 'tlp' | 'flow' | number;

/** What `LabMachine.boot` needs for it. */
export function clockOptions(clock: Clock, jitterPs = 1000): Pick<BootOptions, 'jitter' | 'timing'> {
  if (clock === 'untimed') {
    return {};
  }
  return typeof clock === 'number' ? { jitter: { seed: clock, jitterPs } } : { timing: { engine: clock } };
}

/** `--kernel`: a person typed it, so a text that is no version is a mistake to be named. */
import { UsageError } from '../base/index.ts';
import { parseKernelVersion, type RuleSet, rulesFor, rulesForMachine } from '../p2pdma/index.ts';
import type { Machine } from '../topology/index.ts';

/** @throws {UsageError} USAGE_KERNEL_VERSION */
export function rulesForOption(machine: Machine, kernel: string | undefined): RuleSet {
  if (kernel === undefined) {
    return rulesForMachine(machine);
  }
  const version = parseKernelVersion(kernel);
  if (version === undefined) {
    throw new UsageError('USAGE_KERNEL_VERSION', {
      message: `--kernel ${kernel} is not a kernel version`,
      hint: 'give it as uname -r prints it, for example 7.2 or 6.12.5',
      detail: { asked: kernel },
    });
  }
  return rulesFor(version);
}

/** ACS Control after a boot with `pci=disable_acs_redir=` and `pci=config_acs=`: which functions they name, and what each gets. */
import type { Bdf } from '../base/index.ts';
import { acsAfterConfigAcs, acsAfterDisableRedir, parseKernelVersion } from '../p2pdma/index.ts';
import type { MachineIndex } from '../topology/index.ts';
import { type AcsElement, matchSpec, parseConfigList, parseRedirectList } from './acs-parameters.ts';
import { parseCommandLine, pciOptions } from './command-line.ts';

/** The word that firmware left, and the one that the kernel made of it by its defaults (`acsKernelDefault`). */
export interface AcsBeforeParameters {
  readonly firmware: number;
  readonly kernelDefault: number;
}

/**
 * @param words for every function with an ACS capability
 * @returns the functions whose word the command line of the machine changes. Where the kernel's version leaves open what a
 *   parameter does, the word is left out.
 */
export function acsAtBoot(
  index: MachineIndex,
  words: ReadonlyMap<Bdf, AcsBeforeParameters>,
): ReadonlyMap<Bdf, number> {
  const version = parseKernelVersion(index.machine.kernel.release ?? '');
  const changed = new Map<Bdf, number>();
  const options = pciOptions(parseCommandLine(index.machine.kernel.commandLine ?? ''));
  const each = (name: string, parse: (value: string) => AcsElement[], word: AcsWord): void => {
    const seen = new Set<Bdf>();
    for (const option of options.filter((one) => one.name === name)) {
      for (const element of parse(option.value ?? '')) {
        const functions = element.problem === null ? matchSpec(index, element.spec!) : [];
        for (const { bdf } of functions) {
          const before = words.get(bdf);
          const after = before === undefined || seen.has(bdf) ? undefined : word(before, element);
          // The first element that names a function counts for it.
          seen.add(bdf);
          if (after !== undefined) {
            changed.set(bdf, after);
          }
        }
      }
    }
  };
  each('disable_acs_redir', parseRedirectList, ({ firmware, kernelDefault }) =>
    acsAfterDisableRedir(version, firmware, kernelDefault),
  );
  // Evaluated last, and from firmware's word again: for a function named in both it alone decides.
  each('config_acs', parseConfigList, ({ firmware, kernelDefault }, { flags }) =>
    flags === null
      ? undefined
      : acsAfterConfigAcs(version, firmware, kernelDefault, { mask: flags.mask, ones: flags.value }),
  );
  return changed;
}

type AcsWord = (before: AcsBeforeParameters, element: AcsElement) => number | undefined;

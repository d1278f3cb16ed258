/**
 * What firmware and the kernel switch on in functions besides ACS, before drivers are bound: address translation services and
 * end-to-end checksums.
 */
import type { FabricPciFunction } from '../../fabric/index.ts';
import { ADVANCED_ERROR_CAPABILITIES_AND_CONTROL, ATS_CONTROL, EXTENDED_ID } from '../../spec/index.ts';
import type { LabFile } from '../file/index.ts';

/** Options of `pci=`, in all places where the command line has it. */
function pciOptions(commandLine: string): readonly string[] {
  return [...commandLine.matchAll(/(?:^|\s)pci=(\S+)/g)].flatMap((match) => match[1]!.split(','));
}

/** `pci=noats`. Linux: drivers/pci/pci.c, pci_setup(). */
export function isAtsDisabled(commandLine: string): boolean {
  return pciOptions(commandLine).includes('noats');
}

/**
 * Switches on what a function can and the machine wants.
 *
 * ATS: where the IOMMU translates and answers translation requests, and not behind a VMD, whose domain its tables do not name.
 * Linux: drivers/pci/ats.c, pci_enable_ats(); drivers/iommu/intel/iommu.c, dmar_ats_supported(). No function of a lab is one
 * that Linux does not trust.
 *
 * ECRC: by firmware, or by `pci=ecrc=`. Linux: drivers/pci/pcie/aer.c, pcie_set_ecrc_checking().
 *
 * @param isBehindVmd the function is of a domain that a VMD makes
 */
export function switchFeaturesOn(lab: LabFile, { config }: FabricPciFunction, isBehindVmd: boolean): void {
  const { iommu, kernel } = lab;
  if (iommu.mode === 'translated' && iommu.hasAts && !isBehindVmd && !isAtsDisabled(kernel.commandLine)) {
    const ats = config.findExtendedCapability(EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES);
    if (ats !== 0) {
      // Smallest Translation Unit stays 0: pages of 4 KiB.
      config.write16(ats + ATS_CONTROL.offset, bitOf(ATS_CONTROL.Enable));
    }
  }
  if (hasEcrc(lab)) {
    const aer = config.findExtendedCapability(EXTENDED_ID.ADVANCED_ERROR_REPORTING);
    if (aer !== 0) {
      const {
        offset,
        ECRC_Generation_Capable,
        ECRC_Generation_Enable,
        ECRC_Check_Capable,
        ECRC_Check_Enable,
      } = ADVANCED_ERROR_CAPABILITIES_AND_CONTROL;
      const word = config.read32(aer + offset);
      config.write32(
        aer + offset,
        word |
          (ECRC_Generation_Capable.of(word) === 1 ? bitOf(ECRC_Generation_Enable) : 0) |
          (ECRC_Check_Capable.of(word) === 1 ? bitOf(ECRC_Check_Enable) : 0),
      );
    }
  }
}

/** The kernel has the last word where its command line says one and it was built to hear it. */
function hasEcrc({ firmwareEcrc, kernel }: LabFile): boolean {
  const said = pciOptions(kernel.commandLine)
    .filter((option) => /^ecrc=(?:on|off|bios)$/.test(option))
    .at(-1);
  const { CONFIG_PCIE_ECRC } = kernel.config;
  const isHeard = CONFIG_PCIE_ECRC === 'y';
  return said === undefined || said === 'ecrc=bios' || !isHeard ? firmwareEcrc : said === 'ecrc=on';
}

function bitOf(field: { readonly low: number }): number {
  return 1 << field.low;
}

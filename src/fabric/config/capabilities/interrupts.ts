/** MSI and MSI-X. PCIe Base 6.0, 7.7.1 and 7.7.2. */
import { assert, type RegisterMeta } from '../../../base/index.ts';
import {
  CAPABILITY_ID,
  MSI_64_MASKABLE,
  MSI_MESSAGE_CONTROL,
  MSI_X,
  MSIX_MESSAGE_CONTROL,
  MSIX_PBA,
  MSIX_TABLE,
} from '../../../spec/pci/index.ts';
import type { MsixDescription } from '../../model.ts';
import type { ConfigDraft } from '../config-draft.ts';

function msiRegister(name: string): RegisterMeta {
  return MSI_64_MASKABLE.registers.find((register) => register.name === name)!;
}

/** With 64-bit addresses and a mask bit for each vector. @param vectorCount a power of two up to 32 */
export function addMsi(draft: ConfigDraft, vectorCount: number): number {
  const log = Math.log2(vectorCount);
  assert(log % 1 === 0 && log >= 0 && log <= 5, 'MSI has 1 to 32 vectors, a power of two', { vectorCount });
  const base = draft.capability('msi', CAPABILITY_ID.MSI, MSI_64_MASKABLE, 'msi');
  draft
    .set(MSI_MESSAGE_CONTROL.Multiple_Message_Capable, log, base)
    .set(MSI_MESSAGE_CONTROL._64_bit_Address_Capable, 1, base)
    .set(MSI_MESSAGE_CONTROL.Per_Vector_Masking_Capable, 1, base)
    .hardwire(base, MSI_MESSAGE_CONTROL.Extended_Message_Data_Enable)
    .hardwire(base, ...msiRegister('Extended Message Data').fields)
    .restrict(msiRegister('Mask Bits'), base, 2 ** vectorCount - 1);
  return base;
}

export function addMsix(draft: ConfigDraft, msix: MsixDescription): number {
  assert(msix.vectorCount >= 1 && msix.vectorCount <= 2048, 'MSI-X has 1 to 2048 vectors', {
    vectorCount: msix.vectorCount,
  });
  assert(
    msix.tableOffsetBytes % 8 === 0 && msix.pendingOffsetBytes % 8 === 0,
    'the MSI-X structures are aligned to 8 bytes',
  );
  const base = draft.capability('msix', CAPABILITY_ID.MSI_X, MSI_X, 'msix');
  draft
    .set(MSIX_MESSAGE_CONTROL.Table_Size, msix.vectorCount - 1, base)
    .set(MSIX_TABLE.Table_BIR, msix.tableBar, base)
    .set(MSIX_TABLE.Table_Offset, msix.tableOffsetBytes / 8, base)
    .set(MSIX_PBA.PBA_BIR, msix.pendingBar, base)
    .set(MSIX_PBA.PBA_Offset, msix.pendingOffsetBytes / 8, base);
  return base;
}

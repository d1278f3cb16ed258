/** Access Control Services. PCIe Base 6.0, 7.7.11. */
import {
  ACS,
  ACS_CAPABILITY,
  ACS_CONTROL,
  ACS_EGRESS_CONTROL_VECTOR,
  ACS_EGRESS_CONTROL_VECTOR_OFFSET,
  EXTENDED_ID,
} from '../../../spec/pcie/index.ts';
import type { ConfigDraft } from '../config-draft.ts';

export interface AcsDescription {
  /** The lowest eight bits of the capability register: SV TB RR CR UF EC DT and the enhanced bit. */
  readonly capability: number;
  /** What stands in the control register after a reset, from straps or a serial ROM; usually 0. */
  readonly firmwareControl?: number;
  /** 1 to 256, where EC is implemented; missing: 32. */
  readonly egressVectorBits?: number;
}

const BASE_BITS = 0x7f;
const ENHANCED_BITS = 0x1f80;

/** Control bits that a capability word lets software write. */
export function acsWritableBits(capability: number): number {
  return (
    (capability & BASE_BITS) |
    (ACS_CAPABILITY.ACS_Enhanced_Capability.of(capability) === 1 ? ENHANCED_BITS : 0)
  );
}

export function addAcs(draft: ConfigDraft, acs: AcsDescription): number {
  const hasVector = ACS_CAPABILITY.ACS_P2P_Egress_Control.of(acs.capability) === 1;
  const vectorBits = hasVector ? (acs.egressVectorBits ?? 32) : 0;
  const dwords = Math.ceil(vectorBits / 32);
  const base = draft.extended(
    'acs',
    EXTENDED_ID.ACCESS_CONTROL_SERVICES,
    1,
    ACS,
    'acs',
    ACS.sizeBytes + 4 * dwords,
  );
  const writable = acsWritableBits(acs.capability);
  draft
    .set(ACS_CAPABILITY, acs.capability & 0xff, base)
    // 0 stands for 256.
    .set(ACS_CAPABILITY.Egress_Control_Vector_Size, vectorBits % 256, base)
    .set(ACS_CONTROL, (acs.firmwareControl ?? 0) & writable, base)
    .restrict(ACS_CONTROL, base, writable);
  for (let i = 0; i < dwords; i++) {
    const at = base + ACS_EGRESS_CONTROL_VECTOR_OFFSET + 4 * i;
    const bits = Math.min(32, vectorBits - 32 * i);
    draft
      .place(ACS_EGRESS_CONTROL_VECTOR, at, 'acs')
      .restrict(ACS_EGRESS_CONTROL_VECTOR.registers[0]!, at, 2 ** bits - 1);
  }
  return base;
}

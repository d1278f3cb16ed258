/** Access Control Services as they stand. PCIe Base 6.0, 7.7.11. */
import { ACS_CAPABILITY, ACS_CONTROL, ACS_EGRESS_CONTROL_VECTOR_OFFSET } from '../../spec/pcie/index.ts';
import type { AcsState } from '../machine.ts';
import { type ConfigView, readRegister } from './config-view.ts';

/** Undefined when the bytes end before the control register does. */
export function acsState(view: ConfigView, base: number): AcsState | undefined {
  const capability = readRegister(view, ACS_CAPABILITY, base);
  const control = readRegister(view, ACS_CONTROL, base);
  if (capability === undefined || control === undefined) {
    return undefined;
  }
  return { offset: base, capability, control, egressVector: egressVector(view, base, capability) };
}

/** Bits of the Egress Control Vector of an ACS capability; 0 when it has none. A size field of 0 means 256 bits. */
export function egressVectorBits(acsCapability: number): number {
  if (ACS_CAPABILITY.ACS_P2P_Egress_Control.of(acsCapability) === 0) {
    return 0;
  }
  const size = ACS_CAPABILITY.Egress_Control_Vector_Size.of(acsCapability);
  return size === 0 ? 256 : size;
}

/** Bit n set: requests from this port to port or function n are controlled. Null: none, or beyond the bytes. */
function egressVector(view: ConfigView, base: number, acsCapability: number): readonly boolean[] | null {
  const count = egressVectorBits(acsCapability);
  const start = base + ACS_EGRESS_CONTROL_VECTOR_OFFSET;
  const end = start + Math.ceil(count / 32) * 4;
  if (count === 0 || end > view.lengthBytes) {
    return null;
  }
  return Array.from({ length: count }, (_, i) => ((view.bytes[start + (i >> 3)]! >> (i & 7)) & 1) === 1);
}

/** Base address registers are three kinds of register in one place: their content says which. */
import type { RegisterMeta } from '../../base/index.ts';
import {
  BAR_TYPE,
  type BaseAddressRegister,
  CARDBUS_SOCKET_BASE_ADDRESS,
  ioBaseAddressRegister,
  TYPE0_BARS,
  TYPE1_BARS,
  upperBaseAddressRegister,
} from '../../spec/pci/index.ts';
import { VF_BARS } from '../../spec/pcie/index.ts';
import { type ConfigView, readRegister } from './config-view.ts';

const BARS: ReadonlySet<RegisterMeta> = new Set<RegisterMeta>([
  ...TYPE0_BARS,
  ...TYPE1_BARS,
  ...VF_BARS,
  CARDBUS_SOCKET_BASE_ADDRESS,
]);

/** The same registers, with I/O BARs and upper halves of 64-bit BARs in the table that fits them. */
export function registersAsTheyAre(
  view: ConfigView,
  registers: readonly RegisterMeta[],
  base: number,
): RegisterMeta[] {
  let isUpperHalf = false;
  return registers.map((register) => {
    if (!isBar(register)) {
      isUpperHalf = false;
      return register;
    }
    if (isUpperHalf) {
      isUpperHalf = false;
      return upperBaseAddressRegister(register.offset, register.name);
    }
    const value = readRegister(view, register, base) ?? 0;
    if (register.Memory_Space_Indicator.of(value) === 1) {
      return ioBaseAddressRegister(register.offset, register.name);
    }
    isUpperHalf = register.Type.of(value) === BAR_TYPE.BITS_64;
    return register;
  });
}

function isBar(register: RegisterMeta): register is BaseAddressRegister {
  return BARS.has(register);
}

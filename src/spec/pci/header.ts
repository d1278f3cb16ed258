/**
 * The configuration header in its three layouts. Fields carry the specification's names, with underscores for blanks.
 *
 * Access types are those of a PCI Express function; bits that conventional PCI could write and PCI Express hardwires to
 * zero are RO. Bits that no field names are reserved.
 */
import { bit, bits, plain, register, reserved, structure } from '../../base/index.ts';

/** Bytes of the header proper, and of configuration space without and with its extended part. */
export const HEADER_BYTES = 0x40;
export const CONFIG_SPACE_BYTES = 0x100;
export const EXTENDED_CONFIG_SPACE_BYTES = 0x1000;

/** What a function that is not there answers to a read of Vendor ID. PCI 3.0, 6.1. */
export const VENDOR_ID_NONE = 0xffff;

export const VENDOR_ID = plain('Vendor ID', 0x00, 16, 'HwInit');
export const DEVICE_ID = plain('Device ID', 0x02, 16, 'HwInit');

/** PCI 3.0, 6.2.2; PCIe Base 6.0, 7.5.1.1.3. */
export const COMMAND = register('Command', 0x04, 16, {
  IO_Space_Enable: bit(0, 'RW'),
  Memory_Space_Enable: bit(1, 'RW'),
  Bus_Master_Enable: bit(2, 'RW'),
  Special_Cycle_Enable: bit(3, 'RO'),
  Memory_Write_and_Invalidate: bit(4, 'RO'),
  VGA_Palette_Snoop: bit(5, 'RO'),
  Parity_Error_Response: bit(6, 'RW'),
  IDSEL_Stepping_Wait_Cycle_Control: bit(7, 'RO'),
  SERR_Enable: bit(8, 'RW'),
  Fast_Back_to_Back_Transactions_Enable: bit(9, 'RO'),
  Interrupt_Disable: bit(10, 'RW'),
});

/** PCI 3.0, 6.2.3; PCIe Base 6.0, 7.5.1.1.4. */
export const STATUS = register('Status', 0x06, 16, {
  Immediate_Readiness: bit(0, 'RO'),
  Interrupt_Status: bit(3, 'RO'),
  Capabilities_List: bit(4, 'RO'),
  _66_MHz_Capable: bit(5, 'RO'),
  Fast_Back_to_Back_Transactions_Capable: bit(7, 'RO'),
  Master_Data_Parity_Error: bit(8, 'RW1C'),
  DEVSEL_Timing: bits(10, 9, 'RO'),
  Signaled_Target_Abort: bit(11, 'RW1C'),
  Received_Target_Abort: bit(12, 'RW1C'),
  Received_Master_Abort: bit(13, 'RW1C'),
  Signaled_System_Error: bit(14, 'RW1C'),
  Detected_Parity_Error: bit(15, 'RW1C'),
});

export const REVISION_ID = plain('Revision ID', 0x08, 8);

/** PCI 3.0, 6.2.1; values in PCI Code and ID Assignment 1.15. */
export const CLASS_CODE = register('Class Code', 0x09, 24, {
  Programming_Interface: bits(7, 0, 'RO'),
  Sub_Class_Code: bits(15, 8, 'RO'),
  Base_Class_Code: bits(23, 16, 'RO'),
});

export const CACHE_LINE_SIZE = plain('Cache Line Size', 0x0c, 8, 'RW');
export const LATENCY_TIMER = plain('Latency Timer', 0x0d, 8);

export const HEADER_TYPE = register('Header Type', 0x0e, 8, {
  Header_Layout: bits(6, 0, 'RO'),
  Multi_Function_Device: bit(7, 'RO'),
});

/** PCI 3.0, 6.2.4. */
export const BIST = register('BIST', 0x0f, 8, {
  Completion_Code: bits(3, 0, 'RO'),
  Start_BIST: bit(6, 'RW'),
  BIST_Capable: bit(7, 'RO'),
});

/** Values of `Header_Layout`. */
export const HEADER_LAYOUT = { ENDPOINT: 0, BRIDGE: 1, CARDBUS: 2 } as const;

const COMMON = [
  VENDOR_ID,
  DEVICE_ID,
  COMMAND,
  STATUS,
  REVISION_ID,
  CLASS_CODE,
  CACHE_LINE_SIZE,
  LATENCY_TIMER,
  HEADER_TYPE,
  BIST,
];

/**
 * A memory base address register, and the low bits of an I/O one. Which of the two a register is, bit 0 tells.
 * PCI 3.0, 6.2.5.1. A 64-bit BAR goes on in the register that follows.
 */
export function baseAddressRegister(index: number, offset: number, name = `Base Address ${index}`) {
  return register(name, offset, 32, {
    /** 0 memory, 1 I/O. */
    Memory_Space_Indicator: bit(0, 'RO'),
    /** Of a memory BAR: 0 anywhere in 32 bits, 1 below 1 MiB (until PCI 2.1), 2 anywhere in 64 bits. */
    Type: bits(2, 1, 'RO'),
    Prefetchable: bit(3, 'RO'),
    /** Unit 16 bytes. */
    Base_Address: bits(31, 4, 'RW'),
  });
}

export type BaseAddressRegister = ReturnType<typeof baseAddressRegister>;

/** The same place when bit 0 is set. */
export function ioBaseAddressRegister(offset: number, name: string) {
  return register(name, offset, 32, {
    Memory_Space_Indicator: bit(0, 'RO'),
    /** Unit 4 bytes. */
    Base_Address: bits(31, 2, 'RW'),
  });
}

/** The upper half of a 64-bit BAR, where the next BAR would be. */
export function upperBaseAddressRegister(offset: number, name: string) {
  return register(name, offset, 32, { Base_Address_Upper_32_Bits: bits(31, 0, 'RW') });
}

/** Values of `Type` of a memory BAR. */
export const BAR_TYPE = { BITS_32: 0, BELOW_1_MIB: 1, BITS_64: 2 } as const;

/** PCI 3.0, 6.2.5.2; PCIe Base 6.0, 7.5.1.2.4. */
function expansionRom(offset: number) {
  return register('Expansion ROM Base Address', offset, 32, {
    Expansion_ROM_Enable: bit(0, 'RW'),
    Expansion_ROM_Validation_Status: bits(3, 1, 'HwInit'),
    Expansion_ROM_Validation_Details: bits(7, 4, 'HwInit'),
    /** Unit 2 KiB. */
    Expansion_ROM_Base_Address: bits(31, 11, 'RW'),
  });
}

export const INTERRUPT_LINE = plain('Interrupt Line', 0x3c, 8, 'RW');
/** 0 none, 1 to 4: INTA# to INTD#. */
export const INTERRUPT_PIN = plain('Interrupt Pin', 0x3d, 8);
export const CAPABILITIES_POINTER = plain('Capabilities Pointer', 0x34, 8);

export const TYPE0_BARS: readonly BaseAddressRegister[] = [0, 1, 2, 3, 4, 5].map((index) =>
  baseAddressRegister(index, 0x10 + 4 * index),
);
export const TYPE0_ROM = expansionRom(0x30);
export const SUBSYSTEM_VENDOR_ID = plain('Subsystem Vendor ID', 0x2c, 16, 'HwInit');
export const SUBSYSTEM_ID = plain('Subsystem ID', 0x2e, 16, 'HwInit');

export const TYPE0_HEADER = structure('Type 0 Configuration Header', 'PCIe Base 6.0, 7.5.1.2', 0x40, [
  ...COMMON,
  ...TYPE0_BARS,
  plain('Cardbus CIS Pointer', 0x28, 32),
  SUBSYSTEM_VENDOR_ID,
  SUBSYSTEM_ID,
  TYPE0_ROM,
  CAPABILITIES_POINTER,
  reserved(0x35, 7),
  INTERRUPT_LINE,
  INTERRUPT_PIN,
  plain('Min_Gnt', 0x3e, 8),
  plain('Max_Lat', 0x3f, 8),
]);

export const TYPE1_BARS: readonly BaseAddressRegister[] = [0, 1].map((index) =>
  baseAddressRegister(index, 0x10 + 4 * index),
);
export const PRIMARY_BUS_NUMBER = plain('Primary Bus Number', 0x18, 8, 'RW');
export const SECONDARY_BUS_NUMBER = plain('Secondary Bus Number', 0x19, 8, 'RW');
export const SUBORDINATE_BUS_NUMBER = plain('Subordinate Bus Number', 0x1a, 8, 'RW');

/** PCI-to-PCI Bridge 1.2, 3.2.5.6. Bits 15:12 of an address; the capability nibble says 16 (0) or 32 (1) bits. */
function ioWindow(name: string, offset: number) {
  return register(name, offset, 8, {
    IO_Addressing_Capability: bits(3, 0, 'RO'),
    Address_15_12: bits(7, 4, 'RW'),
  });
}
export const IO_BASE = ioWindow('I/O Base', 0x1c);
export const IO_LIMIT = ioWindow('I/O Limit', 0x1d);

/** PCI-to-PCI Bridge 1.2, 3.2.5.7. */
export const SECONDARY_STATUS = register('Secondary Status', 0x1e, 16, {
  _66_MHz_Capable: bit(5, 'RO'),
  Fast_Back_to_Back_Transactions_Capable: bit(7, 'RO'),
  Master_Data_Parity_Error: bit(8, 'RW1C'),
  DEVSEL_Timing: bits(10, 9, 'RO'),
  Signaled_Target_Abort: bit(11, 'RW1C'),
  Received_Target_Abort: bit(12, 'RW1C'),
  Received_Master_Abort: bit(13, 'RW1C'),
  Received_System_Error: bit(14, 'RW1C'),
  Detected_Parity_Error: bit(15, 'RW1C'),
});

/** PCI-to-PCI Bridge 1.2, 3.2.5.8. Bits 31:20 of an address. */
function memoryWindow(name: string, offset: number) {
  return register(name, offset, 16, { Address_31_20: bits(15, 4, 'RW') });
}
export const MEMORY_BASE = memoryWindow('Memory Base', 0x20);
export const MEMORY_LIMIT = memoryWindow('Memory Limit', 0x22);

/** PCI-to-PCI Bridge 1.2, 3.2.5.9. The capability nibble says 32 (0) or 64 (1) bits. */
function prefetchableWindow(name: string, offset: number) {
  return register(name, offset, 16, {
    _64_bit_Addressing_Capability: bits(3, 0, 'RO'),
    Address_31_20: bits(15, 4, 'RW'),
  });
}
export const PREFETCHABLE_MEMORY_BASE = prefetchableWindow('Prefetchable Memory Base', 0x24);
export const PREFETCHABLE_MEMORY_LIMIT = prefetchableWindow('Prefetchable Memory Limit', 0x26);
export const PREFETCHABLE_BASE_UPPER_32_BITS = plain('Prefetchable Base Upper 32 Bits', 0x28, 32, 'RW');
export const PREFETCHABLE_LIMIT_UPPER_32_BITS = plain('Prefetchable Limit Upper 32 Bits', 0x2c, 32, 'RW');
export const IO_BASE_UPPER_16_BITS = plain('I/O Base Upper 16 Bits', 0x30, 16, 'RW');
export const IO_LIMIT_UPPER_16_BITS = plain('I/O Limit Upper 16 Bits', 0x32, 16, 'RW');
export const TYPE1_ROM = expansionRom(0x38);

/** PCI-to-PCI Bridge 1.2, 3.2.5.18; PCIe Base 6.0, 7.5.1.3.13. */
export const BRIDGE_CONTROL = register('Bridge Control', 0x3e, 16, {
  Parity_Error_Response_Enable: bit(0, 'RW'),
  SERR_Enable: bit(1, 'RW'),
  ISA_Enable: bit(2, 'RW'),
  VGA_Enable: bit(3, 'RW'),
  VGA_16_bit_Decode: bit(4, 'RW'),
  Master_Abort_Mode: bit(5, 'RO'),
  Secondary_Bus_Reset: bit(6, 'RW'),
  Fast_Back_to_Back_Transactions_Enable: bit(7, 'RO'),
  Primary_Discard_Timer: bit(8, 'RO'),
  Secondary_Discard_Timer: bit(9, 'RO'),
  Discard_Timer_Status: bit(10, 'RO'),
  Discard_Timer_SERR_Enable: bit(11, 'RO'),
});

export const TYPE1_HEADER = structure('Type 1 Configuration Header', 'PCIe Base 6.0, 7.5.1.3', 0x40, [
  ...COMMON,
  ...TYPE1_BARS,
  PRIMARY_BUS_NUMBER,
  SECONDARY_BUS_NUMBER,
  SUBORDINATE_BUS_NUMBER,
  plain('Secondary Latency Timer', 0x1b, 8),
  IO_BASE,
  IO_LIMIT,
  SECONDARY_STATUS,
  MEMORY_BASE,
  MEMORY_LIMIT,
  PREFETCHABLE_MEMORY_BASE,
  PREFETCHABLE_MEMORY_LIMIT,
  PREFETCHABLE_BASE_UPPER_32_BITS,
  PREFETCHABLE_LIMIT_UPPER_32_BITS,
  IO_BASE_UPPER_16_BITS,
  IO_LIMIT_UPPER_16_BITS,
  CAPABILITIES_POINTER,
  reserved(0x35, 3),
  TYPE1_ROM,
  INTERRUPT_LINE,
  INTERRUPT_PIN,
  BRIDGE_CONTROL,
]);

/** A CardBus bridge keeps its capabilities pointer elsewhere. */
export const CARDBUS_CAPABILITIES_POINTER = plain('Capabilities Pointer', 0x14, 8);
export const CARDBUS_BUS_NUMBER = plain('CardBus Bus Number', 0x19, 8);
export const CARDBUS_SUBORDINATE_BUS_NUMBER = plain('Subordinate Bus Number', 0x1a, 8, 'RW');
export const CARDBUS_SOCKET_BASE_ADDRESS = baseAddressRegister(0, 0x10, 'CardBus Socket/ExCA Base Address');
export const CARDBUS_SUBSYSTEM_VENDOR_ID = plain('Subsystem Vendor ID', 0x40, 16, 'HwInit');
export const CARDBUS_SUBSYSTEM_ID = plain('Subsystem ID', 0x42, 16, 'HwInit');

/** PC Card Standard 8.0, 4.5.2.2.14. */
export const CARDBUS_BRIDGE_CONTROL = register('Bridge Control', 0x3e, 16, {
  Parity_Error_Response_Enable: bit(0, 'RW'),
  SERR_Enable: bit(1, 'RW'),
  ISA_Enable: bit(2, 'RW'),
  VGA_Enable: bit(3, 'RW'),
  Master_Abort_Mode: bit(5, 'RW'),
  CardBus_Reset: bit(6, 'RW'),
  IREQ_INT_Enable: bit(7, 'RW'),
  Memory_0_Prefetch_Enable: bit(8, 'RW'),
  Memory_1_Prefetch_Enable: bit(9, 'RW'),
  Write_Posting_Enable: bit(10, 'RW'),
});

export const TYPE2_HEADER = structure(
  'Type 2 (CardBus) Configuration Header',
  'PC Card Standard 8.0, 4.5',
  0x48,
  [
    ...COMMON,
    CARDBUS_SOCKET_BASE_ADDRESS,
    CARDBUS_CAPABILITIES_POINTER,
    reserved(0x15, 1),
    plain('Secondary Status', 0x16, 16),
    plain('PCI Bus Number', 0x18, 8),
    CARDBUS_BUS_NUMBER,
    CARDBUS_SUBORDINATE_BUS_NUMBER,
    plain('CardBus Latency Timer', 0x1b, 8),
    plain('Memory Base 0', 0x1c, 32),
    plain('Memory Limit 0', 0x20, 32),
    plain('Memory Base 1', 0x24, 32),
    plain('Memory Limit 1', 0x28, 32),
    plain('I/O Base 0', 0x2c, 32),
    plain('I/O Limit 0', 0x30, 32),
    plain('I/O Base 1', 0x34, 32),
    plain('I/O Limit 1', 0x38, 32),
    INTERRUPT_LINE,
    INTERRUPT_PIN,
    CARDBUS_BRIDGE_CONTROL,
    CARDBUS_SUBSYSTEM_VENDOR_ID,
    CARDBUS_SUBSYSTEM_ID,
    plain('PC Card 16-bit IF Legacy Mode Base Address', 0x44, 32),
  ],
);

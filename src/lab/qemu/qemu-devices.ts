/**
 * Devices as QEMU 7.2 has them: what stands in their config space. Seen in the recorded virtual machines of `test/golden`; sources:
 * QEMU hw/nvme, hw/misc/{edu,ivshmem}.c, hw/virtio, hw/pci-bridge.
 *
 * None of those chosen has I/O ports: each bridge on the way would need a window of 4 KiB of them, and QEMU's firmware has
 * room for nine before it gives up.
 */
import type { LabAcs, LabBar, LabEndpointBase, LabId, LabLink } from '../file/index.ts';

export const QEMU_IDS = {
  hostBridge: { vendorId: 0x8086, deviceId: 0x29c0 },
  rootPort: { vendorId: 0x1b36, deviceId: 0x000c },
  upstream: { vendorId: 0x104c, deviceId: 0x8232 },
  downstream: { vendorId: 0x104c, deviceId: 0x8233 },
  pciBridge: { vendorId: 0x1b36, deviceId: 0x000e },
  furtherHostBridge: { vendorId: 0x1b36, deviceId: 0x000b },
} as const satisfies Record<string, LabId>;

/** Every port and device but root ports shows the slowest link, and all take the smallest payload. */
export const QEMU_LINK: LabLink = { generation: 1, width: 1 };
export const QEMU_PAYLOAD_BYTES = 128;

/** Its root ports have all but egress control; QEMU sets none of it. */
export const QEMU_ACS: LabAcs = {
  capability: ['SV', 'TB', 'RR', 'CR', 'UF', 'DT'],
  firmware: [],
  control: null,
  egress: [],
};

const SUBSYSTEM: LabId = { vendorId: 0x1af4, deviceId: 0x1100 };

export const memoryBar = (index: number, sizeBytes: number): LabBar => ({
  index,
  kind: 'memory',
  is64Bit: false,
  isPrefetchable: false,
  sizeBytes,
  resizableBytes: null,
});
export const bar64 = (index: number, sizeBytes: number): LabBar => ({
  ...memoryBar(index, sizeBytes),
  is64Bit: true,
  isPrefetchable: true,
});
const ioBar = (index: number, sizeBytes: number): LabBar => ({
  ...memoryBar(index, sizeBytes),
  kind: 'io',
});

/** What a device of QEMU is, beyond its place. */
export type QemuTraits = Pick<
  LabEndpointBase,
  'id' | 'subsystem' | 'revision' | 'classCode' | 'bars' | 'interrupts' | 'vectors'
>;

export function nvmeTraits(cmbBytes: number, pmrBytes: number): QemuTraits {
  return {
    id: { vendorId: 0x1b36, deviceId: 0x0010 },
    subsystem: SUBSYSTEM,
    revision: 2,
    classCode: 0x010802,
    bars: [
      { ...bar64(0, 16384), isPrefetchable: false },
      ...(cmbBytes === 0 ? [] : [bar64(2, 2 ** Math.ceil(Math.log2(cmbBytes)))]),
      ...(pmrBytes === 0 ? [] : [bar64(4, pmrBytes)]),
    ],
    interrupts: 'msi-x',
    vectors: 65,
  };
}

/** ivshmem-plain. */
export function sharedMemoryTraits(memoryBytes: number): QemuTraits {
  return {
    id: { vendorId: 0x1af4, deviceId: 0x1110 },
    subsystem: SUBSYSTEM,
    revision: 1,
    classCode: 0x050000,
    bars: [memoryBar(0, 256), bar64(2, memoryBytes)],
    interrupts: 'none',
    vectors: 1,
  };
}

/** virtio-net-pci without its legacy half, which would need I/O ports. */
export const NIC_TRAITS: QemuTraits = {
  id: { vendorId: 0x1af4, deviceId: 0x1041 },
  subsystem: SUBSYSTEM,
  revision: 1,
  classCode: 0x020000,
  bars: [memoryBar(1, 4096), bar64(4, 16384)],
  interrupts: 'msi-x',
  vectors: 4,
};

/** QEMU's teaching device, the only one that does DMA on command. */
export const EDU_TRAITS: QemuTraits = {
  id: { vendorId: 0x1234, deviceId: 0x11e8 },
  subsystem: SUBSYSTEM,
  revision: 0x10,
  classCode: 0x00ff00,
  bars: [memoryBar(0, 2 ** 20)],
  interrupts: 'msi',
  vectors: 1,
};

/** Functions that q35 has at 1f whatever one does: ISA bridge, SATA, SMBus. */
export const CHIPSET: readonly (readonly [fn: number, traits: QemuTraits])[] = [
  [0, chipset(0x2918, 0x060100, [])],
  [2, chipset(0x2922, 0x010601, [ioBar(4, 32), memoryBar(5, 4096)])],
  [3, chipset(0x2930, 0x0c0500, [ioBar(4, 64)])],
];

export const FURTHER_HOST_BRIDGE_TRAITS: QemuTraits = {
  id: QEMU_IDS.furtherHostBridge,
  subsystem: SUBSYSTEM,
  revision: 0,
  classCode: 0x060000,
  bars: [],
  interrupts: 'none',
  vectors: 1,
};

function chipset(deviceId: number, classCode: number, bars: readonly LabBar[]): QemuTraits {
  return {
    id: { vendorId: 0x8086, deviceId },
    subsystem: SUBSYSTEM,
    revision: 2,
    classCode,
    bars,
    interrupts: 'none',
    vectors: 1,
  };
}

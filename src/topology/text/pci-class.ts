/**
 * What follows from a class code, and the class code that a printed class name stands for.
 *
 * Codes: PCI Code and ID Assignment 1.15. The names are those that lspci prints (they come from the public pci.ids list,
 * where class names have hardly changed; older wordings are listed beside).
 */

/** Base class and subclass, 16 bits, by printed name in lower case. */
const CLASS_BY_NAME: Readonly<Record<string, number>> = {
  'non-vga unclassified device': 0x0000,
  'vga compatible unclassified device': 0x0001,
  'image coprocessor': 0x0005,
  'scsi storage controller': 0x0100,
  'ide interface': 0x0101,
  'floppy disk controller': 0x0102,
  'ipi bus controller': 0x0103,
  'raid bus controller': 0x0104,
  'ata controller': 0x0105,
  'sata controller': 0x0106,
  'serial attached scsi controller': 0x0107,
  'non-volatile memory controller': 0x0108,
  'universal flash storage controller': 0x0109,
  'mass storage controller': 0x0180,
  'ethernet controller': 0x0200,
  'token ring network controller': 0x0201,
  'fddi network controller': 0x0202,
  'atm network controller': 0x0203,
  'isdn controller': 0x0204,
  'worldfip controller': 0x0205,
  'picmg controller': 0x0206,
  'infiniband controller': 0x0207,
  'fabric controller': 0x0208,
  'network controller': 0x0280,
  'vga compatible controller': 0x0300,
  'xga compatible controller': 0x0301,
  '3d controller': 0x0302,
  'display controller': 0x0380,
  'multimedia video controller': 0x0400,
  'multimedia audio controller': 0x0401,
  'computer telephony device': 0x0402,
  'audio device': 0x0403,
  'multimedia controller': 0x0480,
  'ram memory': 0x0500,
  'flash memory': 0x0501,
  cxl: 0x0502,
  'memory controller': 0x0580,
  'host bridge': 0x0600,
  'isa bridge': 0x0601,
  'eisa bridge': 0x0602,
  'microchannel bridge': 0x0603,
  'pci bridge': 0x0604,
  'pcmcia bridge': 0x0605,
  'nubus bridge': 0x0606,
  'cardbus bridge': 0x0607,
  'raceway bridge': 0x0608,
  'semi-transparent pci-to-pci bridge': 0x0609,
  'infiniband to pci host bridge': 0x060a,
  bridge: 0x0680,
  'serial controller': 0x0700,
  'parallel controller': 0x0701,
  'multiport serial controller': 0x0702,
  modem: 0x0703,
  'gpib controller': 0x0704,
  'smard card controller': 0x0705,
  'smart card controller': 0x0705,
  'communication controller': 0x0780,
  pic: 0x0800,
  'dma controller': 0x0801,
  timer: 0x0802,
  rtc: 0x0803,
  'pci hot-plug controller': 0x0804,
  'sd host controller': 0x0805,
  iommu: 0x0806,
  'timing card': 0x0809,
  'system peripheral': 0x0880,
  'keyboard controller': 0x0900,
  'digitizer pen': 0x0901,
  'mouse controller': 0x0902,
  'scanner controller': 0x0903,
  'gameport controller': 0x0904,
  'input device controller': 0x0980,
  'generic docking station': 0x0a00,
  'docking station': 0x0a80,
  386: 0x0b00,
  486: 0x0b01,
  pentium: 0x0b02,
  alpha: 0x0b10,
  'power pc': 0x0b20,
  mips: 0x0b30,
  'co-processor': 0x0b40,
  'firewire (ieee 1394)': 0x0c00,
  'access bus': 0x0c01,
  ssa: 0x0c02,
  'usb controller': 0x0c03,
  'fibre channel': 0x0c04,
  smbus: 0x0c05,
  infiniband: 0x0c06,
  'ipmi interface': 0x0c07,
  'sercos interface': 0x0c08,
  canbus: 0x0c09,
  'irda controller': 0x0d00,
  'consumer ir controller': 0x0d01,
  'rf controller': 0x0d10,
  bluetooth: 0x0d11,
  broadband: 0x0d12,
  '802.1a controller': 0x0d20,
  '802.1b controller': 0x0d21,
  'wireless controller': 0x0d80,
  i2o: 0x0e00,
  'satellite tv controller': 0x0f01,
  'satellite audio communication controller': 0x0f02,
  'satellite voice communication controller': 0x0f03,
  'satellite data communication controller': 0x0f04,
  'network and computing encryption device': 0x1000,
  'entertainment encryption device': 0x1010,
  'encryption controller': 0x1080,
  'dpio module': 0x1100,
  'performance counters': 0x1101,
  'communication synchronizer': 0x1110,
  'signal processing management': 0x1120,
  'signal processing controller': 0x1180,
  'processing accelerators': 0x1200,
  'sdxi controller': 0x1201,
  'non-essential instrumentation': 0x1300,
  coprocessor: 0x4000,
};

/** Base classes whose name lspci prints where it does not know the subclass; the subclass then follows as digits. */
export function classOfName(name: string): number | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(CLASS_BY_NAME, key) ? CLASS_BY_NAME[key] : undefined;
}

/**
 * Header type by base class and subclass, where they leave no choice: a type 1 header carries 0604h or 0609h, a type 2
 * header 0607h (PCI-to-PCI Bridge 1.2, 3.2.4.4), and Linux drops the class of a function that breaks this
 * (drivers/pci/probe.c, pci_setup_device). Other kinds of bridges may be either.
 */
export function headerTypeOfClass(classAndSubclass: number): number | undefined {
  if (classAndSubclass === 0x0604 || classAndSubclass === 0x0609) {
    return 1;
  }
  if (classAndSubclass === 0x0607) {
    return 2;
  }
  return classAndSubclass === 0x0680 ? undefined : 0;
}

/**
 * Random PCI Express hierarchies that QEMU can build: root ports of two makers, switches within switches, further host
 * bridges, conventional buses, integrated endpoints, many kinds of device. The same seed gives the same machine.
 */
import { SeededRandom } from '../../src/base/index.ts';
import type { CpuModel, MachineSpec } from './machines.ts';

export interface RandomMachine extends MachineSpec {
  readonly seed: number;
  /** For the test module: 0 leaves ACS as firmware and kernel set it. */
  readonly acsSeed: number;
  readonly acsPercent: number;
}

const cpus: readonly CpuModel[] = ['EPYC', 'EPYC-Rome', 'Haswell', 'Skylake-Server', 'Dhyana', 'Opteron_G3'];

/** Bus numbers per host bridge: pxb-pcie's start at multiples of it, so a hierarchy that stays below cannot collide. */
const busesPerHostBridge = 0x30;
const functionsMax = 72;

/** `pci=` words by vendor and device id, since bus numbers are not known before firmware has run. */
const acsParameters = [
  'pci=disable_acs_redir=pci:1b36:000c',
  'pci=disable_acs_redir=pci:8086:3420',
  'pci=config_acs=x0x00xx@pci:1b36:000c',
  'pci=config_acs=0101101@pci:8086:3420',
  'pci=config_acs=xx1xxxx@pci:0:0',
];

export function randomMachine(seed: number): RandomMachine {
  return new MachineBuilder(seed).build();
}

class MachineBuilder {
  readonly #random: SeededRandom;
  readonly #seed: number;
  readonly #arguments: string[] = [];
  #ids = 0;
  #functions = 0;
  #busesLeft = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
  }

  build(): RandomMachine {
    const random = this.#random;
    const cpu = random.pick(cpus);
    const iommu = random.below(3) === 0;
    const append: string[] = [];
    if (iommu) {
      this.#arguments.push('-device', 'intel-iommu');
      append.push(random.below(4) === 0 ? 'intel_iommu=on iommu=pt' : 'intel_iommu=on');
    }
    if (random.below(3) === 0) {
      append.push(random.pick(acsParameters));
    }
    const target = 4 + random.below(functionsMax - 4);
    // Slots 0x1d to 0x1f of the root bus are taken by the laboratory and the chipset.
    this.#fillRootBus('pcie.0', 1 + random.below(0x10), target);
    for (let bridge = 1; bridge <= random.below(4); bridge++) {
      const id = this.#id('pxb');
      this.#device(`pxb-pcie,id=${id},bus_nr=${bridge * busesPerHostBridge + random.below(4)},bus=pcie.0`);
      this.#fillRootBus(id, random.below(2) * random.below(4), target);
    }
    const acsSeed = random.below(3) === 0 ? 0 : random.next32() || 1;
    return {
      name: `random-${this.#seed}`,
      seed: this.#seed,
      cpu,
      arguments: this.#arguments,
      append,
      memoryMb: 768,
      acsSeed,
      acsPercent: random.pick([10, 25, 50, 90]),
    };
  }

  #fillRootBus(bus: string, firstSlot: number, target: number): void {
    const random = this.#random;
    this.#busesLeft = busesPerHostBridge - 8;
    const slots = Math.min(0x1c - firstSlot, 1 + random.below(7));
    for (let i = 0; i < slots && this.#functions < target; i++) {
      const slot = firstSlot + i;
      const kind = random.below(10);
      if (kind < 7) {
        this.#rootPorts(bus, slot, target);
      } else if (kind === 7) {
        this.#conventionalBridge(`bus=${bus},addr=${hex(slot)}`, target);
      } else if (bus === 'pcie.0') {
        // Below a pxb-pcie QEMU takes bridges only.
        this.#endpointFunctions(bus, slot, random.below(4) === 0 ? 1 + random.below(3) : 1);
      }
    }
  }

  /** One root port, or several as the functions of one slot. */
  #rootPorts(bus: string, slot: number, target: number): void {
    const random = this.#random;
    const count = random.below(4) === 0 ? 2 + random.below(3) : 1;
    for (let fn = 0; fn < count && this.#busesLeft > 0; fn++) {
      const id = this.#id('rp');
      const model = random.below(3) === 0 ? 'ioh3420' : 'pcie-root-port';
      const links = ['x-speed=2_5,x-width=1', 'x-speed=8,x-width=4', 'x-speed=16,x-width=16'];
      const link = model === 'ioh3420' ? '' : `,${random.pick(links)}`;
      const multifunction = fn === 0 && count > 1 ? ',multifunction=on' : '';
      this.#device(
        `${model},id=${id},bus=${bus},addr=${hex(slot)}.${fn},${this.#chassisSlot()}${link}${multifunction}`,
      );
      this.#busesLeft--;
      this.#belowPort(id, 0, target);
    }
  }

  #belowPort(port: string, depth: number, target: number): void {
    const random = this.#random;
    if (this.#functions >= target) {
      return;
    }
    const kind = random.below(10);
    if (kind < 4 && depth < 4 && this.#busesLeft > 3) {
      this.#switch(port, depth, target);
    } else if (kind === 4 && this.#busesLeft > 2) {
      this.#conventionalBridge(`bus=${port}`, target);
    } else if (kind < 9) {
      this.#endpointFunctions(port, 0, random.below(4) === 0 ? 2 + random.below(6) : 1);
    }
  }

  #switch(port: string, depth: number, target: number): void {
    const random = this.#random;
    const upstream = this.#id('up');
    this.#device(`x3130-upstream,id=${upstream},bus=${port}`);
    this.#busesLeft--;
    const count = 1 + random.below(4);
    const inOneSlot = random.below(5) === 0;
    const ports: string[] = [];
    for (let i = 0; i < count && this.#busesLeft > 0; i++) {
      const id = this.#id('dp');
      const address = inOneSlot ? `0.${i}` : `${hex(i)}.0`;
      const multifunction = inOneSlot && i === 0 && count > 1 ? ',multifunction=on' : '';
      this.#device(
        `xio3130-downstream,id=${id},bus=${upstream},addr=${address},${this.#chassisSlot()}${multifunction}`,
      );
      this.#busesLeft--;
      ports.push(id);
    }
    for (const downstream of ports) {
      this.#belowPort(downstream, depth + 1, target);
    }
  }

  #conventionalBridge(place: string, target: number): void {
    const random = this.#random;
    const id = this.#id('br');
    this.#device(`pcie-pci-bridge,id=${id},${place}`);
    this.#busesLeft--;
    const count = random.below(4);
    for (let slot = 1; slot <= count && this.#functions < target; slot++) {
      if (random.below(4) === 0 && this.#busesLeft > 0) {
        const nested = this.#id('br');
        this.#device(
          `pci-bridge,id=${nested},bus=${id},addr=${hex(slot)},chassis_nr=${1 + (this.#ids % 250)}`,
        );
        this.#busesLeft--;
        this.#device(`edu,bus=${nested},addr=1`);
      } else {
        this.#device(
          `${random.pick(['edu', 'pci-testdev,membar=1M', 'virtio-rng-pci'])},bus=${id},addr=${hex(slot)}`,
        );
      }
    }
  }

  #endpointFunctions(bus: string, slot: number, count: number): void {
    for (let fn = 0; fn < count; fn++) {
      const multifunction = fn === 0 && count > 1 ? ',multifunction=on' : '';
      const virtualFunctions = count === 1 && bus !== 'pcie.0' && this.#random.below(8) === 0;
      const device = virtualFunctions ? this.#driveWithVirtualFunctions() : this.#endpoint();
      this.#device(`${device},bus=${bus},addr=${hex(slot)}.${fn}${multifunction}`);
    }
  }

  #endpoint(): string {
    const random = this.#random;
    const id = this.#id('ep');
    switch (random.below(9)) {
      case 0:
      case 1:
        return `nvme,serial=${id},cmb_size_mb=${random.pick([0, 0, 4, 16, 64])}`;
      case 2:
        return 'edu';
      case 3:
        return `pci-testdev,membar=${random.pick(['64K', '1M', '16M'])}`;
      case 4:
        this.#arguments.push('-object', `memory-backend-ram,id=${id},size=1M,share=on`);
        return `ivshmem-plain,memdev=${id}`;
      case 5:
        return 'virtio-rng-pci';
      case 6:
        return random.pick(['virtio-net-pci', 'virtio-scsi-pci', 'virtio-serial-pci']);
      case 7:
        return 'e1000e';
      default:
        return 'qemu-xhci';
    }
  }

  /** The guest's script switches the virtual functions on. */
  #driveWithVirtualFunctions(): string {
    const id = this.#id('ep');
    const subsystem = this.#id('subsys');
    this.#arguments.push('-device', `nvme-subsys,id=${subsystem}`);
    return `nvme,serial=${id},subsys=${subsystem},max_ioqpairs=8,msix_qsize=9,sriov_max_vfs=3,sriov_vq_flexible=6,sriov_vi_flexible=3`;
  }

  #device(description: string): void {
    this.#arguments.push('-device', description);
    this.#functions++;
  }

  #id(kind: string): string {
    return `${kind}${this.#ids++}`;
  }

  #chassisSlot(): string {
    return `chassis=1,slot=${this.#ids}`;
  }
}

function hex(slot: number): string {
  return slot.toString(16);
}

/** Whether the provider's memory can be addressed at all: BARs, bridge windows, decoding (PCIe Base 6.0, 7.5.1.2 and 7.5.1.3). */
import { lastAddress } from '../../base/index.ts';
import type { Bar, MachineFunction } from '../../topology/index.ts';
import { isAtLeast, isHeldForOthers, nameOf, type PairContext } from '../pair-context.ts';
import { makeReason, type Reason } from '../reason-codes.ts';
import {
  COMMAND_BUS_MASTER,
  COMMAND_MEMORY,
  hex16,
  hexAddress,
  isAccelerator,
  sizeText,
} from '../registers.ts';
import { resizableBars } from '../resizable-bar.ts';

const MIB = 0x10_0000;
/** Struct pages come in sub-sections of this size from Linux 5.3 on (include/linux/mmzone.h). */
const SUBSECTION_BYTES = 2 * MIB;
/** The aperture that GPUs show without Resizable BAR. */
const LEGACY_APERTURE_BYTES = 256 * MIB;

export function barReasons(context: PairContext): Reason[] {
  return [
    ...missingReasons(context),
    ...unassignedReasons(context),
    ...windowReasons(context),
    ...decodeReasons(context),
    ...requesterReasons(context),
    ...maskReasons(context),
    ...pageReasons(context),
    ...apertureReasons(context),
  ];
}

/** Memory BARs of the function itself, not its ROM and not those of its VFs. */
function memoryBars(fn: MachineFunction): readonly Bar[] | undefined {
  return fn.bars?.filter((bar) => bar.kind === 'memory' && bar.index <= 5);
}

function missingReasons(context: PairContext): Reason[] {
  const bars = memoryBars(context.provider);
  if (bars === undefined || bars.length > 0) {
    return [];
  }
  return [
    makeReason('NO_MEMORY_BAR', {
      blocks: true,
      at: context.provider.bdf,
      evidence: { register: 'BARs', value: context.provider.bars!.length === 0 ? 'none' : 'I/O only' },
      detail: `${nameOf(context.provider)} has no memory BAR, so there is nothing that a peer could address`,
      hint: 'choose another provider',
    }),
  ];
}

function unassignedReasons(context: PairContext): Reason[] {
  const { provider } = context;
  const bars = memoryBars(provider) ?? [];
  const largest = Math.max(0, ...bars.map((bar) => bar.sizeBytes ?? 0));
  return bars
    .filter((bar) => bar.start === null)
    .map((bar) => {
      const isMain = bar.sizeBytes === undefined || bar.sizeBytes === largest;
      const fits = roomAbove(context, bar);
      const size = bar.sizeBytes === undefined ? '' : ` of ${sizeText(bar.sizeBytes)}`;
      const facts = {
        blocks: isMain,
        evidence: { register: `BAR ${bar.index}`, value: 'unassigned' },
        hint: 'enable "Above 4G decoding" (and Resizable BAR) in the firmware setup, or boot with pci=realloc',
      };
      return fits === undefined || fits.has
        ? makeReason('BAR_UNASSIGNED', {
            ...facts,
            at: provider.bdf,
            detail: `BAR ${bar.index}${size} of ${nameOf(provider)} has no address, so nothing can reach it`,
          })
        : makeReason('BAR_WINDOW_FULL', {
            ...facts,
            at: fits.bridge,
            detail: `BAR ${bar.index}${size} of ${nameOf(provider)} has no address: the windows of ${fits.bridge} are smaller than it`,
          });
    });
}

/** Whether some window of every bridge above is at least as large as the BAR; undefined when windows are not known. */
function roomAbove(context: PairContext, bar: Bar): { has: boolean; bridge: string } | undefined {
  const { sizeBytes } = bar;
  if (sizeBytes === undefined) {
    return undefined;
  }
  for (const bridge of context.aboveProvider) {
    if (!hasOpenWindow(bridge)) {
      return undefined;
    }
    const sizes = bridge
      .windows!.filter((window) => window.kind !== 'io')
      .map((window) => window.last - window.first + 1);
    if (!sizes.some((size) => size >= sizeBytes)) {
      return { has: false, bridge: bridge.bdf };
    }
  }
  return { has: true, bridge: '' };
}

/**
 * A BAR that the bridges above do not forward to. Compared only on x86, where bus and CPU addresses are the same, and not
 * through bridges that also decode what nobody else does.
 */
function windowReasons(context: PairContext): Reason[] {
  const { provider, machine } = context;
  if (machine.cpu.architecture === undefined || !machine.cpu.architecture.startsWith('x86')) {
    return [];
  }
  const reasons: Reason[] = [];
  for (const bar of memoryBars(provider) ?? []) {
    const { start, sizeBytes } = bar;
    if (start == null || sizeBytes === undefined) {
      continue;
    }
    const last = lastAddress(start, sizeBytes);
    const closed = context.aboveProvider.find(
      (bridge) =>
        bridge.headerType === 1 &&
        hasOpenWindow(bridge) &&
        !isSubtractive(bridge) &&
        !bridge.windows!.some(
          (window) => window.kind !== 'io' && window.first <= start && last <= window.last,
        ),
    );
    if (closed !== undefined) {
      reasons.push(
        makeReason('BAR_OUTSIDE_WINDOW', {
          blocks: true,
          at: closed.bdf,
          evidence: { register: `BAR ${bar.index}`, value: `${hexAddress(start)}-${hexAddress(last)}` },
          detail: `${closed.bdf} does not forward the addresses of BAR ${bar.index} of ${nameOf(provider)}; the kernel does not check that`,
          hint: 'rescan the bus or reboot, so that windows are assigned again',
        }),
      );
    }
  }
  return reasons;
}

/** Where a bridge with memory below it seems to forward none, its windows were not read rather than closed. */
function hasOpenWindow(bridge: MachineFunction): boolean {
  return bridge.windows?.some((window) => window.kind !== 'io') === true;
}

/** Programming interface 01 of a PCI-to-PCI bridge. */
function isSubtractive(bridge: MachineFunction): boolean {
  return bridge.classCode === undefined || (bridge.classCode & 0xff) === 0x01;
}

function decodeReasons(context: PairContext): Reason[] {
  const { provider, physical } = context;
  // Without a memory BAR there is nothing to decode, and drivers leave the bit clear.
  const hasBars = memoryBars(provider)?.length !== 0;
  // What turns round below the common bridge does not come down through it.
  const isPassed = (fn: MachineFunction): boolean =>
    fn.bdf !== context.verdict.common || physical.write.at === fn.bdf;
  return [...(hasBars ? [provider] : []), ...context.aboveProvider.filter(isPassed)]
    .filter((fn) => fn.physicalFunction == null && isClear(fn, COMMAND_MEMORY))
    .map((fn) =>
      makeReason('MEM_DECODE_OFF', {
        blocks: true,
        at: fn.bdf,
        evidence: { register: 'COMMAND', value: hex16(fn.command!) },
        detail:
          fn.bdf === provider.bdf
            ? `memory decoding of ${nameOf(fn)} is off: it does not answer at its BARs${driverRemark(fn)}`
            : `memory decoding of ${fn.bdf} is off: it forwards nothing to what is below it`,
        hint:
          fn.driver === null
            ? 'load its driver, which switches decoding on'
            : 'wake the device up; if it stays off, look for errors of its driver in the kernel log',
      }),
    );
}

/** A function cannot send requests, and a bridge does not forward them upwards, without Bus Master Enable. */
function requesterReasons(context: PairContext): Reason[] {
  const { client, verdict } = context;
  const below =
    verdict.common == null
      ? context.aboveClient
      : context.aboveClient.filter((fn) => fn.bdf !== verdict.common);
  // A VF has a Bus Master Enable of its own, unlike its memory decoding (PCIe Base 6.0, 9.3.4.1.3).
  return [client, ...below]
    .filter((fn) => isClear(fn, COMMAND_BUS_MASTER))
    .map((fn) =>
      makeReason('BUS_MASTER_OFF', {
        blocks: true,
        at: fn.bdf,
        evidence: { register: 'COMMAND', value: hex16(fn.command!) },
        detail:
          fn.bdf === client.bdf
            ? `bus mastering of ${nameOf(fn)} is off: it cannot do DMA${driverRemark(fn)}`
            : `bus mastering of ${fn.bdf} is off: it forwards no request upwards`,
        hint:
          fn.driver === null
            ? 'load its driver, which switches bus mastering on'
            : 'drivers switch it on when they start work; check again while the device is in use',
      }),
    );
}

function driverRemark(fn: MachineFunction): string {
  return fn.driver === null ? ' (no driver is bound)' : '';
}

function isClear(fn: MachineFunction, bit: number): boolean {
  return fn.command !== undefined && !fn.isGone && (fn.command & bit) === 0;
}

function maskReasons(context: PairContext): Reason[] {
  const { client, provider, machine, verdict } = context;
  const bits = client.dmaMaskBits;
  // Until a driver for DMA sets it, the file shows the kernel's first guess of 32 bits, whatever the device can do.
  const isSet = typeof client.driver === 'string' && !isHeldForOthers(client);
  if (bits === undefined || bits >= 64 || !isSet) {
    return [];
  }
  // Through the host bridge an IOMMU hands out addresses that the device can hold.
  if (verdict.mapType === 'thru-host-bridge' && machine.iommu.mode === 'translated') {
    return [];
  }
  const beyond = (memoryBars(provider) ?? []).filter(
    (bar) => bar.start != null && lastAddress(bar.start, bar.sizeBytes ?? 1) >= 2 ** bits,
  );
  return beyond.map((bar) =>
    makeReason('DMA_MASK', {
      blocks: true,
      at: client.bdf,
      evidence: { register: 'dma_mask_bits', value: String(bits) },
      detail: `${nameOf(client)} addresses ${bits} bits, BAR ${bar.index} of the provider lies at ${hexAddress(bar.start!)}, beyond them${verdict.mapType === 'bus-addr' ? '; the kernel does not check this' : ''}`,
      hint:
        bits <= 32
          ? 'switch "Above 4G decoding" off so that the BAR comes to lie lower, or use another client'
          : 'use another client, or lower the firmware setting for the MMIO base',
    }),
  );
}

/** Mass storage, non-volatile memory: the only class whose BARs the kernel itself makes peer memory of. */
const CLASS_NVM = 0x0108;

/** From 5.3 on nothing below 2 MiB can have struct pages, so no p2pmem can be made of it. */
function pageReasons(context: PairContext): Reason[] {
  const { provider, rules } = context;
  const bars = memoryBars(provider);
  const isNvm = provider.classCode !== undefined && provider.classCode >> 8 === CLASS_NVM;
  if (!isNvm || bars === undefined || bars.length === 0 || isAtLeast(rules.version, '5.3') === false) {
    return [];
  }
  if (provider.p2pmem?.sizeBytes !== undefined && provider.p2pmem.sizeBytes > 0) {
    return [];
  }
  if (bars.some((bar) => bar.sizeBytes === undefined || bar.sizeBytes >= SUBSECTION_BYTES)) {
    return [];
  }
  const largest = Math.max(...bars.map((bar) => bar.sizeBytes!));
  return [
    makeReason('CMB_TOO_SMALL', {
      at: provider.bdf,
      evidence: { register: 'largest memory BAR', value: sizeText(largest) },
      detail: `the kernel cannot make peer memory of less than 2 MiB, and the largest memory BAR of ${nameOf(provider)} has ${sizeText(largest)}`,
      hint: 'choose a provider with a controller memory buffer, or a BAR, of 2 MiB or more',
    }),
  ];
}

function apertureReasons(context: PairContext): Reason[] {
  const { provider } = context;
  const resizable = resizableBars(provider).filter((bar) => bar.sizeBytes < bar.largestBytes);
  if (resizable.length > 0) {
    return resizable.map((bar) =>
      makeReason('BAR_SMALLER_THAN_MEMORY', {
        at: provider.bdf,
        evidence: {
          register: 'Resizable BAR Control',
          value: `BAR ${bar.barIndex} ${sizeText(bar.sizeBytes)}`,
        },
        detail: `BAR ${bar.barIndex} of ${nameOf(provider)} shows ${sizeText(bar.sizeBytes)}; the device supports up to ${sizeText(bar.largestBytes)}, and what lies beyond the BAR no peer can reach`,
        hint: 'enable Resizable BAR and "Above 4G decoding" in the firmware setup; on servers look for a firmware update that has it',
      }),
    );
  }
  const bars = memoryBars(provider) ?? [];
  // A GPU of the root complex has no memory of its own behind its aperture.
  if (provider.parent === null) {
    return [];
  }
  if (!isAccelerator(provider) || bars.length === 0 || bars.some((bar) => bar.sizeBytes === undefined)) {
    return [];
  }
  const largest = Math.max(...bars.map((bar) => bar.sizeBytes!));
  if (largest !== LEGACY_APERTURE_BYTES) {
    return [];
  }
  return [
    makeReason('BAR_SMALLER_THAN_MEMORY', {
      at: provider.bdf,
      evidence: { register: 'largest memory BAR', value: sizeText(largest) },
      detail: `the largest BAR of ${nameOf(provider)} has 256 MiB, the aperture of a GPU without Resizable BAR; memory beyond it no peer can reach`,
      hint: 'enable Resizable BAR and "Above 4G decoding" in the firmware setup; on servers look for a firmware update that has it',
    }),
  ];
}

/**
 * What went wrong while a lab machine was switched on and does not keep it from running: firmware without room for a BAR, a
 * driver that gave up. Findings like those of a reader, so that reports and JSON have a place for them.
 */
import type { Bdf } from '../../base/index.ts';
import type { UnassignedBar } from '../../fabric/index.ts';
import type { Finding } from '../../topology/index.ts';
import type { LabMachine } from './lab-machine.ts';

/** Codes: BOOT_UNASSIGNED, BOOT_FIRMWARE, BOOT_DRIVER. One line each. */
export function bootFindings(machine: LabMachine): readonly Finding[] {
  const names = new Map(machine.members.map(({ bdf, node }) => [bdf as string, node.name]));
  const called = (bdf: string): string => {
    const name = names.get(bdf);
    return name === undefined || name === null ? bdf : name;
  };
  return [
    ...machine.firmware.unassigned.map((bar) => ({
      at: bar.bdf as Bdf,
      code: 'BOOT_UNASSIGNED',
      detail: `${called(bar.bdf)}: ${unassignedText(bar)}`,
    })),
    ...machine.firmware.problems.map(({ bdf, text }) => ({
      at: bdf as Bdf,
      code: 'BOOT_FIRMWARE',
      detail: `${called(bdf)}: ${text}`,
    })),
    ...machine.bound.flatMap(({ fn, notes }) =>
      notes.map((detail) => ({ at: fn.bdf, code: 'BOOT_DRIVER', detail })),
    ),
    ...machine.disks.flatMap(({ notes }) =>
      notes.map((detail) => ({ at: null, code: 'BOOT_DRIVER', detail })),
    ),
  ];
}

const REASONS: Readonly<Record<UnassignedBar['reason'], string>> = {
  'no-window': 'its host bridge has no such window',
  'no-room': 'the windows of its host bridge have no room',
  'no-io-at-bridge': 'a bridge above has no I/O window',
};

function unassignedText(bar: UnassignedBar): string {
  const whose = bar.isVirtualFunctionBar ? 'BAR of its virtual functions' : 'BAR';
  return `${whose} ${bar.barIndex} (${bar.sizeBytes} bytes of ${
    bar.kind === 'io' ? 'I/O' : 'memory'
  }) has no address: ${REASONS[bar.reason]}`;
}

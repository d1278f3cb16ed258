/** BARs of a machine, for the lab. */
import { type Bar, type MachineFunction, resizableBars } from '../../topology/index.ts';
import type { LabBar } from '../file/index.ts';
import type { ImportNotes } from './notes.ts';

/** As the lab file takes them. */
const BYTES_MAX = 2 ** 49;
const BYTES32_MAX = 2 ** 31;
const IO_BYTES_MAX = 256;
const RESIZABLE_MIN = 2 ** 20;

/** The six of a function. */
export function importBars(fn: MachineFunction, notes: ImportNotes): LabBar[] {
  if (fn.bars === undefined) {
    notes.add('BARs were not readable; assumed: those that the kind of device needs, else none', fn.bdf);
    return [];
  }
  const sizes = fn.config === undefined ? null : (resizableBars(fn.config, { isWhole: true }) ?? null);
  const list = fn.bars.flatMap((bar): LabBar[] => {
    const resizable = sizes?.find(({ index }) => index === bar.index)?.supportedBytes ?? null;
    return bar.index > 5 ? [] : importBar(bar, bar.index, bar.sizeBytes, resizable, fn, notes);
  });
  return withoutOverlaps(list);
}

/** Of one virtual function: as it has them, else its part of what the physical function has for all. */
export function importVfBars(
  physical: MachineFunction,
  vf: MachineFunction | undefined,
  totalVfs: number,
  notes: ImportNotes,
): LabBar[] {
  const own = vf?.bars?.filter(({ index }) => index < 6) ?? [];
  const list =
    own.length > 0
      ? own.flatMap((bar) => importBar(bar, bar.index, bar.sizeBytes, null, physical, notes))
      : (physical.bars ?? [])
          .filter(({ index }) => index > 6)
          .flatMap((bar) => {
            const each = bar.sizeBytes === undefined ? undefined : bar.sizeBytes / totalVfs;
            return importBar(bar, bar.index - 7, each, null, physical, notes);
          });
  return withoutOverlaps(list);
}

function importBar(
  bar: Bar,
  index: number,
  given: number | undefined,
  resizable: readonly number[] | null,
  fn: MachineFunction,
  notes: ImportNotes,
): LabBar[] {
  if (given === undefined) {
    notes.add('the length of a BAR is not known; assumed: 1 MiB, or 256 bytes of I/O', fn.bdf);
  }
  const is64Bit = bar.kind === 'memory' && bar.is64Bit && index < 5;
  const most = bar.kind === 'io' ? IO_BYTES_MAX : is64Bit ? BYTES_MAX : BYTES32_MAX;
  const wanted = given ?? (bar.kind === 'io' ? IO_BYTES_MAX : 2 ** 20);
  const sizeBytes = 2 ** Math.ceil(Math.log2(Math.min(most, Math.max(bar.kind === 'io' ? 4 : 16, wanted))));
  if (sizeBytes !== wanted) {
    notes.add('the length of a BAR was changed to one that a lab can have', fn.bdf);
  }
  const offered = (resizable ?? []).filter((size) => size >= RESIZABLE_MIN && size <= most);
  return [
    {
      index,
      kind: bar.kind,
      is64Bit,
      isPrefetchable: bar.kind === 'memory' && bar.isPrefetchable,
      sizeBytes,
      resizableBytes: offered.includes(sizeBytes) ? [...new Set(offered)].sort((a, b) => a - b) : null,
    },
  ];
}

/** The upper half of a 64-bit BAR is none of its own. */
function withoutOverlaps(list: readonly LabBar[]): LabBar[] {
  const kept: LabBar[] = [];
  for (const bar of [...list].sort((a, b) => a.index - b.index)) {
    const before = kept.at(-1);
    if (before === undefined || bar.index > before.index + (before.is64Bit ? 1 : 0)) {
      kept.push(bar);
    }
  }
  return kept;
}

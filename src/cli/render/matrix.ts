/** All pairs as a table: row provider, column client; split into blocks of columns where the terminal is narrow. */
import type { PairLetters } from '../../advice/index.ts';
import type { MachineFunction, MachineIndex } from '../../topology/index.ts';
import { kindOf, mainName, shortBdf } from './describe.ts';
import { padEnd, type Style, visibleWidth } from './style.ts';

export interface Cell {
  readonly mapType: string;
  readonly usable: boolean | null;
  readonly distance: number | null;
  readonly letters: PairLetters;
}

/** `B4 PIX`: how, distance, and the letters of nvidia-smi. */
function cellText(cell: Cell, style: Style): string {
  const letters = cell.letters ?? '';
  const distance = cell.distance === null ? '?' : cell.distance < 0 ? '' : String(cell.distance);
  if (cell.usable === false) {
    return `${style.bad('no')} ${letters}`;
  }
  if (cell.usable === null) {
    return `${style.warn('?')} ${letters}`;
  }
  const letter = cell.mapType === 'bus-addr' ? 'B' : cell.mapType === 'thru-host-bridge' ? 'H' : 'B/H';
  const paint = cell.mapType === 'bus-addr' ? style.good : style.warn;
  return `${paint(`${letter}${distance}`)} ${letters}`;
}

export function* renderMatrix(
  index: MachineIndex,
  functions: readonly MachineFunction[],
  cellAt: (row: number, column: number) => Cell,
  columns: number,
  style: Style,
): Generator<string> {
  const labels = functions.map((fn, i) => {
    const name = mainName(fn) ?? kindOf(fn);
    return `[${i}] ${shortBdf(index.machine, fn.bdf)} ${name}`;
  });
  const labelWidth = Math.max(8, ...labels.map((label) => label.length));
  const cells = functions.map((_, row) =>
    functions.map((__, column) => cellText(cellAt(row, column), style)),
  );
  const widest = cells.reduce(
    (most, row) => row.reduce((width, cell) => Math.max(width, visibleWidth(cell)), most),
    0,
  );
  const cellWidth = Math.max(widest, `[${functions.length}]`.length) + 1;
  const perBlock = Math.max(1, Math.floor((columns - labelWidth - 2) / cellWidth));
  for (let first = 0; first < functions.length; first += perBlock) {
    const last = Math.min(functions.length, first + perBlock);
    if (first > 0) {
      yield '\n';
    }
    let head = padEnd('', labelWidth + 2);
    for (let column = first; column < last; column++) {
      head += padEnd(`[${column}]`, cellWidth);
    }
    yield `${style.dim(head.trimEnd())}\n`;
    for (let row = 0; row < functions.length; row++) {
      let line = padEnd(labels[row]!, labelWidth + 2);
      for (let column = first; column < last; column++) {
        line += padEnd(cells[row]![column]!, cellWidth);
      }
      yield `${line.trimEnd()}\n`;
    }
  }
}

export const MATRIX_LEGEND = `row: provider of the memory; column: client that does the DMA
B bus address: peer to peer below a common bridge    H through the host bridge    no not supported    ? unknown
number: the kernel's distance    SELF one function  PIX one bridge at most between  PXB several bridges  PHB one host bridge
NODE host bridges of one NUMA node  SYS across NUMA nodes
`;

/** Links of a machine, for the lab. */
import { LINK_SPEED_GTS } from '../../spec/index.ts';
import type { LinkRate, MachineFunction } from '../../topology/index.ts';
import type { LabLink } from '../file/index.ts';
import type { ImportNotes } from './notes.ts';

const WIDTHS: readonly number[] = [1, 2, 4, 8, 12, 16, 32];
const ASSUMED: LabLink = { generation: 3, width: 16 };

/** The most that one end can. */
export function importLink(fn: MachineFunction, notes: ImportNotes): LabLink {
  const link = asLink(fn.link?.max);
  if (link !== undefined) {
    return link;
  }
  const running = asLink(fn.link?.current);
  notes.add(
    running === undefined
      ? 'speed and width of the link are not known; assumed: gen3 x16'
      : 'the most that the link can is not known; assumed: what it runs at',
    fn.bdf,
  );
  return running ?? ASSUMED;
}

/** What it came up with, where that is less than both ends can. */
export function importTrained(fn: MachineFunction, own: LabLink, port: LabLink): LabLink | null {
  const running = asLink(fn.link?.current);
  if (running === undefined) {
    return null;
  }
  const generation = Math.min(running.generation, own.generation, port.generation);
  const width = Math.min(running.width, own.width, port.width);
  const isLess =
    generation < Math.min(own.generation, port.generation) || width < Math.min(own.width, port.width);
  return isLess ? { generation, width } : null;
}

/** Undefined for what no link has. */
function asLink(rate: LinkRate | undefined): LabLink | undefined {
  const generation = rate === undefined ? -1 : LINK_SPEED_GTS.indexOf(rate.speedGTs);
  return rate === undefined || generation < 1 || !WIDTHS.includes(rate.width)
    ? undefined
    : { generation, width: rate.width };
}

/** Bytes that travelled in a lab, as lines of a report and as JSON. */
import type { LabTraffic, LinkTraffic, TrafficBytes } from '../../lab/index.ts';
import { formatBytes } from './style.ts';

/** `link to nvme0`; the address of the port where nothing with a name is below it. */
export function linkName(port: string, link: LinkTraffic): string {
  return `link to ${link.to ?? `what is below ${port}`}`;
}

/** Links that command data crossed come by name; of the others it is said how many there are. */
export function trafficLines(traffic: LabTraffic): readonly string[] {
  const links = Object.entries(traffic.linkBytes);
  const used = links.filter(([, link]) => link.upBytes + link.downBytes > 0);
  const idle = links.length - used.length;
  const { controlBytes } = traffic;
  return [
    `data: ${formatBytes(traffic.dramBytes)} over DRAM, ${formatBytes(traffic.rootPortBytes)} over root ports`,
    ...used.map(
      ([port, link]) =>
        `  ${linkName(port, link)}: ${formatBytes(link.upBytes)} up, ${formatBytes(link.downBytes)} down`,
    ),
    ...(idle > 0 ? [`  ${idle}${used.length > 0 ? ' other' : ''} link${idle === 1 ? '' : 's'}: 0 B`] : []),
    `control beside it: ${formatBytes(controlBytes.dramBytes)} over DRAM, ${formatBytes(controlBytes.rootPortBytes)} over root ports`,
  ];
}

/** Bytes of all of `rounds` together. */
export function sumTraffic(rounds: readonly LabTraffic[]): LabTraffic | null {
  const [first, ...rest] = rounds;
  return first === undefined
    ? null
    : rest.reduce<LabTraffic>(
        (sum, each) => ({
          ...sumBytes(sum, each),
          controlBytes: sumBytes(sum.controlBytes, each.controlBytes),
        }),
        first,
      );
}

function sumBytes(a: TrafficBytes, b: TrafficBytes): TrafficBytes {
  return {
    dramBytes: a.dramBytes + b.dramBytes,
    rootPortBytes: a.rootPortBytes + b.rootPortBytes,
    linkBytes: Object.fromEntries(
      Object.entries(a.linkBytes).map(([port, link]) => {
        const other = b.linkBytes[port];
        return [
          port,
          {
            to: link.to,
            upBytes: link.upBytes + (other?.upBytes ?? 0),
            downBytes: link.downBytes + (other?.downBytes ?? 0),
          },
        ];
      }),
    ),
  };
}

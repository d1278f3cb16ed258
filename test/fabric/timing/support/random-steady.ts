// Random trees of switches with steady streams on them: the class of fabrics on which both engines have to agree.
import { SeededRandom } from '../../../../src/base/index.ts';
import type { TimedPath } from '../../../../src/fabric/timing/path.ts';
import type { Credits } from '../../../../src/fabric/timing/stage.ts';
import { type LinkSpeed, netGBs } from '../../../../src/rates/index.ts';
import { BAR_PS, type LinkOptions, Net, Tree, type TreeNode } from './paths.ts';

export interface SteadyStream {
  readonly name: string;
  readonly path: TimedPath;
  readonly lengthBytes: number;
  readonly depth: number;
}

export interface SteadyFabric {
  readonly net: Net;
  readonly streams: readonly SteadyStream[];
}

export interface SteadyOptions {
  /** Streams; default 2 to 8. */
  readonly streams?: number;
  /** Default: each stream has an endpoint of its own that sends. */
  readonly sharesSources?: boolean;
  readonly kinds?: 'writes' | 'reads' | 'both';
}

/** From a packet's start until its credits are back, on a link without load; and two packets on it. */
const LOOP_NS = 400;
const LARGEST_BYTES = 536;
const CREDIT_RETURN_PS = 100_000;

/** Buffers from K3 up: what the link moves in a loop, or a multiple of it, in packets of 64 bytes. */
function creditsFor(speed: LinkSpeed, times: number): Credits {
  const bytes = (netGBs(speed) * LOOP_NS + 2 * LARGEST_BYTES) * times;
  const headers = Math.ceil(bytes / 64);
  const units = Math.ceil(bytes / 16);
  return { headers: [headers, headers, headers], data: [units, Number.POSITIVE_INFINITY, units] };
}

/** The same for the same seed. */
export function steadyFabric(seed: number, options: SteadyOptions = {}): SteadyFabric {
  const random = new SeededRandom(seed);
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!;
  const net = new Net();
  const tree = new Tree(net);
  const link = (): readonly [LinkSpeed, LinkOptions] => {
    const speed = { speedGTs: pick([2.5, 5, 8, 16, 32, 64]), width: pick([1, 2, 4, 8, 16]) };
    const credits = creditsFor(speed, pick([1, 1.5, 2, 4]));
    return [speed, { credits, creditReturnPs: CREDIT_RETURN_PS, mpsBytes: pick([128, 256, 512]) }];
  };
  const inner: TreeNode[] = [tree.root];
  for (let i = 1 + random.below(4); i > 0; i--) {
    inner.push(tree.add(pick(inner), ...of(link(), `switch ${i}`)));
  }
  const count = options.streams ?? 2 + random.below(7);
  const ends: TreeNode[] = [];
  for (
    let i = Math.max(2, options.sharesSources === true ? 2 + random.below(count) : count + 1);
    i > 0;
    i--
  ) {
    ends.push(tree.add(pick(inner), ...of(link(), `endpoint ${i}`)));
  }
  const tags = ends.map(() => pick([16, 32, 64, 256]));
  const kinds = options.kinds ?? 'both';
  const streams: SteadyStream[] = [];
  for (let i = 0; i < count; i++) {
    const source = options.sharesSources === true ? random.below(ends.length) : i;
    const target = (source + 1 + random.below(ends.length - 1)) % ends.length;
    const from = ends[source]!;
    const to = ends[target]!;
    const mps = pick([128, 256, 512]);
    const mrrs = pick([128, 256, 512, 1024, 4096]);
    const isRead = kinds === 'reads' || (kinds === 'both' && random.below(2) === 0);
    const path = isRead
      ? tree.read(from, to, {
          source,
          tags: tags[source]!,
          requestBytes: mrrs,
          completionBytes: Math.min(mps, mrrs),
          access: { latencyPs: BAR_PS },
        })
      : tree.write(from, to, { source, requestBytes: mps });
    streams.push({
      name: `${isRead ? `read of ${mrrs}, ${mps} at a time, ${tags[source]} tags,` : `write of ${mps},`} ${from.name}, ${to.name}`,
      path,
      lengthBytes: 16384,
      depth: 64,
    });
  }
  return { net, streams };
}

function of(
  [speed, options]: readonly [LinkSpeed, LinkOptions],
  name: string,
): [LinkSpeed, string, LinkOptions] {
  return [speed, name, options];
}

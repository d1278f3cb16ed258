// Random trees of switches with streams on them, the same for the same seed.
import { SeededRandom } from '../../../../src/base/index.ts';
import type { TimedPath } from '../../../../src/fabric/timing/path.ts';
import { BAR_PS, Net, postedCredits, Tree, type TreeNode } from './paths.ts';

export interface RandomStream {
  readonly name: string;
  readonly path: TimedPath;
  readonly lengthBytes: number;
  readonly depth: number;
}

export interface RandomFabricOptions {
  /** Default: none; a number is headers of posted credits, with data for 256 bytes each. */
  readonly credits?: number;
  readonly reads?: boolean;
}

export interface RandomFabric {
  readonly net: Net;
  readonly streams: readonly RandomStream[];
}

export function randomFabric(seed: number, options: RandomFabricOptions = {}): RandomFabric {
  const random = new SeededRandom(seed);
  const pick = <T>(values: readonly T[]): T => values[random.below(values.length)]!;
  const speed = () => ({ speedGTs: pick([8, 16, 32]), width: pick([4, 8, 16]) });
  const net = new Net();
  const tree = new Tree(net);
  const linkOptions =
    options.credits === undefined
      ? {}
      : { credits: postedCredits(options.credits, options.credits * 16), creditReturnPs: 50_000 };
  const inner: TreeNode[] = [tree.root];
  for (let i = 1 + random.below(4); i > 0; i--) {
    inner.push(tree.add(pick(inner), speed(), `switch ${i}`, linkOptions));
  }
  const ends: TreeNode[] = [];
  for (let i = 4 + random.below(5); i > 0; i--) {
    ends.push(tree.add(pick(inner), speed(), `endpoint ${i}`, linkOptions));
  }
  const streams: RandomStream[] = [];
  for (let i = 2 + random.below(7); i > 0; i--) {
    const source = random.below(ends.length);
    const target = (source + 1 + random.below(ends.length - 1)) % ends.length;
    const bytes = pick([64, 128, 256, 512]);
    const from = ends[source]!;
    const to = ends[target]!;
    const isRead = options.reads === true && random.below(2) === 0;
    const path = isRead
      ? tree.read(from, to, {
          source,
          // All paths of a source share its tags.
          tags: [32, 64, 256][source % 3]!,
          completionBytes: Math.min(256, bytes),
          access: { latencyPs: BAR_PS },
        })
      : tree.write(from, to, { source, requestBytes: bytes });
    streams.push({
      name: `${isRead ? 'read' : 'write'} ${from.name}, ${to.name}, ${bytes} bytes`,
      path,
      lengthBytes: 16384,
      depth: 16,
    });
  }
  return { net, streams };
}

// Bytes that the flow engine moves in a wall second: 16 streams at once behind four switches. `npm run build`, then
// `node test/fabric/timing/support/flow-throughput.mjs`. Prints, asserts nothing.
import { EventQueue, noTurn } from '../../../../dist/fabric/event-queue.js';
import { FlowEngine } from '../../../../dist/fabric/timing/flow-engine.js';
import { Stage } from '../../../../dist/fabric/timing/stage.js';

let count = 0;
/** Gen5, so many lanes; both directions. */
function makeLink(lanes) {
  const options = {
    kind: 'link',
    name: `x${lanes}`,
    latencyPsPerByte: 254 / lanes,
    occupancyPsPerByte: 255 / lanes,
  };
  const credits = { headers: [256, Infinity, Infinity], data: [4096, Infinity, Infinity] };
  const acks = { ackEveryBytes: 1624, ackBytes: 16, creditReturnPs: 50_000 };
  const [up, down] = [0, 1].map(() => new Stage(count++, { ...options, ...acks, credits }));
  up.reverse = down;
  down.reverse = up;
  return { up, down };
}
function makeLeg(stages, overheadBytes) {
  const all = (value) => stages.map(() => value);
  return {
    stages,
    delaysPs: all(111_000),
    delayPs: 60_000,
    overheadBytes: all(overheadBytes),
    splitBytes: all(Infinity),
    storesWhole: all(false),
  };
}

const trunks = [0, 1, 2, 3].map(() => makeLink(16));
const ends = Array.from({ length: 16 }, () => makeLink(4));
const way = (a, b) => [ends[a].up, trunks[a % 4].up, trunks[b % 4].down, ends[b].down];
const paths = ends.map((_, i) => {
  const to = (i + 5) % 16;
  const isWrite = i % 2 === 1;
  return {
    isWrite,
    requestBytes: isWrite ? 256 : 512,
    completionBytes: 256,
    request: makeLeg(way(i, to), 24),
    completion: isWrite ? null : makeLeg(way(to, i), 20),
    access: { latencyPs: 150_000 },
    translation: null,
    translationAt: -1,
    source: i,
    limits: { tags: 256, waitsForPosted: false },
    gate: null,
  };
});

for (const lengthBytes of [65536, 1 << 20, 16 << 20]) {
  const queue = new EventQueue({ timed: true, turn: noTurn });
  const engine = new FlowEngine(queue);
  let left = 200_000;
  let bytes = 0;
  const sink = {
    onProgress(progress, index) {
      if (progress === (paths[index].isWrite ? 1 : 2)) {
        bytes += lengthBytes;
        if (left-- > 0) engine.send(paths[index], 0, lengthBytes, false, sink, index);
      }
    },
  };
  const begin = performance.now();
  for (let i = 0; i < 64; i++) engine.send(paths[i % 16], 0, lengthBytes, false, sink, i % 16);
  queue.runUntilIdle();
  const seconds = (performance.now() - begin) / 1000;
  console.log(
    `requests of ${lengthBytes / 1024} KiB: ${(bytes / 1e9 / seconds).toFixed(0)} GB and ` +
      `${Math.round(bytes / lengthBytes / seconds)} requests a wall second, rates worked out ${engine.solutions} times`,
  );
}

// The hold model on the event queue: every event schedules its successor at a random later moment, so that the number of
// pending events stays. Beside it the same in SimPy and SystemC, where they are installed.
//
// Exit status 1 when the floor is missed.
import { EventQueue, noTurn } from '../../dist/fabric/index.js';
import { simpyHold, systemcHold } from './peers/run-peers.mjs';

const FLOOR = 8e6;
const GOAL = 25e6;
const EVENTS = 4_000_000;
const ROUNDS = 9;

/** Uniform up to 2.1 us, the same numbers in all three. */
const delays = new Float64Array(4096);
for (let i = 0, word = 12345; i < delays.length; i++) {
  word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
  delays[i] = 1 + (word >>> 11);
}

function eventsPerSecond(pending) {
  const queue = new EventQueue({ timed: true, turn: noTurn });
  let at = 0;
  const holder = {
    onEvent(code, argument) {
      queue.schedule(queue.nowPs + delays[at++ & 4095], holder, code, argument);
    },
  };
  for (let i = 0; i < pending; i++) queue.schedule(delays[at++ & 4095], holder, 0, i);
  queue.runUntilIdle(EVENTS);
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    queue.runUntilIdle(EVENTS);
    rounds.push(EVENTS / ((performance.now() - started) / 1000));
  }
  return rounds.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)];
}

const millions = (value) => `${(value / 1e6).toFixed(2)} M/s`;
function print(name, peer, ours) {
  console.log(
    peer.perSecond === null
      ? `    ${name} skipped: ${peer.reason}`
      : `    ${name} ${millions(peer.perSecond)}   ratio ${(ours / peer.perSecond).toFixed(1)}`,
  );
}

console.log(`hold model, medians of ${ROUNDS} rounds of ${EVENTS} events; peers run for 2 s`);
for (const pending of [1024, 65_536]) {
  const ours = eventsPerSecond(pending);
  console.log(`  ${pending} pending: ${millions(ours)}`);
  print('SimPy', simpyHold(pending), ours);
  print('SystemC', systemcHold(pending), ours);
  if (pending === 1024) {
    console.log(
      `  ${ours >= GOAL ? `goal ${GOAL / 1e6} M/s reached` : ours >= FLOOR ? `above the floor ${FLOOR / 1e6} M/s` : `BELOW THE FLOOR ${FLOOR / 1e6} M/s`}`,
    );
    process.exitCode = ours >= FLOOR ? 0 : 1;
  }
}

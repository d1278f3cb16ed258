// NVMe/TCP on loopback with our own host and a namespace in memory: 4 KiB reads at depth 1 and 32, 128 KiB sequential reads and
// writes; beside bare sockets that send and answer the same numbers of bytes without looking at them. Servers are processes of their
// own; both answer all that came in one turn with one write. Short rounds of both alternate; the ratio is the median over pairs of
// rounds, so that what else the machine does falls on both.
//
// Exit status 1 when a goal is missed by more than a quarter.
import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const LIBRARY = process.env.PEERLANE_DIST ?? '../../dist';
const { HostController, NvmeTcpServer, WallExecutor } = await import(`${LIBRARY}/serve/index.js`);
const nvmet = await import(`${LIBRARY}/orchestrators/index.js`);

const SUBSYSTEM = 'nqn.2024-01.org.example:bench';
const BLOCK = 4096;
const DISK_BYTES = 64 * 2 ** 20;
const ROUND_MS = Number(process.env.ROUND_MS ?? 250);
const ROUNDS = Number(process.env.ROUNDS ?? 15);
const COMMAND_BYTES = 72;
const HEADER_BYTES = 24;

const CASES = [
  { name: '4 KiB reads, depth 1', bytes: 4096, depth: 1, goal: 0.8, isWrite: false },
  { name: '4 KiB reads, depth 32', bytes: 4096, depth: 32, goal: 0.6, isWrite: false },
  { name: '128 KiB sequential reads, depth 8', bytes: 131_072, depth: 8, goal: 0.8, isWrite: false },
  { name: '128 KiB sequential writes, depth 8', bytes: 131_072, depth: 8, goal: 0.8, isWrite: true },
];

/** Answers every `askBytes` with `answerBytes`. */
function serveBare() {
  const block = Buffer.alloc(2 ** 22, 7);
  const server = createServer({ noDelay: true }, (socket) => {
    let askBytes = 0;
    let answerBytes = 0;
    let held = 0;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      let length = chunk.length;
      if (askBytes === 0) {
        askBytes = chunk.readUInt32LE(0);
        answerBytes = chunk.readUInt32LE(4);
        length -= 8;
      }
      held += length;
      const asked = Math.floor(held / askBytes);
      held -= asked * askBytes;
      for (let left = asked * answerBytes; left > 0; left -= block.length) {
        socket.write(left >= block.length ? block : block.subarray(0, left));
      }
    });
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}

async function serveTarget() {
  const nowMs = () => performance.now();
  const target = new nvmet.Target({ executor: new WallExecutor(nowMs) });
  target.addSubsystem({ ...nvmet.newSubsystem(SUBSYSTEM), allowAnyHost: true });
  const disk = new nvmet.MemoryTarget({ label: 'memory', sizeBytes: DISK_BYTES, blockBytes: BLOCK });
  const memory = nvmet.PooledMemory.ofBytes(64 * 2 ** 20);
  target.enableNamespace(SUBSYSTEM, nvmet.newNamespace(1, 'memory'), {
    target: disk,
    memory,
    kind: 'memory',
    deallocatedReadsZero: true,
  });
  const span = new nvmet.ByteSpan(new Uint8Array(2 ** 20).fill(7));
  for (let at = 0; at < DISK_BYTES; at += 2 ** 20) disk.write(at, span, 0, 2 ** 20, 0);
  const port = { ...nvmet.newPort(1, '127.0.0.1', '0'), subsystems: [SUBSYSTEM] };
  target.addPort(port);
  const server = new NvmeTcpServer({
    open: (queue) => target.openQueue(queue),
    keys: null,
    listener: null,
    nowMs,
  });
  process.send({ port: await server.listen(port) });
  process.on('message', () => process.send({ sendBytes: server.sendBytes, rss: process.memoryUsage().rss }));
}

function start(role) {
  const child = fork(fileURLToPath(import.meta.url), [role]);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('message', ({ port }) => resolve({ child, port }));
  });
}

/** @returns operations per second */
function bareRound(port, { bytes, depth, isWrite }) {
  const askBytes = isWrite ? HEADER_BYTES + bytes : COMMAND_BYTES;
  const answerBytes = isWrite ? HEADER_BYTES : HEADER_BYTES + bytes;
  const block = Buffer.alloc(askBytes * depth, 3);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let held = 0;
    let ended = 0;
    let startMs = 0;
    socket.once('error', reject);
    socket.once('connect', () => {
      const sizes = Buffer.alloc(8);
      sizes.writeUInt32LE(askBytes, 0);
      sizes.writeUInt32LE(answerBytes, 4);
      startMs = performance.now();
      socket.write(Buffer.concat([sizes, block]));
    });
    socket.on('data', (chunk) => {
      held += chunk.length;
      const answers = Math.floor(held / answerBytes);
      if (answers === 0) return;
      held -= answers * answerBytes;
      ended += answers;
      const tookMs = performance.now() - startMs;
      if (tookMs > ROUND_MS) {
        socket.destroy();
        resolve((ended * 1000) / tookMs);
        return;
      }
      socket.write(block.subarray(0, answers * askBytes));
    });
  });
}

async function targetRound(queue, { bytes, depth, isWrite }) {
  const blocks = bytes / BLOCK;
  const places = DISK_BYTES / bytes;
  const buffers = Array.from({ length: depth }, () => new Uint8Array(bytes).fill(5));
  let started = 0;
  let ended = 0;
  let outstanding = 0;
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const begin = (slot) => {
      const index = bytes > 4096 ? started % places : (started * 7919) % places;
      started++;
      outstanding++;
      const isTaken = isWrite
        ? queue.write(1, index * blocks, blocks, buffers[slot], slot)
        : queue.read(1, index * blocks, blocks, buffers[slot], slot);
      if (!isTaken) reject(new Error('the queue is full'));
    };
    let tookMs = 0;
    queue.onDone = (slot, status) => {
      if (status !== 0) reject(new Error(`status ${status.toString(16)}h`));
      outstanding--;
      if (tookMs === 0) {
        ended++;
        const nowMs = performance.now() - startMs;
        if (nowMs > ROUND_MS) tookMs = nowMs;
        else begin(slot);
      }
      if (outstanding === 0) resolve((ended * 1000) / tookMs);
    };
    for (let slot = 0; slot < depth; slot++) begin(slot);
  });
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function run() {
  const bare = await start('bare');
  const target = await start('target');
  const options = {
    address: { host: '127.0.0.1', port: target.port, psk: null },
    hostNqn: 'nqn.2024-01.org.example:host',
    subsystemNqn: SUBSYSTEM,
    hostId: new Uint8Array(16).fill(1),
    depth: 32,
    proof: null,
  };
  let failed = 0;
  const measure = async (host, label, only) => {
    const queue = await host.openQueue(1, 64);
    for (const one of CASES.filter(only)) {
      const rates = { bare: [], target: [] };
      await targetRound(queue, one);
      for (let round = 0; round < ROUNDS; round++) {
        rates.bare.push(await bareRound(bare.port, one));
        rates.target.push(await targetRound(queue, one));
      }
      const ours = median(rates.target);
      const theirs = median(rates.bare);
      const ratio = median(rates.target.map((rate, round) => rate / rates.bare[round]));
      const mib = (rate) => `${Math.round((rate * one.bytes) / 2 ** 20)} MiB/s`;
      const goal = label === '' ? ` (goal ${one.goal})` : '';
      console.log(
        `${one.name}${label}: ${Math.round(ours)}/s, ${mib(ours)}; bare ${Math.round(theirs)}/s, ${mib(theirs)}; ratio ${ratio.toFixed(2)}${goal}`,
      );
      if (label === '' && ratio < one.goal * 0.75) failed++;
    }
    queue.close();
    host.close();
  };
  await measure(await HostController.connect(options), '', () => true);
  const digests = { ...options, hasHeaderDigest: true, hasDataDigest: true };
  await measure(await HostController.connect(digests), ', digests', ({ isWrite }) => !isWrite);
  target.child.send('memory');
  const memory = await new Promise((resolve) => target.child.once('message', resolve));
  console.log(
    `memory of the server: ${Math.round(memory.rss / 2 ** 20)} MiB, ${memory.sendBytes} bytes for sending`,
  );
  bare.child.kill();
  target.child.kill();
  process.exit(failed === 0 ? 0 : 1);
}

if (process.argv[2] === 'bare') serveBare();
else if (process.argv[2] === 'target') await serveTarget();
else await run();

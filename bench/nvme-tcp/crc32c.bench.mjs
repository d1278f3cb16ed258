// CRC-32C, the digest of NVMe/TCP, over the sizes of a header, a page and a large transfer; beside the CRC-32 of zlib where Node has it.
import * as zlib from 'node:zlib';

const { crc32c } = await import(`${process.env.PEERLANE_DIST ?? '../../dist'}/serve/index.js`);
const BYTES = 2e8;

function rate(run, bytes) {
  for (let round = 0; round < 2000; round++) run(bytes);
  const rounds = Math.ceil(BYTES / bytes.length);
  const startMs = performance.now();
  for (let round = 0; round < rounds; round++) run(bytes);
  return (rounds * bytes.length) / (performance.now() - startMs) / 1e6;
}

for (const size of [24, 4096, 131_072]) {
  const bytes = Buffer.alloc(size, 7);
  const beside =
    zlib.crc32 === undefined ? '' : `; zlib.crc32 ${rate((one) => zlib.crc32(one), bytes).toFixed(2)} GB/s`;
  console.log(`${size} bytes: ${rate((one) => crc32c(one), bytes).toFixed(2)} GB/s${beside}`);
}

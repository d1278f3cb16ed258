/** gzip with an end: a kilobyte can ask for a gigabyte. */
import { gunzipSync } from 'node:zlib';
import { InputError } from '../base/index.ts';

/**
 * Unpacks, and stops as soon as more than `bytesMax` bytes have come out; no more than that is ever held.
 *
 * @throws {InputError} INPUT_TOO_LARGE; INPUT_TRUNCATED for data that is damaged or ends early
 */
export function boundedGunzip(bytes: Uint8Array, bytesMax: number): Uint8Array {
  try {
    const unpacked = gunzipSync(bytes, { maxOutputLength: Math.max(bytesMax, 1) });
    return new Uint8Array(unpacked.buffer, unpacked.byteOffset, unpacked.length);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') {
      throw new InputError('INPUT_TOO_LARGE', {
        message: `the compressed data expands to more than ${bytesMax} bytes`,
        hint: 'no snapshot of a machine is that large',
        detail: { bytesMax },
        cause,
      });
    }
    throw new InputError('INPUT_TRUNCATED', {
      message: 'the compressed data is damaged or ends too early',
      hint: 'copy it again; `gzip -t` tests it',
      detail: { reason: code },
      cause,
    });
  }
}

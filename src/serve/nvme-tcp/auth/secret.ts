/**
 * Secrets of DH-HMAC-CHAP in the text they are exchanged in, `DHHC-1:01:<base64 of the secret and its CRC-32>:`.
 *
 * Follows NVM Express Base 2.1, section 8.3.5.5.7 (secrets, their transformation and their representation).
 */
import { createHmac } from 'node:crypto';
import { NvmeTcpError } from '../errors.ts';
import { ieeeCrc32 } from '../tls/crc32.ts';

export type HashName = 'sha256' | 'sha384' | 'sha512';

export interface Secret {
  /** 32, 48 or 64 bytes. */
  readonly key: Uint8Array;
  /** Hash of the transformation; null: none. */
  readonly transform: HashName | null;
}

const FORMAT = /^DHHC-1:(\d{2}):([A-Za-z0-9+/]+={0,2}):$/;
const TRANSFORMS: readonly (HashName | null)[] = [null, 'sha256', 'sha384', 'sha512'];
export const HASH_BYTES: Readonly<Record<HashName, number>> = { sha256: 32, sha384: 48, sha512: 64 };

/** @throws {NvmeTcpError} NVMETCP_SECRET_FORMAT, NVMETCP_SECRET_CRC */
export function parseSecret(text: string): Secret {
  const parts = FORMAT.exec(text.trim());
  const transform = parts === null ? undefined : TRANSFORMS[Number(parts[1])];
  if (parts === null || transform === undefined) {
    throw wrongFormat('it is not DHHC-1:<hash>:<base64>: with a hash from 00 to 03');
  }
  const bytes = Buffer.from(parts[2]!, 'base64');
  const keyBytes = bytes.length - 4;
  if (bytes.toString('base64') !== parts[2] || (keyBytes !== 32 && keyBytes !== 48 && keyBytes !== 64)) {
    throw wrongFormat(`it holds ${bytes.length} bytes; a secret has 32, 48 or 64 and a CRC of 4`);
  }
  if (transform !== null && HASH_BYTES[transform] !== keyBytes) {
    throw wrongFormat(`a secret for ${transform} has ${HASH_BYTES[transform]} bytes, this one ${keyBytes}`);
  }
  const key = new Uint8Array(bytes.subarray(0, keyBytes));
  if (bytes.readUInt32LE(keyBytes) !== ieeeCrc32(key)) {
    throw new NvmeTcpError('NVMETCP_SECRET_CRC', {
      message: 'the CRC of the DH-HMAC-CHAP secret does not fit: it was not copied whole',
      hint: 'copy the secret again',
    });
  }
  return { key, transform };
}

export function formatSecret(secret: Secret): string {
  const bytes = Buffer.alloc(secret.key.length + 4);
  bytes.set(secret.key);
  bytes.writeUInt32LE(ieeeCrc32(secret.key), secret.key.length);
  const hash = TRANSFORMS.indexOf(secret.transform);
  return `DHHC-1:0${hash}:${bytes.toString('base64')}:`;
}

/** The key of one entity, named by its NQN: what responses are made with. */
export function transformedKey(secret: Secret, nqn: string): Uint8Array {
  return secret.transform === null
    ? secret.key
    : createHmac(secret.transform, secret.key).update(nqn).update('NVMe-over-Fabrics').digest();
}

function wrongFormat(why: string): NvmeTcpError {
  return new NvmeTcpError('NVMETCP_SECRET_FORMAT', {
    message: `the DH-HMAC-CHAP secret cannot be used: ${why}`,
    hint: 'nvme gen-dhchap-key makes one',
  });
}

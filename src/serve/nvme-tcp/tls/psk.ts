/**
 * Pre-shared keys of NVMe/TCP over TLS 1.3: the text they are exchanged in, and how a connection's key and name come out of
 * them.
 *
 * Only keys for SHA-256: Node gives OpenSSL a key without its hash, and OpenSSL then takes SHA-256. Follows NVMe over TCP Transport
 * 1.1, section 3.6.1; RFC 5869 and RFC 8446, 7.1.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import { NvmeTcpError } from '../errors.ts';
import { ieeeCrc32 } from './crc32.ts';

/**
 * How the labels of the derivation are put into bytes. `rfc8446` is what the text says; `libnvme-compat` is what libnvme did before it
 * could do both: no lengths before label and context, and the length of the key in little-endian. Source: linux-nvme/libnvme
 * src/nvme/linux.c, derive_tls_key and derive_tls_key_compat.
 */
export type LabelEncoding = 'rfc8446' | 'libnvme-compat';

/** A configured key, as a person has it. */
export interface ConfiguredPsk {
  readonly key: Uint8Array;
  /** Made into another for each host before use; `none`: used as it is. */
  readonly transform: 'none' | 'sha256';
}

export interface TlsPsk {
  /** What the client offers: `NVMe1R01 <host NQN> <subsystem NQN> <digest>`. */
  readonly identity: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

const FORMAT = /^NVMeTLSkey-(\d):(\d{2}):([A-Za-z0-9+/]+={0,2}):$/;
const KEY_BYTES = 32;
const HASH = 'sha256';
/** The hash in an identity: SHA-256. */
const HASH_NAME = '01';
const CONTEXT_BYTES_MAX = 255;

/**
 * Reads `NVMeTLSkey-1:01:<base64 of the key and its CRC-32>:`.
 * @throws {NvmeTcpError} NVMETCP_PSK_FORMAT, NVMETCP_PSK_CRC; NVMETCP_PSK_SHA384 for a key of 48 bytes or hash 02
 */
export function parsePsk(text: string): ConfiguredPsk {
  const parts = FORMAT.exec(text.trim());
  if (parts === null || parts[1] !== '1') {
    throw wrongFormat('it is not NVMeTLSkey-1:<hash>:<base64>:');
  }
  const hash = parts[2]!;
  const bytes = Buffer.from(parts[3]!, 'base64');
  if (bytes.toString('base64') !== parts[3]) {
    throw wrongFormat('its base64 is not whole');
  }
  if (hash === '02' || bytes.length === 48 + 4) {
    throw new NvmeTcpError('NVMETCP_PSK_SHA384', {
      message: 'the key is for SHA-384, which the TLS of Node cannot do with pre-shared keys',
      hint: 'make a key for SHA-256: nvme gen-tls-key --hmac=1',
    });
  }
  if (hash !== '00' && hash !== '01') {
    throw wrongFormat(`hash ${hash} is none`);
  }
  if (bytes.length !== KEY_BYTES + 4) {
    throw wrongFormat(`it holds ${bytes.length} bytes; ${KEY_BYTES} and a CRC of 4 are a key`);
  }
  const key = new Uint8Array(bytes.subarray(0, KEY_BYTES));
  if (bytes.readUInt32LE(KEY_BYTES) !== ieeeCrc32(key)) {
    throw new NvmeTcpError('NVMETCP_PSK_CRC', {
      message: 'the CRC of the TLS key does not fit: it was not copied whole',
      hint: 'copy the key again',
    });
  }
  return { key, transform: hash === '00' ? 'none' : 'sha256' };
}

/** The text of a key of 32 bytes. */
export function formatPsk(psk: ConfiguredPsk): string {
  const bytes = Buffer.alloc(KEY_BYTES + 4);
  bytes.set(psk.key);
  bytes.writeUInt32LE(ieeeCrc32(psk.key), KEY_BYTES);
  return `NVMeTLSkey-1:${psk.transform === 'none' ? '00' : '01'}:${bytes.toString('base64')}:`;
}

/**
 * The key of the TLS connections of one host to one subsystem.
 * @param version  of the identity: 1 names the key by its digest, 0 does not
 * @throws {NvmeTcpError} NVMETCP_PSK_FORMAT when the names are too long for version 0
 */
export function deriveTlsPsk(
  psk: ConfiguredPsk,
  hostNqn: string,
  subsystemNqn: string,
  version: 0 | 1,
  encoding: LabelEncoding = 'rfc8446',
): TlsPsk {
  const retained =
    psk.transform === 'none' ? psk.key : expandLabel(psk.key, 'HostNQN', hostNqn, psk.key.length, encoding);
  const names = `NVMe${version}R${HASH_NAME} ${hostNqn} ${subsystemNqn}`;
  if (version === 0) {
    return { identity: names, key: expandLabel(retained, 'nvme-tls-psk', names, KEY_BYTES, encoding) };
  }
  const digest = createHmac(HASH, retained)
    .update(`${hostNqn} ${subsystemNqn} NVMe-over-Fabrics`)
    .digest('base64');
  const context = `${HASH_NAME} ${digest}`;
  const key = expandLabel(retained, 'nvme-tls-psk', context, KEY_BYTES, encoding);
  return { identity: `${names} ${digest}`, key };
}

/** HKDF-Extract with a salt of zeroes and HKDF-Expand-Label. */
function expandLabel(
  secret: Uint8Array,
  label: string,
  context: string,
  lengthBytes: number,
  encoding: LabelEncoding,
): Uint8Array {
  const labelBytes = Buffer.from(`tls13 ${label}`, 'latin1');
  const contextBytes = Buffer.from(context, 'utf8');
  if (contextBytes.length > CONTEXT_BYTES_MAX) {
    throw wrongFormat('the names of host and subsystem are too long for its derivation');
  }
  const isText = encoding === 'rfc8446';
  const length = Buffer.from(isText ? [0, lengthBytes] : [lengthBytes, 0]);
  const info = isText
    ? [length, [labelBytes.length], labelBytes, [contextBytes.length], contextBytes]
    : [length, labelBytes, contextBytes];
  const whole = Buffer.concat(info.map((part) => Uint8Array.from(part)));
  return new Uint8Array(hkdfSync(HASH, secret, new Uint8Array(0), whole, lengthBytes));
}

function wrongFormat(why: string): NvmeTcpError {
  return new NvmeTcpError('NVMETCP_PSK_FORMAT', {
    message: `the TLS key cannot be used: ${why}`,
    hint: 'nvme gen-tls-key makes one: NVMeTLSkey-1:01:...:',
  });
}

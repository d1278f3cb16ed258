/** VERSION: what a client proposes, and what it is answered. */
import {
  VERSION_DEFAULTS,
  VERSION_MAJOR,
  VERSION_MINOR,
  VERSION_PAYLOAD,
  type VersionCapabilities,
} from '../../spec/vfio-user/index.ts';

/** Bytes of data in one message of either side. */
export const TRANSFER_BYTES_MAX = VERSION_DEFAULTS.max_data_xfer_size;
export const MESSAGE_DESCRIPTORS_MAX = 16;

const MAJOR = 0;
const TEXT_BYTES_MAX = 4096;

export interface AgreedVersion {
  /** Data in one message of ours. */
  readonly transferBytesMax: number;
  /** The payload of the answer: never longer than that of the proposal, which QEMU uses as its buffer. */
  readonly reply: Uint8Array;
}

/** @returns undefined for a proposal that is malformed, or of a version that is not served here */
export function agreeOnVersion(payload: Uint8Array): AgreedVersion | undefined {
  if (payload.length < VERSION_PAYLOAD.sizeBytes) {
    return undefined;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const wanted = capabilitiesIn(payload.subarray(VERSION_PAYLOAD.sizeBytes));
  if (VERSION_MAJOR.value(view) !== MAJOR || wanted === undefined) {
    return undefined;
  }
  const transferBytesMax = Math.min(wanted.max_data_xfer_size ?? TRANSFER_BYTES_MAX, TRANSFER_BYTES_MAX);
  // Only what was proposed may be in the answer.
  const agreed: VersionCapabilities = {
    ...(wanted.max_msg_fds === undefined ? {} : { max_msg_fds: MESSAGE_DESCRIPTORS_MAX }),
    ...(wanted.max_data_xfer_size === undefined ? {} : { max_data_xfer_size: TRANSFER_BYTES_MAX }),
    ...(wanted.write_multiple === true ? { write_multiple: true } : {}),
  };
  const texts = [`${JSON.stringify({ capabilities: agreed })}\0`, '{"capabilities":{}}\0', ''];
  const room = payload.length - VERSION_PAYLOAD.sizeBytes;
  const text = new TextEncoder().encode(texts.find(({ length }) => length <= room));
  const reply = new Uint8Array(VERSION_PAYLOAD.sizeBytes + text.length);
  const replyView = new DataView(reply.buffer);
  VERSION_MAJOR.setValue(replyView, MAJOR);
  VERSION_MINOR.setValue(replyView, 0);
  reply.set(text, VERSION_PAYLOAD.sizeBytes);
  return { transferBytesMax, reply };
}

/** What the text says; undefined when it is no such text. */
function capabilitiesIn(bytes: Uint8Array): VersionCapabilities | undefined {
  const end = bytes.indexOf(0);
  const text = end < 0 ? bytes : bytes.subarray(0, end);
  if (text.length === 0) {
    return {};
  }
  if (text.length > TEXT_BYTES_MAX) {
    return undefined;
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    return undefined;
  }
  const capabilities = isObject(parsed) ? (parsed.capabilities ?? {}) : undefined;
  if (!isObject(capabilities)) {
    return undefined;
  }
  const { max_msg_fds, max_data_xfer_size, write_multiple } = capabilities;
  const isSane =
    isCount(max_msg_fds, 0) &&
    isCount(max_data_xfer_size, 1) &&
    (write_multiple === undefined || typeof write_multiple === 'boolean');
  // Each was just looked at.
  return isSane ? (capabilities as VersionCapabilities) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown, min: number): boolean {
  return value === undefined || (Number.isSafeInteger(value) && (value as number) >= min);
}

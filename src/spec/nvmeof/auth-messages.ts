/**
 * The messages of DH-HMAC-CHAP, which Authentication Send and Receive carry.
 *
 * Variable parts (challenge, response, DH value) follow the fixed header in the order of the text. Follows NVM Express Base 2.1,
 * section 8.3.5.5.
 */
import { plain, reserved, structure } from '../../base/index.ts';
import { byteRun } from '../nvme/index.ts';

/** AUTH_TYPE. */
export const AUTH_TYPE = { COMMON: 0x00, DHCHAP: 0x01 } as const;
/** AUTH_ID: what a message is. */
export const AUTH_ID = {
  NEGOTIATE: 0x00,
  CHALLENGE: 0x01,
  REPLY: 0x02,
  SUCCESS1: 0x03,
  SUCCESS2: 0x04,
  FAILURE1: 0xf0,
  FAILURE2: 0xf1,
} as const;
/** HashID: HMAC over which hash. */
export const DHCHAP_HASH = { SHA_256: 0x01, SHA_384: 0x02, SHA_512: 0x03 } as const;
/** DHgID: groups of RFC 7919; NULL: no Diffie-Hellman exchange. */
export const DHCHAP_GROUP = {
  NULL: 0x00,
  FFDHE2048: 0x01,
  FFDHE3072: 0x02,
  FFDHE4096: 0x03,
  FFDHE6144: 0x04,
  FFDHE8192: 0x05,
} as const;
/** The only reason code of a failure. */
export const AUTH_FAILURE_REASON = 0x01;
/** Reason code explanations of a failure. */
export const AUTH_FAILURE = {
  FAILED: 0x01,
  PROTOCOL_NOT_USABLE: 0x02,
  CONCATENATION_MISMATCH: 0x03,
  HASH_NOT_USABLE: 0x04,
  GROUP_NOT_USABLE: 0x05,
  INCORRECT_PAYLOAD: 0x06,
  INCORRECT_MESSAGE: 0x07,
} as const;

export const AUTH_KIND = plain('AUTH_TYPE', 0x00, 8);
export const AUTH_MESSAGE = plain('AUTH_ID', 0x01, 8);
/** Transaction, chosen by the host. */
export const AUTH_T_ID = plain('T_ID', 0x04, 16);
const HEAD = [AUTH_KIND, AUTH_MESSAGE, reserved(2, 2), AUTH_T_ID];
const SOURCE = 'NVM Express Base 2.1, 8.3.5.5';

/** Secure Channel Concatenation; 0: none. */
export const NEGOTIATE_SC_C = plain('SC_C', 0x06, 8);
/** Number of protocol descriptors. */
export const NEGOTIATE_NAPD = plain('NAPD', 0x07, 8);
export const NEGOTIATE = structure('AUTH_Negotiate', SOURCE, 8, [...HEAD, NEGOTIATE_SC_C, NEGOTIATE_NAPD]);
/** A protocol descriptor; offsets from its own start. */
export const DESCRIPTOR_BYTES = 64;
export const DESCRIPTOR_AUTHID = plain('AuthID', 0, 8);
export const DESCRIPTOR_HALEN = plain('HALEN', 2, 8);
export const DESCRIPTOR_DHLEN = plain('DHLEN', 3, 8);
export const DESCRIPTOR_HASHES = byteRun('Hash IDList', 4, 30);
export const DESCRIPTOR_GROUPS = byteRun('DH IDList', 34, 30);
export const DESCRIPTOR_IDS_MAX = 30;
export const DESCRIPTOR_AUTHID_DHCHAP = 0x01;
export const DESCRIPTOR = structure('DH-HMAC-CHAP descriptor', SOURCE, DESCRIPTOR_BYTES, [
  DESCRIPTOR_AUTHID,
  reserved(1, 1),
  DESCRIPTOR_HALEN,
  DESCRIPTOR_DHLEN,
  DESCRIPTOR_HASHES,
  DESCRIPTOR_GROUPS,
]);

/** Hash length, bytes: of challenges and responses. Challenge, Reply and Success1. */
export const DHCHAP_HL = plain('HL', 0x06, 8);
export const CHALLENGE_HASHID = plain('HashID', 0x08, 8);
export const CHALLENGE_DHGID = plain('DHgID', 0x09, 8);
/** Bytes of the DH value; Challenge and Reply. */
export const DHCHAP_DHVLEN = plain('DHVLEN', 0x0a, 16);
/** Sequence number; 0 in a reply that does not challenge the controller. Challenge and Reply. */
export const DHCHAP_SEQNUM = plain('SEQNUM', 0x0c, 32);
/** Where the variable part of Challenge, Reply and Success1 starts. */
export const DHCHAP_HEADER_BYTES = 16;
/** Challenge: CVAL, DHV. */
export const CHALLENGE = structure('DH-HMAC-CHAP_Challenge', SOURCE, DHCHAP_HEADER_BYTES, [
  ...HEAD,
  DHCHAP_HL,
  reserved(7, 1),
  CHALLENGE_HASHID,
  CHALLENGE_DHGID,
  DHCHAP_DHVLEN,
  DHCHAP_SEQNUM,
]);
/** 1: the host challenges the controller. */
export const REPLY_CVALID = plain('CVALID', 0x08, 8);
/** Reply: RVAL, CVAL, DHV. */
export const REPLY = structure('DH-HMAC-CHAP_Reply', SOURCE, DHCHAP_HEADER_BYTES, [
  ...HEAD,
  DHCHAP_HL,
  reserved(7, 1),
  REPLY_CVALID,
  reserved(9, 1),
  DHCHAP_DHVLEN,
  DHCHAP_SEQNUM,
]);
/** 1: a response to the host's challenge follows. */
export const SUCCESS1_RVALID = plain('RVALID', 0x08, 8);
/** Success1: RVAL. */
export const SUCCESS1 = structure('DH-HMAC-CHAP_Success1', SOURCE, DHCHAP_HEADER_BYTES, [
  ...HEAD,
  DHCHAP_HL,
  reserved(7, 1),
  SUCCESS1_RVALID,
  reserved(9, 7),
]);
export const SUCCESS2_BYTES = 16;
export const SUCCESS2 = structure('DH-HMAC-CHAP_Success2', SOURCE, SUCCESS2_BYTES, [
  ...HEAD,
  reserved(6, 10),
]);
export const FAILURE_REASON = plain('Reason code', 0x06, 8);
export const FAILURE_EXPLANATION = plain('Reason code explanation', 0x07, 8);
export const FAILURE_BYTES = 8;
export const FAILURE = structure('AUTH_Failure', SOURCE, FAILURE_BYTES, [
  ...HEAD,
  FAILURE_REASON,
  FAILURE_EXPLANATION,
]);

/** The arithmetic of DH-HMAC-CHAP that both sides share. Follows NVM Express Base 2.1, section 8.3.5.5. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { DHCHAP_HASH } from '../../../spec/nvmeof/index.ts';
import { HASH_BYTES, type HashName } from './secret.ts';

const HASHES: ReadonlyMap<number, HashName> = new Map([
  [DHCHAP_HASH.SHA_256, 'sha256'],
  [DHCHAP_HASH.SHA_384, 'sha384'],
  [DHCHAP_HASH.SHA_512, 'sha512'],
]);

/** By HashID; undefined for none. */
export function hashOfId(id: number): HashName | undefined {
  return HASHES.get(id);
}

export function idOfHash(hash: HashName): number {
  return [...HASHES].find(([, name]) => name === hash)![0];
}

export function hashBytes(hash: HashName): number {
  return HASH_BYTES[hash];
}

export interface ResponseFacts {
  readonly hash: HashName;
  /** Transformed. */
  readonly key: Uint8Array;
  readonly challenge: Uint8Array;
  /** Of the exchange in a group; null: without. */
  readonly shared: Uint8Array | null;
  readonly sequence: number;
  readonly transaction: number;
  readonly concatenation: number;
  /** Of the one who answers. */
  readonly role: 'HostHost' | 'Controller';
  readonly nqn: string;
  readonly otherNqn: string;
}

/** The answer to a challenge. */
export function response(facts: ResponseFacts): Uint8Array {
  const { hash, key, challenge, shared, role, nqn, otherNqn } = facts;
  // With a shared secret the challenge is augmented: HMAC(H(secret), challenge).
  const augmented =
    shared === null
      ? challenge
      : createHmac(hash, createHash(hash).update(shared).digest()).update(challenge).digest();
  const numbers = Buffer.alloc(7);
  numbers.writeUInt32LE(facts.sequence, 0);
  numbers.writeUInt16LE(facts.transaction, 4);
  numbers.writeUInt8(facts.concatenation, 6);
  return createHmac(hash, key)
    .update(augmented)
    .update(numbers)
    .update(role)
    .update(nqn)
    .update(Buffer.alloc(1))
    .update(otherNqn)
    .digest();
}

/** Takes the same time wherever they differ. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

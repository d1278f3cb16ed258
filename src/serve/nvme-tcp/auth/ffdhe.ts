/**
 * The finite field groups of RFC 7919, made from the formula of their definition, and one side of an exchange in them.
 *
 * A prime of b bits is 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1; the generator is 2. RFC 7919, appendix A.
 */
import { createDiffieHellman, type DiffieHellman } from 'node:crypto';
import { DHCHAP_GROUP } from '../../../spec/nvmeof/index.ts';

interface GroupFacts {
  readonly name: string;
  readonly bits: number;
  /** The X of the formula: the smallest that makes a safe prime. */
  readonly x: number;
}

const GROUPS: ReadonlyMap<number, GroupFacts> = new Map([
  [DHCHAP_GROUP.FFDHE2048, { name: 'ffdhe2048', bits: 2048, x: 560_316 }],
  [DHCHAP_GROUP.FFDHE3072, { name: 'ffdhe3072', bits: 3072, x: 2_625_351 }],
  [DHCHAP_GROUP.FFDHE4096, { name: 'ffdhe4096', bits: 4096, x: 5_736_041 }],
  [DHCHAP_GROUP.FFDHE6144, { name: 'ffdhe6144', bits: 6144, x: 15_705_020 }],
  [DHCHAP_GROUP.FFDHE8192, { name: 'ffdhe8192', bits: 8192, x: 10_965_728 }],
]);
const GENERATOR = 2;
const GUARD_BITS = 64n;

/** Made when first asked for, and kept. */
const primes = new Map<number, Buffer>();

/** Of a group by its identifier; null for DHCHAP_GROUP.NULL and what is no group. */
export function groupPrime(group: number): Buffer | null {
  const facts = GROUPS.get(group);
  if (facts === undefined) {
    return null;
  }
  let prime = primes.get(group);
  if (prime === undefined) {
    const bits = BigInt(facts.bits);
    const value =
      (1n << bits) - (1n << (bits - 64n)) + ((scaledE(bits - 130n) + BigInt(facts.x)) << 64n) - 1n;
    prime = Buffer.from(value.toString(16), 'hex');
    primes.set(group, prime);
  }
  return prime;
}

/** `null`, `ffdhe2048` and so on; undefined for what is no group. */
export function groupOfName(name: string): number | undefined {
  if (name === 'null') {
    return DHCHAP_GROUP.NULL;
  }
  return [...GROUPS].find(([, facts]) => facts.name === name)?.[0];
}

/** One side of an exchange; used once. */
export class GroupExchange {
  readonly #dh: DiffieHellman;
  readonly #prime: Buffer;
  /** As long as the prime. */
  readonly publicValue: Uint8Array;

  /** @param group  not NULL */
  constructor(group: number) {
    const prime = groupPrime(group);
    if (prime === null) {
      throw new RangeError(`${group} is no group`);
    }
    this.#prime = prime;
    this.#dh = createDiffieHellman(prime, GENERATOR);
    this.publicValue = padded(this.#dh.generateKeys(), prime.length);
  }

  /** The shared secret, as long as the prime; null when the other side's value is none of the group: 0, 1, p - 1 and above. */
  secret(otherValue: Uint8Array): Uint8Array | null {
    const prime = this.#prime;
    if (otherValue.length !== prime.length) {
      return null;
    }
    const value = BigInt(`0x${Buffer.from(otherValue).toString('hex')}`);
    const p = BigInt(`0x${prime.toString('hex')}`);
    if (value <= 1n || value >= p - 1n) {
      return null;
    }
    return padded(this.#dh.computeSecret(otherValue), prime.length);
  }
}

function padded(value: Uint8Array, lengthBytes: number): Uint8Array {
  const bytes = new Uint8Array(lengthBytes);
  bytes.set(value, lengthBytes - value.length);
  return bytes;
}

/** floor(2^bits e), by its series with bits to spare. */
function scaledE(bits: bigint): bigint {
  let term = 1n << (bits + GUARD_BITS);
  let sum = 0n;
  for (let k = 1n; term > 0n; k++) {
    sum += term;
    term /= k;
  }
  return sum >> GUARD_BITS;
}

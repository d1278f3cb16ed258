import { checkPrimeSync, createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { GroupExchange, groupOfName, groupPrime } from '../../../src/serve/nvme-tcp/index.ts';
import { DHCHAP_GROUP } from '../../../src/spec/nvmeof/index.ts';

describe('the groups of RFC 7919', () => {
  // Ends of the primes as printed in its appendix A.
  test.each([
    ['ffdhe2048', 256, '886b423861285c97'],
    ['ffdhe3072', 384, '25e41d2b66c62e37'],
    ['ffdhe4096', 512, 'c68a007e5e655f6a'],
    ['ffdhe6144', 768, 'a40e329cd0e40e65'],
    ['ffdhe8192', 1024, 'd68c8bb7c5c6424c'],
  ] as const)('%s is the prime that the formula makes', (name, lengthBytes, end) => {
    const prime = groupPrime(groupOfName(name)!)!;
    expect(prime.length).toBe(lengthBytes);
    expect(prime.toString('hex')).toMatch(new RegExp(`^f{16}adf85458a2bb4a9a.*${end}f{16}$`));
  });

  test('the smallest is a safe prime', () => {
    const prime = groupPrime(DHCHAP_GROUP.FFDHE2048)!;
    const value = BigInt(`0x${prime.toString('hex')}`);
    expect(checkPrimeSync(value, { checks: 4 })).toBe(true);
    expect(checkPrimeSync((value - 1n) / 2n, { checks: 4 })).toBe(true);
  });

  test('both sides come to the same secret, as long as the prime', () => {
    const digests = new Set<string>();
    for (let round = 0; round < 8; round++) {
      const one = new GroupExchange(DHCHAP_GROUP.FFDHE2048);
      const other = new GroupExchange(DHCHAP_GROUP.FFDHE2048);
      const secret = one.secret(other.publicValue)!;
      expect(secret.length).toBe(256);
      expect(Buffer.from(secret).equals(Buffer.from(other.secret(one.publicValue)!))).toBe(true);
      digests.add(createHash('sha256').update(secret).digest('hex'));
    }
    expect(digests.size).toBe(8);
  });

  test('values that give the secret away are refused: 0, 1, p - 1, p, and another length', () => {
    const prime = groupPrime(DHCHAP_GROUP.FFDHE2048)!;
    const exchange = new GroupExchange(DHCHAP_GROUP.FFDHE2048);
    const value = (number: bigint): Buffer => Buffer.from(number.toString(16).padStart(512, '0'), 'hex');
    const p = BigInt(`0x${prime.toString('hex')}`);
    for (const number of [0n, 1n, p - 1n, p]) {
      expect(exchange.secret(value(number))).toBeNull();
    }
    expect(exchange.secret(value(2n).subarray(1))).toBeNull();
    expect(exchange.secret(value(2n))).not.toBeNull();
  });
});

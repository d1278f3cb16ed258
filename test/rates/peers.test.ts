import { describe, expect, it } from 'vitest';
import {
  bidirectionalWriteGoodputGBs,
  linkGoodputGBs,
  peerGoodputGBs,
  platformNamed,
  writeGoodputGBs,
} from '../../src/rates/index.ts';

const g3x16 = { speedGTs: 8, width: 16 };
const g4x16 = { speedGTs: 16, width: 16 };
const ask = (name: string, operation: 'write' | 'read', linksGBs: number, isOtherSocket = false) =>
  peerGoodputGBs(platformNamed(name), { operation, linksGBs, isOtherSocket });

describe('between root ports', () => {
  it('Zen 2 passes 0.95 of the link both ways at once (C14, C15) and 0.81 to another socket (C14)', () => {
    const links = bidirectionalWriteGoodputGBs(g4x16, 128);
    expect(2 * ask('amd-zen2', 'write', links).goodputGBs).toBeCloseTo(49.9, 1);
    expect((2 * ask('amd-zen2', 'write', links, true).goodputGBs) / 40.5).toBeCloseTo(1, 0);
    expect(ask('amd-zen2', 'write', links).limit).toBe('share');
  });

  it('Zen 4 passes nearly all (C13)', () => {
    expect(ask('amd-zen4', 'write', writeGoodputGBs(g4x16, 128)).goodputGBs).toBeCloseTo(26.32, 1);
  });

  it('Broadwell caps three drives at 7.1 GB/s (C11), Skylake passes what 64-byte packets allow (W17)', () => {
    const cut = (name: string) =>
      linkGoodputGBs({ ...g3x16, writeBytesMax: platformNamed(name).peers.splitBytes }, 'write', 256, 512);
    expect(ask('intel-xeon-bdw', 'write', cut('intel-xeon-bdw'))).toEqual({ goodputGBs: 7.1, limit: 'cap' });
    const skylake = ask('intel-xeon-skl', 'write', cut('intel-xeon-skl'));
    expect(skylake.goodputGBs).toBeCloseTo(11.4275, 3);
    expect(skylake.limit).toBe('links');
  });

  it('the consumer hardware of 2016 writes 4 and reads 1.2 GB/s (C10)', () => {
    expect(ask('consumer-2016', 'write', 7).goodputGBs).toBe(4);
    expect(ask('consumer-2016', 'read', 7).goodputGBs).toBe(1.2);
  });

  it('Intel clients refuse reads (C12), none-supported everything, and another socket does not help', () => {
    const refused = { goodputGBs: 0, limit: 'refused' };
    expect(ask('intel-client', 'read', 7)).toEqual(refused);
    expect(ask('intel-client', 'read', 7, true)).toEqual(refused);
    expect(ask('none-supported', 'write', 7)).toEqual(refused);
    expect(ask('none-supported', 'write', 7, true)).toEqual(refused);
  });

  it('a socket link limits, and so do reads that are forwarded a few at a time', () => {
    expect(ask('intel-xeon-skl', 'write', 26, true)).toEqual({ goodputGBs: 10, limit: 'socket' });
    const zen = platformNamed('amd-zen4');
    const few = { ...zen, peers: { ...zen.peers, readsInFlight: 4 } };
    const answer = peerGoodputGBs(few, {
      operation: 'read',
      linksGBs: 26,
      isOtherSocket: false,
      requestBytes: 256,
      roundTripNs: 850,
    });
    expect(answer.limit).toBe('reads-in-flight');
    expect(answer.goodputGBs).toBeCloseTo(1.2, 2);
  });
});

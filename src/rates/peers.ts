/** What a root complex lets pass between its own ports, and between sockets. */
import type { PlatformTiming } from './platform-timing.ts';

export interface PeerQuestion {
  readonly operation: 'write' | 'read';
  /** What the links of the path deliver, packets cut to `peers.splitBytes` where they leave. GB/s. */
  readonly linksGBs: number;
  readonly isOtherSocket: boolean;
  /** Of a read: the largest request and its round trip; only where few are forwarded at a time. */
  readonly requestBytes?: number;
  readonly roundTripNs?: number;
}

export interface PeerAnswer {
  /** 0: refused. */
  readonly goodputGBs: number;
  /** What decided. */
  readonly limit: 'links' | 'share' | 'cap' | 'reads-in-flight' | 'socket' | 'refused';
}

/** One stream from device to device through the root complex, in GB/s. */
export function peerGoodputGBs(platform: PlatformTiming, question: PeerQuestion): PeerAnswer {
  const { peers } = platform;
  const isWrite = question.operation === 'write';
  const ownShare = isWrite ? peers.writeShare : peers.readShare;
  // Who refuses within a socket refuses between two.
  const share = question.isOtherSocket ? Math.min(ownShare, peers.otherSocketShare) : ownShare;
  if (share === 0) {
    return { goodputGBs: 0, limit: 'refused' };
  }
  let answer: PeerAnswer = { goodputGBs: share * question.linksGBs, limit: share < 1 ? 'share' : 'links' };
  const limitTo = (goodputGBs: number, limit: PeerAnswer['limit']): void => {
    if (goodputGBs < answer.goodputGBs) {
      answer = { goodputGBs, limit };
    }
  };
  limitTo(isWrite ? peers.writeGBs : peers.readGBs, 'cap');
  if (!isWrite && question.requestBytes !== undefined && question.roundTripNs !== undefined) {
    limitTo((peers.readsInFlight * question.requestBytes) / question.roundTripNs, 'reads-in-flight');
  }
  if (question.isOtherSocket) {
    limitTo(platform.socket.peerGBs, 'socket');
  }
  return answer;
}

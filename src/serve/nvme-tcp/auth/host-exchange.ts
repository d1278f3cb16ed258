/** DH-HMAC-CHAP, the host's side: what our own initiator sends and takes. Follows NVM Express Base 2.1, section 8.3.5.5. */
import { randomBytes } from 'node:crypto';
import {
  AUTH_FAILURE,
  AUTH_FAILURE_REASON,
  AUTH_ID,
  AUTH_KIND,
  AUTH_MESSAGE,
  AUTH_T_ID,
  AUTH_TYPE,
  CHALLENGE_DHGID,
  CHALLENGE_HASHID,
  DESCRIPTOR_AUTHID,
  DESCRIPTOR_AUTHID_DHCHAP,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_DHLEN,
  DESCRIPTOR_GROUPS,
  DESCRIPTOR_HALEN,
  DESCRIPTOR_HASHES,
  DHCHAP_DHVLEN,
  DHCHAP_GROUP,
  DHCHAP_HEADER_BYTES,
  DHCHAP_HL,
  DHCHAP_SEQNUM,
  FAILURE_BYTES,
  FAILURE_EXPLANATION,
  FAILURE_REASON,
  NEGOTIATE,
  NEGOTIATE_NAPD,
  REPLY_CVALID,
  SUCCESS1_RVALID,
  SUCCESS2_BYTES,
} from '../../../spec/nvmeof/index.ts';
import { NvmeTcpError } from '../errors.ts';
import { GroupExchange } from './ffdhe.ts';
import { hashBytes, hashOfId, isSame, response } from './response.ts';
import { type Secret, transformedKey } from './secret.ts';

export interface HostSide {
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  readonly secret: Secret;
  /** The controller must prove itself with it; null: it need not. */
  readonly controllerSecret: Secret | null;
  /** Offered, by HashID and DHgID. */
  readonly hashes: readonly number[];
  readonly groups: readonly number[];
}

export class HostExchange {
  readonly #side: HostSide;
  readonly #transaction: number;
  #expected: Uint8Array | null = null;

  /** @param transaction  a number of the host's choice, 16 bits */
  constructor(side: HostSide, transaction: number) {
    this.#side = side;
    this.#transaction = transaction;
  }

  negotiate(): Uint8Array {
    const { hashes, groups } = this.#side;
    const message = new Uint8Array(NEGOTIATE.sizeBytes + DESCRIPTOR_BYTES);
    const view = this.#head(message, AUTH_TYPE.COMMON, AUTH_ID.NEGOTIATE);
    NEGOTIATE_NAPD.setValue(view, 1);
    const at = NEGOTIATE.sizeBytes;
    DESCRIPTOR_AUTHID.setValue(view, DESCRIPTOR_AUTHID_DHCHAP, at);
    DESCRIPTOR_HALEN.setValue(view, hashes.length, at);
    DESCRIPTOR_DHLEN.setValue(view, groups.length, at);
    message.set(hashes, at + DESCRIPTOR_HASHES.offset);
    message.set(groups, at + DESCRIPTOR_GROUPS.offset);
    return message;
  }

  /**
   * The reply to a challenge.
   * @throws {NvmeTcpError} NVMETCP_AUTH_REFUSED for a failure message, NVMETCP_AUTH_PROTOCOL for what is no challenge
   */
  reply(challenge: Uint8Array): Uint8Array {
    const view = this.#expect(challenge, AUTH_ID.CHALLENGE);
    const hash = hashOfId(CHALLENGE_HASHID.value(view));
    const groupId = CHALLENGE_DHGID.value(view);
    const length = DHCHAP_HL.value(view);
    const valueBytes = DHCHAP_DHVLEN.value(view);
    const isWhole =
      hash !== undefined &&
      hashBytes(hash) === length &&
      challenge.length >= DHCHAP_HEADER_BYTES + length + valueBytes;
    if (!isWhole) {
      throw wrongMessage('its challenge is not whole');
    }
    const { hostNqn, subsystemNqn, secret, controllerSecret } = this.#side;
    const group = groupId === DHCHAP_GROUP.NULL ? null : new GroupExchange(groupId);
    const valueAt = DHCHAP_HEADER_BYTES + length;
    const shared = group === null ? null : group.secret(challenge.subarray(valueAt, valueAt + valueBytes));
    if (group !== null && shared === null) {
      throw wrongMessage('its value is none of the group');
    }
    const common = { hash, shared, transaction: this.#transaction, concatenation: 0 };
    const answer = response({
      ...common,
      key: transformedKey(secret, hostNqn),
      challenge: challenge.slice(DHCHAP_HEADER_BYTES, valueAt),
      sequence: DHCHAP_SEQNUM.value(view),
      role: 'HostHost',
      nqn: hostNqn,
      otherNqn: subsystemNqn,
    });
    const value = group?.publicValue ?? new Uint8Array(0);
    const message = new Uint8Array(DHCHAP_HEADER_BYTES + 2 * length + value.length);
    const out = this.#head(message, AUTH_TYPE.DHCHAP, AUTH_ID.REPLY);
    DHCHAP_HL.setValue(out, length);
    DHCHAP_DHVLEN.setValue(out, value.length);
    message.set(answer, DHCHAP_HEADER_BYTES);
    message.set(value, DHCHAP_HEADER_BYTES + 2 * length);
    if (controllerSecret !== null) {
      const ours = randomBytes(length);
      const sequence = (randomBytes(4).readUInt32LE(0) | 1) >>> 0;
      REPLY_CVALID.setValue(out, 1);
      DHCHAP_SEQNUM.setValue(out, sequence);
      message.set(ours, DHCHAP_HEADER_BYTES + length);
      this.#expected = response({
        ...common,
        key: transformedKey(controllerSecret, subsystemNqn),
        challenge: ours,
        sequence,
        role: 'Controller',
        nqn: subsystemNqn,
        otherNqn: hostNqn,
      });
    }
    return message;
  }

  /**
   * What is sent after Success1; null: nothing, it is over.
   * @throws {NvmeTcpError} NVMETCP_AUTH_REFUSED, NVMETCP_AUTH_PROTOCOL, NVMETCP_AUTH_CONTROLLER when the controller's proof is wrong
   */
  finish(success1: Uint8Array): Uint8Array | null {
    const view = this.#expect(success1, AUTH_ID.SUCCESS1);
    const expected = this.#expected;
    if (expected === null) {
      return null;
    }
    const proof = success1.subarray(DHCHAP_HEADER_BYTES, DHCHAP_HEADER_BYTES + DHCHAP_HL.value(view));
    if (SUCCESS1_RVALID.value(view) !== 1 || !isSame(expected, proof)) {
      throw new NvmeTcpError('NVMETCP_AUTH_CONTROLLER', {
        message: 'the controller could not prove who it is',
        hint: 'is the controller secret the same at both ends?',
        exitStatus: 3,
      });
    }
    const message = new Uint8Array(SUCCESS2_BYTES);
    this.#head(message, AUTH_TYPE.DHCHAP, AUTH_ID.SUCCESS2);
    return message;
  }

  /** Tells the controller that its proof was wrong. */
  failure(): Uint8Array {
    const message = new Uint8Array(FAILURE_BYTES);
    const view = this.#head(message, AUTH_TYPE.COMMON, AUTH_ID.FAILURE2);
    FAILURE_REASON.setValue(view, AUTH_FAILURE_REASON);
    FAILURE_EXPLANATION.setValue(view, AUTH_FAILURE.FAILED);
    return message;
  }

  #expect(message: Uint8Array, id: number): DataView {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    if (message.length < FAILURE_BYTES) {
      throw wrongMessage('a message is too short');
    }
    if (AUTH_KIND.value(view) === AUTH_TYPE.COMMON && AUTH_MESSAGE.value(view) === AUTH_ID.FAILURE1) {
      const explanation = FAILURE_EXPLANATION.value(view);
      throw new NvmeTcpError('NVMETCP_AUTH_REFUSED', {
        message: `the controller refuses the host (explanation ${explanation})`,
        hint: 'is the secret the same at both ends, and for this host NQN?',
        detail: { explanation },
        exitStatus: 3,
      });
    }
    const isIt =
      AUTH_KIND.value(view) === AUTH_TYPE.DHCHAP &&
      AUTH_MESSAGE.value(view) === id &&
      AUTH_T_ID.value(view) === this.#transaction &&
      message.length >= DHCHAP_HEADER_BYTES;
    if (!isIt) {
      throw wrongMessage('a message is not the one that comes next');
    }
    return view;
  }

  #head(message: Uint8Array, kind: number, id: number): DataView {
    const view = new DataView(message.buffer);
    AUTH_KIND.setValue(view, kind);
    AUTH_MESSAGE.setValue(view, id);
    AUTH_T_ID.setValue(view, this.#transaction);
    return view;
  }
}

function wrongMessage(why: string): NvmeTcpError {
  return new NvmeTcpError('NVMETCP_AUTH_PROTOCOL', {
    message: `the controller does not follow DH-HMAC-CHAP: ${why}`,
    hint: 'look at the wire (tcpdump, port 4420)',
    exitStatus: 3,
  });
}

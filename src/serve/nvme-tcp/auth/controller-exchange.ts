/**
 * DH-HMAC-CHAP, the controller's side: one exchange of one queue, message by message.
 *
 * Whatever a host sends ends in a failure message at worst: AUTH_Failure1 is what the host receives next, and then the exchange has
 * failed. Secure channel concatenation is not offered. Follows NVM Express Base 2.1, section 8.3.5.5.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { AuthenticationExchange } from '../../../orchestrators/index.ts';
import { NVME_STATUS } from '../../../spec/nvme/index.ts';
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
  DESCRIPTOR_IDS_MAX,
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
  NEGOTIATE_SC_C,
  REPLY_CVALID,
  SUCCESS1_RVALID,
  SUCCESS2_BYTES,
} from '../../../spec/nvmeof/index.ts';
import { GroupExchange } from './ffdhe.ts';
import { hashBytes, hashOfId, isSame, response } from './response.ts';
import { type HashName, type Secret, transformedKey } from './secret.ts';

const SUCCESS = 0;

export interface ControllerSide {
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  readonly hostSecret: Secret;
  /** With which the controller proves itself when a host asks it to; null: it cannot. */
  readonly controllerSecret: Secret | null;
  /** Acceptable hashes by HashID, the best first. */
  readonly hashes: readonly number[];
  /** Acceptable groups by DHgID, the best first. */
  readonly groups: readonly number[];
}

/** What comes next. */
type Step = 'negotiate' | 'challenge' | 'reply' | 'success1' | 'success2' | 'failure1' | 'over';

export class ControllerExchange implements AuthenticationExchange {
  state: 'running' | 'passed' | 'failed' = 'running';
  readonly #side: ControllerSide;
  #step: Step = 'negotiate';
  #transaction = 0;
  #hash: HashName = 'sha256';
  #hashId = 0;
  #groupId: number = DHCHAP_GROUP.NULL;
  #challenge: Uint8Array = new Uint8Array(0);
  #sequence = 0;
  #group: GroupExchange | null = null;
  /** To the host's challenge; null: it has not challenged us. */
  #answer: Uint8Array | null = null;
  #explanation: number = AUTH_FAILURE.FAILED;

  constructor(side: ControllerSide) {
    this.#side = side;
  }

  send(message: Uint8Array): number {
    if (this.state !== 'running') {
      return NVME_STATUS.COMMAND_SEQUENCE_ERROR;
    }
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    if (message.length < FAILURE_BYTES) {
      return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
    }
    const kind = AUTH_KIND.value(view);
    const id = AUTH_MESSAGE.value(view);
    if (kind === AUTH_TYPE.COMMON && id === AUTH_ID.FAILURE2) {
      this.#step = 'over';
      this.state = 'failed';
      return SUCCESS;
    }
    if (kind === AUTH_TYPE.COMMON && id === AUTH_ID.NEGOTIATE && this.#step === 'negotiate') {
      return this.#onNegotiate(message, view);
    }
    const isExpected =
      kind === AUTH_TYPE.DHCHAP &&
      ((id === AUTH_ID.REPLY && this.#step === 'reply') ||
        (id === AUTH_ID.SUCCESS2 && this.#step === 'success2'));
    if (!isExpected) {
      return this.#refuse(AUTH_FAILURE.INCORRECT_MESSAGE);
    }
    if (AUTH_T_ID.value(view) !== this.#transaction) {
      return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
    }
    if (id === AUTH_ID.REPLY) {
      return this.#onReply(message, view);
    }
    if (message.length < SUCCESS2_BYTES) {
      return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
    }
    this.#step = 'over';
    this.state = 'passed';
    return SUCCESS;
  }

  receive(lengthBytesMax: number): Uint8Array | number {
    if (this.#step === 'failure1') {
      return this.#fitting(this.#failure1(), lengthBytesMax, 'over', 'failed');
    }
    if (this.state === 'running' && this.#step === 'challenge') {
      return this.#fitting(this.#challengeMessage(), lengthBytesMax, 'reply', 'running');
    }
    if (this.state === 'running' && this.#step === 'success1') {
      const isMutual = this.#answer !== null;
      return this.#fitting(
        this.#success1(),
        lengthBytesMax,
        isMutual ? 'success2' : 'over',
        isMutual ? 'running' : 'passed',
      );
    }
    return NVME_STATUS.COMMAND_SEQUENCE_ERROR;
  }

  #onNegotiate(message: Uint8Array, view: DataView): number {
    this.#transaction = AUTH_T_ID.value(view);
    if (NEGOTIATE_SC_C.value(view) !== 0) {
      return this.#refuse(AUTH_FAILURE.CONCATENATION_MISMATCH);
    }
    const count = NEGOTIATE_NAPD.value(view);
    if (count === 0 || message.length < NEGOTIATE.sizeBytes + count * DESCRIPTOR_BYTES) {
      return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
    }
    for (let index = 0; index < count; index++) {
      const at = NEGOTIATE.sizeBytes + index * DESCRIPTOR_BYTES;
      if (DESCRIPTOR_AUTHID.value(view, at) !== DESCRIPTOR_AUTHID_DHCHAP) {
        continue;
      }
      const hashCount = DESCRIPTOR_HALEN.value(view, at);
      const groupCount = DESCRIPTOR_DHLEN.value(view, at);
      if (hashCount > DESCRIPTOR_IDS_MAX || groupCount > DESCRIPTOR_IDS_MAX) {
        return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
      }
      const hashesAt = at + DESCRIPTOR_HASHES.offset;
      const groupsAt = at + DESCRIPTOR_GROUPS.offset;
      const hashId = best(this.#side.hashes, message.subarray(hashesAt, hashesAt + hashCount));
      if (hashId === undefined) {
        return this.#refuse(AUTH_FAILURE.HASH_NOT_USABLE);
      }
      const groupId = best(this.#side.groups, message.subarray(groupsAt, groupsAt + groupCount));
      if (groupId === undefined) {
        return this.#refuse(AUTH_FAILURE.GROUP_NOT_USABLE);
      }
      this.#hashId = hashId;
      this.#hash = hashOfId(hashId)!;
      this.#groupId = groupId;
      this.#step = 'challenge';
      return SUCCESS;
    }
    return this.#refuse(AUTH_FAILURE.PROTOCOL_NOT_USABLE);
  }

  #onReply(message: Uint8Array, view: DataView): number {
    const length = hashBytes(this.#hash);
    const valueBytes = this.#group?.publicValue.length ?? 0;
    const isWhole =
      DHCHAP_HL.value(view) === length &&
      DHCHAP_DHVLEN.value(view) === valueBytes &&
      message.length >= DHCHAP_HEADER_BYTES + 2 * length + valueBytes;
    if (!isWhole) {
      return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
    }
    const answerAt = DHCHAP_HEADER_BYTES;
    const challengeAt = answerAt + length;
    const valueAt = challengeAt + length;
    let shared: Uint8Array | null = null;
    if (this.#group !== null) {
      shared = this.#group.secret(message.subarray(valueAt, valueAt + valueBytes));
      if (shared === null) {
        return this.#refuse(AUTH_FAILURE.INCORRECT_PAYLOAD);
      }
    }
    const { hostNqn, subsystemNqn, hostSecret, controllerSecret } = this.#side;
    const common = { hash: this.#hash, shared, transaction: this.#transaction, concatenation: 0 };
    const expected = response({
      ...common,
      key: transformedKey(hostSecret, hostNqn),
      challenge: this.#challenge,
      sequence: this.#sequence,
      role: 'HostHost',
      nqn: hostNqn,
      otherNqn: subsystemNqn,
    });
    if (!isSame(expected, message.subarray(answerAt, challengeAt))) {
      return this.#refuse(AUTH_FAILURE.FAILED);
    }
    this.#answer = null;
    if (REPLY_CVALID.value(view) !== 0) {
      if (controllerSecret === null) {
        return this.#refuse(AUTH_FAILURE.FAILED);
      }
      this.#answer = response({
        ...common,
        key: transformedKey(controllerSecret, subsystemNqn),
        challenge: message.slice(challengeAt, valueAt),
        sequence: DHCHAP_SEQNUM.value(view),
        role: 'Controller',
        nqn: subsystemNqn,
        otherNqn: hostNqn,
      });
    }
    this.#step = 'success1';
    return SUCCESS;
  }

  #challengeMessage(): Uint8Array {
    const length = hashBytes(this.#hash);
    if (this.#challenge.length === 0) {
      this.#challenge = randomBytes(length);
      this.#sequence = randomInt(1, 0xffff_ffff);
      this.#group = this.#groupId === DHCHAP_GROUP.NULL ? null : new GroupExchange(this.#groupId);
    }
    const value = this.#group?.publicValue ?? new Uint8Array(0);
    const message = new Uint8Array(DHCHAP_HEADER_BYTES + length + value.length);
    const view = this.#head(message, AUTH_TYPE.DHCHAP, AUTH_ID.CHALLENGE);
    DHCHAP_HL.setValue(view, length);
    CHALLENGE_HASHID.setValue(view, this.#hashId);
    CHALLENGE_DHGID.setValue(view, this.#groupId);
    DHCHAP_DHVLEN.setValue(view, value.length);
    DHCHAP_SEQNUM.setValue(view, this.#sequence);
    message.set(this.#challenge, DHCHAP_HEADER_BYTES);
    message.set(value, DHCHAP_HEADER_BYTES + length);
    return message;
  }

  #success1(): Uint8Array {
    const length = hashBytes(this.#hash);
    const answer = this.#answer;
    const message = new Uint8Array(DHCHAP_HEADER_BYTES + (answer === null ? 0 : length));
    const view = this.#head(message, AUTH_TYPE.DHCHAP, AUTH_ID.SUCCESS1);
    DHCHAP_HL.setValue(view, length);
    if (answer !== null) {
      SUCCESS1_RVALID.setValue(view, 1);
      message.set(answer, DHCHAP_HEADER_BYTES);
    }
    return message;
  }

  #failure1(): Uint8Array {
    const message = new Uint8Array(FAILURE_BYTES);
    const view = this.#head(message, AUTH_TYPE.COMMON, AUTH_ID.FAILURE1);
    FAILURE_REASON.setValue(view, AUTH_FAILURE_REASON);
    FAILURE_EXPLANATION.setValue(view, this.#explanation);
    return message;
  }

  #head(message: Uint8Array, kind: number, id: number): DataView {
    const view = new DataView(message.buffer);
    AUTH_KIND.setValue(view, kind);
    AUTH_MESSAGE.setValue(view, id);
    AUTH_T_ID.setValue(view, this.#transaction);
    return view;
  }

  /** A host that has too little room asks again. */
  #fitting(
    message: Uint8Array,
    lengthBytesMax: number,
    next: Step,
    state: 'running' | 'passed' | 'failed',
  ): Uint8Array | number {
    if (message.length > lengthBytesMax) {
      return NVME_STATUS.INVALID_FIELD;
    }
    this.#step = next;
    this.state = state;
    return message;
  }

  /** The command is fine; the next message says that the exchange is not. */
  #refuse(explanation: number): number {
    this.#explanation = explanation;
    this.#step = 'failure1';
    return SUCCESS;
  }
}

/** The first of ours that is among theirs. */
function best(ours: readonly number[], theirs: Uint8Array): number | undefined {
  return ours.find((id) => theirs.includes(id));
}

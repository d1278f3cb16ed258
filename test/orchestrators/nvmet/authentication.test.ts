import { describe, expect, it } from 'vitest';
import type { AuthenticationExchange, AuthenticationFacts } from '../../../src/orchestrators/nvmet/index.ts';
import { ADMIN_OPCODE, CC, CNS, NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import { FABRICS_STATUS, FABRICS_TYPE } from '../../../src/spec/nvmeof/index.ts';
import { bench, CC_ENABLED, connectCommand, HOST_A, HOST_B, identify, propertySet } from './support/host.ts';
import { type CommandOptions, LoopQueue } from './support/loop.ts';

/** Wants the message "open", then answers with "done"; anything else fails. */
class Password implements AuthenticationExchange {
  state: 'running' | 'passed' | 'failed' = 'running';
  #isRight = false;

  send(message: Uint8Array): number {
    this.#isRight = String.fromCharCode(...message) === 'open';
    return NVME_STATUS.SUCCESS;
  }

  receive(): Uint8Array | number {
    this.state = this.#isRight ? 'passed' : 'failed';
    return Uint8Array.from(this.#isRight ? 'done' : 'nope', (letter) => letter.charCodeAt(0));
  }
}

const CDW10 = 0xe901_0100;

function send(text: string, cdw10 = CDW10): CommandOptions {
  const out = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return {
    opcode: ADMIN_OPCODE.FABRICS,
    nsid: FABRICS_TYPE.AUTHENTICATION_SEND,
    cdw10,
    cdw11: out.length,
    out,
    inCapsule: true,
  };
}

function receive(lengthBytes = 16): CommandOptions {
  return {
    opcode: ADMIN_OPCODE.FABRICS,
    nsid: FABRICS_TYPE.AUTHENTICATION_RECEIVE,
    cdw10: CDW10,
    cdw11: lengthBytes,
    in: lengthBytes,
  };
}

function start(hostNqn = HOST_A) {
  const asked: AuthenticationFacts[] = [];
  const made = bench({
    authenticator: {
      begin: (facts) => {
        asked.push(facts);
        return facts.hostNqn === HOST_A ? new Password() : null;
      },
    },
  });
  const queue = new LoopQueue(made.target, made.port);
  const connected = queue.run(connectCommand({ hostNqn }));
  return { ...made, queue, asked, connected: connected.completion };
}

describe('in-band authentication', () => {
  it('is asked for at Connect, and nothing else is answered before it', () => {
    const { queue, connected, asked } = start();
    expect(connected.result).toBe(0x2_0001);
    expect(asked).toMatchObject([{ hostNqn: HOST_A, queueId: 0, controllerId: 1 }]);
    const required = FABRICS_STATUS.AUTHENTICATION_REQUIRED;
    expect(queue.run(identify(CNS.CONTROLLER)).completion.status).toBe(required);
    expect(propertySet(queue, CC.offset, CC_ENABLED).status).toBe(required);
  });

  it('opens the queue when it has passed', () => {
    const { queue } = start();
    expect(queue.run(send('open')).completion.status).toBe(0);
    expect(String.fromCharCode(...queue.run(receive()).data.slice(0, 4))).toBe('done');
    expect(propertySet(queue, CC.offset, CC_ENABLED).status).toBe(0);
    expect(queue.run(identify(CNS.CONTROLLER)).completion.status).toBe(0);
  });

  it('ends the connection when it has failed, after the answer', () => {
    const { queue, target } = start();
    queue.run(send('wrong'));
    expect(String.fromCharCode(...queue.run(receive()).data.slice(0, 4))).toBe('nope');
    expect(queue.closeReason).toBe('authentication-failed');
    expect(target.controllerCount).toBe(0);
  });

  it('ends it in time where data take their time too', () => {
    const made = start();
    const queue = new LoopQueue(made.target, made.port, { executor: made.executor });
    queue.run(connectCommand({ host: 2 }));
    queue.run(send('wrong'));
    const answer = queue.run(receive());
    expect([answer.completion.status, queue.closeReason]).toEqual([0, 'authentication-failed']);
  });

  it('is wanted of every queue', () => {
    const { queue, target, port } = start();
    queue.run(send('open'));
    queue.run(receive());
    propertySet(queue, CC.offset, CC_ENABLED);
    const io = new LoopQueue(target, port);
    const connected = io.run(connectCommand({ queueId: 1, controllerId: 1 }));
    expect(connected.completion.result).toBe(0x2_0001);
    expect(io.run({ opcode: 0, nsid: 1 }).completion.status).toBe(FABRICS_STATUS.AUTHENTICATION_REQUIRED);
    io.run(send('open'));
    io.run(receive());
    expect(io.run({ opcode: 0, nsid: 1 }).completion.status).toBe(0);
  });

  it('is not wanted of a host that has no secret, which then cannot begin it', () => {
    const { queue, connected } = start(HOST_B);
    expect(connected.result).toBe(1);
    expect(queue.run(send('open')).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    expect(queue.run(receive()).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  });

  it('knows its own security protocol and sane lengths only', () => {
    const { queue } = start();
    expect(queue.run(send('open', 0x0001_0100)).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(queue.run(receive(32_768)).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
  });
});

import { describe, expect, it } from 'vitest';
import { CC, CNS, CSTS, ID_CNTLID, ID_FCATT, NVME_STATUS } from '../../../src/spec/nvme/index.ts';
import {
  CNTLID_STATIC_ANY,
  CONNECT_RECFMT,
  DISCOVERY_NQN,
  FABRICS_STATUS,
  FABRICS_TYPE,
} from '../../../src/spec/nvmeof/index.ts';
import {
  type BenchOptions,
  bench,
  type ConnectOptions,
  connectCommand,
  HOST_A,
  HOST_B,
  identify,
  LoopHost,
  propertyGet,
  propertySet,
  read,
} from './support/host.ts';
import { LoopQueue } from './support/loop.ts';

/** What a fresh connection is told. */
function tryConnect(options: ConnectOptions, made = bench()) {
  const queue = new LoopQueue(made.target, made.port);
  return { ...queue.run(connectCommand(options)).completion, queue, made };
}

function refusal(options: ConnectOptions, benchOptions: BenchOptions = {}) {
  const { status, result, isFinal, made } = tryConnect(options, bench(benchOptions));
  expect(isFinal).toBe(true);
  expect(made.target.controllerCount).toBe(0);
  return { status, offset: result & 0xffff, isData: result >>> 16 === 1 };
}

const INVALID = FABRICS_STATUS.CONNECT_INVALID_PARAMETERS;

describe('Connect is refused (NVM Express Base 2.1, 6.3)', () => {
  it('for a format that is not 0', () => {
    const { status } = refusal({ edit: (sqe) => CONNECT_RECFMT.setValue(sqe, 1) });
    expect(status).toBe(FABRICS_STATUS.CONNECT_INCOMPATIBLE_FORMAT);
  });

  it('for a queue of one entry, at SQSIZE', () => {
    expect(refusal({ sqsize: 0 })).toEqual({ status: INVALID, offset: 44, isData: false });
  });

  it('for a queue that is larger than CAP.MQES, at SQSIZE', () => {
    expect(refusal({ sqsize: 128 })).toEqual({ status: INVALID, offset: 44, isData: false });
    expect(tryConnect({ sqsize: 127 }).status).toBe(0);
  });

  it('for a subsystem that is not there, or not behind the port, at SUBNQN', () => {
    expect(refusal({ subsystemNqn: 'nqn.2024-01.org.example:other' })).toEqual({
      status: INVALID,
      offset: 256,
      isData: true,
    });
    expect(refusal({}, { port: { subsystems: [] } })).toEqual({ status: INVALID, offset: 256, isData: true });
  });

  it('for names that are not ended or not printable', () => {
    const endless = refusal({ editData: (data) => new Uint8Array(data.buffer, 512, 256).fill(0x61) });
    expect(endless).toEqual({ status: INVALID, offset: 512, isData: true });
    expect(refusal({ hostNqn: 'nqn.\u0001' })).toEqual({ status: INVALID, offset: 512, isData: true });
    expect(refusal({ hostNqn: '' })).toEqual({ status: INVALID, offset: 512, isData: true });
  });

  it('for a host that is not allowed', () => {
    const { status } = refusal(
      { hostNqn: HOST_B },
      { subsystem: { allowAnyHost: false, allowedHosts: [HOST_A] } },
    );
    expect(status).toBe(FABRICS_STATUS.CONNECT_INVALID_HOST);
  });

  it('for a port that wants a secure channel, without one', () => {
    const base = bench();
    const address = { ...base.port.address, secureChannel: 'required' } as const;
    expect(refusal({}, { port: { address } }).status).toBe(FABRICS_STATUS.CONNECT_INVALID_HOST);
    const made = bench({ port: { address } });
    const queue = new LoopQueue(made.target, made.port, { isSecure: true });
    expect(queue.run(connectCommand()).completion.status).toBe(0);
  });

  it('for a controller by its number in the dynamic model, at CNTLID', () => {
    expect(refusal({ controllerId: 1 })).toEqual({ status: INVALID, offset: 16, isData: true });
  });

  it('when all controller identifiers are taken, and not for good for those that leave', () => {
    const made = bench({ subsystem: { cntlidMin: 5, cntlidMax: 6 } });
    const first = new LoopHost(made);
    const second = new LoopHost(made, { host: 2 });
    expect([first.controllerId, second.controllerId]).toEqual([5, 6]);
    expect(tryConnect({ host: 3 }, made).status).toBe(FABRICS_STATUS.CONNECT_CONTROLLER_BUSY);
    first.leave();
    expect(tryConnect({ host: 3 }, made).result).toBe(5);
  });

  it('when the target has as many controllers as it may', () => {
    const made = bench({ controllersMax: 1 });
    const first = new LoopHost(made);
    expect(tryConnect({}, made).status).toBe(FABRICS_STATUS.CONNECT_CONTROLLER_BUSY);
    first.leave();
    expect(tryConnect({}, made).status).toBe(0);
  });

  it('for data of another length', () => {
    const made = bench();
    const queue = new LoopQueue(made.target, made.port);
    const sent = queue.run({ ...connectCommand(), out: new Uint8Array(1023) });
    expect(sent.completion.status).toBe(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
  });

  it('on a queue that is connected', () => {
    const host = new LoopHost(bench());
    expect(host.admin.run(connectCommand()).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  });
});

describe('Connect of an I/O queue is refused', () => {
  function refusalOf(options: ConnectOptions, prepare: (host: LoopHost) => void = () => {}) {
    const host = new LoopHost(bench({ subsystem: { qidMax: 4 } }));
    prepare(host);
    const queue = new LoopQueue(host.bench.target, host.bench.port);
    const { completion } = queue.run(
      connectCommand({ queueId: 1, controllerId: host.controllerId, ...options }),
    );
    return {
      status: completion.status,
      offset: completion.result & 0xffff,
      isData: completion.result >>> 16 === 1,
    };
  }

  it('for a controller that is not there, at CNTLID', () => {
    expect(refusalOf({ controllerId: 77 })).toEqual({ status: INVALID, offset: 16, isData: true });
  });

  it('for another host by name or identifier', () => {
    expect(refusalOf({ hostNqn: HOST_B })).toEqual({ status: INVALID, offset: 512, isData: true });
    expect(refusalOf({ host: 9 })).toEqual({ status: INVALID, offset: 0, isData: true });
  });

  it('for a number above those there are, at QID', () => {
    expect(refusalOf({ queueId: 5 })).toEqual({ status: INVALID, offset: 42, isData: false });
    expect(refusalOf({ queueId: 4 }).status).toBe(0);
  });

  it('for a queue that is there already, until it goes', () => {
    const host = new LoopHost(bench());
    const first = host.connectIo(1);
    const again = (): number =>
      new LoopQueue(host.bench.target, host.bench.port).run(
        connectCommand({ queueId: 1, controllerId: host.controllerId }),
      ).completion.status;
    expect(again()).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    first.drop();
    expect(again()).toBe(0);
  });

  it('while the controller is not enabled', () => {
    const { status } = refusalOf({}, (host) => propertySet(host.admin, CC.offset, 0));
    expect(status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  });

  it('at a discovery controller, which has none', () => {
    const made = bench();
    const admin = new LoopHost(made, { subsystemNqn: DISCOVERY_NQN });
    const queue = new LoopQueue(made.target, made.port);
    const { completion } = queue.run(
      connectCommand({ subsystemNqn: DISCOVERY_NQN, queueId: 1, controllerId: admin.controllerId }),
    );
    expect(completion.status).toBe(INVALID);
  });
});

describe('the static controller model', () => {
  const options = { subsystem: { controllerModel: 'static', cntlidMin: 10, cntlidMax: 12 } } as const;

  it('gives the controller that is asked for, or any', () => {
    const made = bench(options);
    const asked = new LoopHost(made, { controllerId: 11 });
    expect(asked.controllerId).toBe(11);
    expect(new LoopHost(made, { controllerId: CNTLID_STATIC_ANY }).controllerId).toBe(10);
    expect(ID_FCATT.value(asked.admin.run(identify(CNS.CONTROLLER)).view)).toBe(1);
  });

  it('refuses one that is taken as busy, one that cannot be as invalid', () => {
    const made = bench(options);
    new LoopHost(made, { controllerId: 11 });
    expect(tryConnect({ controllerId: 11 }, made).status).toBe(FABRICS_STATUS.CONNECT_CONTROLLER_BUSY);
    expect(tryConnect({ controllerId: 13 }, made).status).toBe(INVALID);
    expect(tryConnect({}, made).status).toBe(INVALID);
  });
});

describe('controllers and their connections', () => {
  it('are as many as hosts connect, each with a number of its own', () => {
    const made = bench();
    const hosts = [1, 2, 3].map((host) => new LoopHost(made, { host }));
    expect(new Set(hosts.map((host) => host.controllerId)).size).toBe(3);
    for (const host of hosts) {
      expect(ID_CNTLID.value(host.admin.run(identify(CNS.CONTROLLER)).view)).toBe(host.controllerId);
    }
    expect(made.target.controllerCount).toBe(3);
  });

  it('go with the admin queue, I/O queues too', () => {
    const host = new LoopHost(bench());
    const io = host.connectIo();
    host.admin.drop();
    expect(io.isGone).toBe(true);
    expect(io.closeReason).toBe('controller-removed');
    expect(host.bench.target.controllerCount).toBe(0);
    expect([...host.bench.target.queues]).toEqual([]);
  });

  it('answer nothing but Connect before it, and refuse the rest', () => {
    const made = bench();
    const queue = new LoopQueue(made.target, made.port);
    expect(queue.run(identify(CNS.CONTROLLER)).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    expect(queue.run(read(0, 1)).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  });

  it('take no commands before they are enabled and after they are shut down', () => {
    const made = bench();
    const queue = new LoopQueue(made.target, made.port);
    queue.run(connectCommand());
    expect(propertyGet(queue, CSTS.offset).result).toBe(0);
    expect(queue.run(identify(CNS.CONTROLLER)).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    propertySet(queue, CC.offset, 0x0046_0001);
    expect(queue.run(identify(CNS.CONTROLLER)).completion.status).toBe(0);
    propertySet(queue, CC.offset, 0x0046_4001);
    // SHST: complete.
    expect(propertyGet(queue, CSTS.offset).result).toBe(0b1000);
    expect(queue.run(identify(CNS.CONTROLLER)).completion.status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    propertySet(queue, CC.offset, 0x0046_0001);
    expect(propertyGet(queue, CSTS.offset).result).toBe(1);
  });

  it('fail when they are enabled with what they do not have', () => {
    const made = bench();
    const queue = new LoopQueue(made.target, made.port);
    queue.run(connectCommand());
    // Pages of 8 KiB.
    propertySet(queue, CC.offset, 0x0046_0081);
    expect(propertyGet(queue, CSTS.offset).result).toBe(0b10);
  });

  it('let an I/O queue be deleted by Disconnect if Connect said so', () => {
    const host = new LoopHost(bench(), { cattr: 1 << 3 });
    const io = host.connectIo();
    const disconnect = { opcode: 0x7f, nsid: FABRICS_TYPE.DISCONNECT };
    expect(host.admin.run(disconnect).completion.status).toBe(FABRICS_STATUS.DISCONNECT_INVALID_QUEUE_TYPE);
    expect(io.run(disconnect).completion.status).toBe(0);
    expect(io.closeReason).toBe('disconnect-command');
    expect(host.admin.isGone).toBe(false);
  });

  it('tell SQHD as commands are answered, FFFFh where the host does not look', () => {
    const host = new LoopHost(bench());
    const io = host.connectIo(1, 3);
    const heads = [1, 2, 3, 4].map(() => io.run(read(0, 1)).completion.head);
    expect(heads).toEqual([2, 3, 0, 1]);
    const other = new LoopHost(bench(), { cattr: 1 << 2 });
    expect(other.connectIo().run(read(0, 1)).completion.head).toBe(0xffff);
  });

  it('end when a host has more commands outstanding than its queue has entries', () => {
    const made = bench();
    const host = new LoopHost(made, {}, { executor: made.executor });
    const io = host.connectIo(1, 7);
    for (let i = 0; i < 8; i++) {
      io.issue(read(0, 1));
    }
    expect(io.isGone).toBe(false);
    io.issue(read(0, 1));
    expect(io.closeReason).toBe('queue-overflow');
    made.executor.settle();
    expect(made.memory.usedBytes).toBe(0);
  });
});

describe('access that changes', () => {
  it('ends the connections of hosts that lose it', () => {
    const made = bench({ subsystem: { allowAnyHost: false, allowedHosts: [HOST_A, HOST_B] } });
    const a = new LoopHost(made, { hostNqn: HOST_A });
    const b = new LoopHost(made, { hostNqn: HOST_B, host: 2 });
    made.target.disallowHost(a.admin.handle.subsystemNqn!, HOST_A);
    expect(a.admin.closeReason).toBe('access-revoked');
    expect(b.admin.isGone).toBe(false);
  });

  it('ends connections through a port that loses the subsystem', () => {
    const made = bench();
    const host = new LoopHost(made);
    const io = host.connectIo();
    made.target.unlinkSubsystem(1, host.admin.handle.subsystemNqn!);
    expect([io.isGone, host.admin.isGone]).toEqual([true, true]);
  });
});

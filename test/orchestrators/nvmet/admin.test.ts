import { describe, expect, it } from 'vitest';
import { newNamespace, newPort } from '../../../src/orchestrators/nvmet/index.ts';
import {
  ADMIN_OPCODE,
  ANA_STATE,
  asciiOf,
  CNS,
  FEATURE,
  ID_FR,
  ID_MN,
  ID_SN,
  ID_SUBNQN,
  LOG_PAGE,
  NVM_OPCODE,
  NVME_STATUS,
} from '../../../src/spec/nvme/index.ts';
import { DelayedTarget } from './support/delayed-target.ts';
import {
  type BenchOptions,
  BLOCK,
  BLOCKS,
  bench,
  disk,
  hostId,
  identify,
  LoopHost,
  logPage,
  pattern,
  read,
  SUBSYSTEM,
  waitEvent,
  write,
} from './support/host.ts';
import type { LoopQueue } from './support/loop.ts';

function start(options: BenchOptions = {}) {
  const made = bench(options);
  return { ...made, host: new LoopHost(made) };
}

function setFeature(queue: LoopQueue, feature: number, cdw11: number, nsid = 0) {
  return queue.run({ opcode: ADMIN_OPCODE.SET_FEATURES, nsid, cdw10: feature, cdw11 }).completion;
}

function getFeature(queue: LoopQueue, feature: number, nsid = 0) {
  return queue.run({ opcode: ADMIN_OPCODE.GET_FEATURES, nsid, cdw10: feature }).completion;
}

describe('keep-alive', () => {
  const keepAlive = { opcode: ADMIN_OPCODE.KEEP_ALIVE };

  it('ends the controller and its connections when nothing comes', () => {
    const made = bench();
    const host = new LoopHost(made, { katoMs: 5000 });
    const io = host.connectIo();
    // The commands of connecting count for the first period.
    made.executor.advance(9_999);
    expect(host.admin.isGone).toBe(false);
    made.executor.advance(2);
    expect([host.admin.closeReason, io.closeReason]).toEqual(['keep-alive-expired', 'keep-alive-expired']);
    expect([made.target.controllerCount, made.executor.timerCount]).toEqual([0, 0]);
  });

  it('lives on by Keep Alive, and by any traffic on any queue', () => {
    const made = bench();
    const host = new LoopHost(made, { katoMs: 1000 });
    const io = host.connectIo();
    for (let i = 0; i < 10; i++) {
      made.executor.advance(900);
      expect(host.admin.run(keepAlive).completion.status).toBe(0);
    }
    for (let i = 0; i < 10; i++) {
      made.executor.advance(900);
      io.run(read(0, 1));
    }
    expect(host.admin.isGone).toBe(false);
  });

  it('is set and told in milliseconds, in whole units of 100', () => {
    const { host, executor } = start();
    expect(host.admin.run(keepAlive).completion.status).toBe(NVME_STATUS.KEEP_ALIVE_INVALID);
    expect(setFeature(host.admin, FEATURE.KEEP_ALIVE_TIMER, 12_345).result).toBe(12_400);
    expect(getFeature(host.admin, FEATURE.KEEP_ALIVE_TIMER).result).toBe(12_400);
    expect(executor.timerCount).toBe(1);
    setFeature(host.admin, FEATURE.KEEP_ALIVE_TIMER, 0);
    expect(executor.timerCount).toBe(0);
  });
});

describe('Identify', () => {
  it('shows what the configuration says, or something that is always the same', () => {
    const text = (made: ReturnType<typeof start>) => {
      const { view } = made.host.admin.run(identify(CNS.CONTROLLER));
      return [ID_SN, ID_MN, ID_FR, ID_SUBNQN].map((field) => asciiOf(field, view));
    };
    const said = { serial: 'S1', model: 'A model', firmware: '7', version: '1.4' };
    expect(text(start({ subsystem: said }))).toEqual(['S1', 'A model', '7', SUBSYSTEM]);
    const own = text(start());
    expect(own).toEqual(text(start()));
    expect(own[0]).toMatch(/^[0-9a-f]{20}$/);
  });

  it('lists namespaces above a number, ascending', () => {
    const { host, target, memory } = start();
    for (const nsid of [900, 7, 30]) {
      target.enableNamespace(SUBSYSTEM, newNamespace(nsid, 'x'), {
        target: disk('x'),
        memory,
        kind: 'memory',
        deallocatedReadsZero: true,
      });
    }
    const list = (cns: number, above: number): number[] => {
      const { view } = host.admin.run(identify(cns, above));
      return [0, 1, 2, 3, 4].map((i) => view.getUint32(4 * i, true)).filter((nsid) => nsid > 0);
    };
    expect(list(CNS.ACTIVE_NAMESPACE_LIST, 0)).toEqual([1, 7, 30, 900]);
    expect(list(CNS.ACTIVE_NAMESPACE_LIST, 7)).toEqual([30, 900]);
    expect(list(CNS.COMMAND_SET_ACTIVE_NAMESPACE_LIST, 29)).toEqual([30, 900]);
    expect(host.admin.run(identify(CNS.ACTIVE_NAMESPACE_LIST, 0xffff_fffe)).completion.status).toBe(
      NVME_STATUS.INVALID_NAMESPACE,
    );
  });

  it('tells the identifiers of a namespace', () => {
    const uuid = '12345678-9abc-def0-1234-56789abcdef0';
    const { host } = start({ namespace: { device: { path: 'm', uuid, nguid: 'ff'.repeat(16) } } });
    const { data } = host.admin.run(identify(CNS.NAMESPACE_DESCRIPTORS, 1));
    const hex = Buffer.from(data.slice(0, 46)).toString('hex');
    expect(hex).toBe(
      `03100000${uuid.replaceAll('-', '')}02100000${'ff'.repeat(16)}0401000000000000`.slice(0, 92),
    );
  });

  it('has zeroes for a namespace that is not there and an error for one that cannot be', () => {
    const { host } = start();
    for (const cns of [CNS.NAMESPACE, CNS.INDEPENDENT_NAMESPACE, CNS.COMMAND_SET_NAMESPACE]) {
      const absent = host.admin.run(identify(cns, 2));
      expect([absent.completion.status, absent.data]).toEqual([0, new Uint8Array(4096)]);
      expect(host.admin.run(identify(cns, 0)).completion.status).toBe(NVME_STATUS.INVALID_NAMESPACE);
      expect(host.admin.run(identify(cns, 1025)).completion.status).toBe(NVME_STATUS.INVALID_NAMESPACE);
    }
    expect(host.admin.run(identify(CNS.NAMESPACE_DESCRIPTORS, 2)).completion.status).toBe(
      NVME_STATUS.INVALID_NAMESPACE,
    );
  });

  it('knows one command set, and refuses the others and unknown structures', () => {
    const { host } = start();
    expect(host.admin.run(identify(CNS.COMMAND_SETS)).data[0]).toBe(1);
    expect(host.admin.run(identify(CNS.COMMAND_SET_CONTROLLER)).completion.status).toBe(0);
    for (const [cns, csi] of [
      [CNS.COMMAND_SET_CONTROLLER, 2],
      [CNS.COMMAND_SET_NAMESPACE, 2],
      [CNS.PORTS_LIST, 0],
      [0xff, 0],
    ] as const) {
      expect(host.admin.run(identify(cns, 1, csi)).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    }
  });

  it('wants room for all of it', () => {
    const { host } = start();
    const short = { ...identify(CNS.CONTROLLER), in: 2048 };
    expect(host.admin.run(short).completion.status).toBe(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
  });
});

describe('log pages', () => {
  it('say which there are', () => {
    const { host } = start();
    const { view } = host.admin.run(logPage(LOG_PAGE.SUPPORTED_LOG_PAGES, 1024));
    const pages = Array.from({ length: 256 }, (_, page) => page).filter(
      (page) => view.getUint32(4 * page, true) & 1,
    );
    expect(pages).toEqual([0, 1, 2, 3, 4, 5, 0x0c, 0x80]);
    for (let page = 0; page < 256; page++) {
      const { status } = host.admin.run(logPage(page, 16)).completion;
      expect(status).toBe(pages.includes(page) ? 0 : NVME_STATUS.INVALID_LOG_PAGE);
    }
  });

  it('have the last errors, newest first', () => {
    const { host } = start();
    const io = host.connectIo();
    io.run({ ...read(BLOCKS, 1), commandId: 0x1234 });
    io.run({ ...read(BLOCKS + 5, 1), commandId: 0x1235 });
    const { view } = host.admin.run(logPage(LOG_PAGE.ERROR_INFORMATION, 128));
    const entry = (base: number) => [
      view.getUint32(base, true),
      view.getUint16(base + 8, true),
      view.getUint16(base + 10, true),
      view.getUint16(base + 12, true),
      view.getUint32(base + 16, true),
    ];
    // Do Not Retry, LBA out of range.
    expect(entry(0)).toEqual([2, 1, 0x1235, 0x8100, BLOCKS + 5]);
    expect(entry(64)).toEqual([1, 1, 0x1234, 0x8100, BLOCKS]);
  });

  it('tell commands and what they change', () => {
    const { host } = start();
    const { view } = host.admin.run(logPage(LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS, 4096));
    const io = (opcode: number) => view.getUint32(1024 + 4 * opcode, true);
    expect([io(NVM_OPCODE.WRITE), io(NVM_OPCODE.READ), io(NVM_OPCODE.WRITE_UNCORRECTABLE)]).toEqual([
      3, 1, 0,
    ]);
  });

  it('larger than a transfer, or by index, are refused', () => {
    const { host } = start();
    const large = logPage(LOG_PAGE.SMART_HEALTH, 2 << 20);
    expect(host.admin.run(large).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    const indexed = logPage(LOG_PAGE.SMART_HEALTH, 512, { cdw14: 1 << 23 });
    expect(host.admin.run(indexed).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    const odd = logPage(LOG_PAGE.SMART_HEALTH, 512, { cdw12: 2 });
    expect(host.admin.run(odd).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
  });
});

describe('namespace changes', () => {
  it('are told once, with a list, until it is read', async () => {
    const { host, target, memory } = start();
    setFeature(host.admin, FEATURE.ASYNC_EVENT_CONFIGURATION, 1 << 8);
    const first = waitEvent(host.admin);
    const backend = () =>
      ({ target: disk('x'), memory, kind: 'memory', deallocatedReadsZero: true }) as const;
    target.enableNamespace(SUBSYSTEM, newNamespace(5, 'x'), backend());
    expect(first.completion?.result).toBe(0x04_0002);
    const second = waitEvent(host.admin);
    target.enableNamespace(SUBSYSTEM, newNamespace(4, 'x'), backend());
    expect(second.completion).toBeNull();
    const kept = host.admin.run(logPage(LOG_PAGE.CHANGED_ATTACHED_NAMESPACES, 16, { rae: true }));
    expect([kept.view.getUint32(0, true), kept.view.getUint32(4, true)]).toEqual([4, 5]);
    const taken = host.admin.run(logPage(LOG_PAGE.CHANGED_ATTACHED_NAMESPACES, 16));
    expect(taken.data).toEqual(kept.data);
    expect(host.admin.run(logPage(LOG_PAGE.CHANGED_ATTACHED_NAMESPACES, 16)).data).toEqual(
      new Uint8Array(16),
    );
    await target.disableNamespace(SUBSYSTEM, 5);
    expect(second.completion?.result).toBe(0x04_0002);
  });

  it('are found when a backend has grown', () => {
    const made = bench();
    let grown = 0;
    const inner = disk('x');
    const target = Object.create(inner, { sizeBytes: { get: () => BLOCKS * BLOCK + grown } }) as typeof inner;
    const backend = { target, memory: made.memory, kind: 'memory', deallocatedReadsZero: true } as const;
    made.target.enableNamespace(SUBSYSTEM, newNamespace(2, 'x'), backend);
    expect(made.target.revalidateNamespace(SUBSYSTEM, 2)).toBe(false);
    grown = 4096;
    expect(made.target.revalidateNamespace(SUBSYSTEM, 2)).toBe(true);
  });
});

describe('asynchronous events', () => {
  it('take four requests and no more', () => {
    const { host } = start();
    const waiting = [1, 2, 3, 4].map(() => waitEvent(host.admin));
    expect(waiting.map((one) => one.completion)).toEqual([null, null, null, null]);
    expect(waitEvent(host.admin).completion?.status).toBe(NVME_STATUS.ASYNC_EVENT_LIMIT_EXCEEDED);
  });

  it('are configured only as far as there are any', () => {
    const { host } = start();
    expect(setFeature(host.admin, FEATURE.ASYNC_EVENT_CONFIGURATION, 0x900).status).toBe(0);
    expect(getFeature(host.admin, FEATURE.ASYNC_EVENT_CONFIGURATION).result).toBe(0x900);
    expect(setFeature(host.admin, FEATURE.ASYNC_EVENT_CONFIGURATION, 0x200).status).toBe(
      NVME_STATUS.INVALID_FIELD,
    );
  });

  it('requests are aborted by Abort', () => {
    const { host } = start();
    const waiting = waitEvent(host.admin);
    const abort = (commandId: number) =>
      host.admin.run({ opcode: ADMIN_OPCODE.ABORT, cdw10: commandId * 0x1_0000 }).completion;
    expect(abort(waiting.commandId)).toMatchObject({ status: 0, result: 0 });
    expect(waiting.completion?.status).toBe(NVME_STATUS.ABORT_REQUESTED);
    expect(abort(waiting.commandId)).toMatchObject({ status: 0, result: 1 });
  });
});

describe('Abort', () => {
  it('ends what waits for the backend, not what is there already', () => {
    const made = bench();
    const slow = new DelayedTarget(made.executor, BLOCKS, BLOCK, 1);
    const backend = {
      target: slow,
      memory: made.memory,
      kind: 'simulated',
      deallocatedReadsZero: true,
    } as const;
    made.target.enableNamespace(SUBSYSTEM, newNamespace(2, 'slow'), backend);
    const host = new LoopHost(made);
    const io = host.connectIo();
    const [running, waiting] = [io.issue(write(0, pattern(1, 1), 2)), io.issue(write(1, pattern(1, 1), 2))];
    const abort = (commandId: number) =>
      host.admin.run({ opcode: ADMIN_OPCODE.ABORT, cdw10: commandId * 0x1_0000 + 1 }).completion.result;
    expect([abort(running.commandId), abort(waiting.commandId)]).toEqual([1, 0]);
    expect(waiting.completion?.status).toBe(NVME_STATUS.ABORT_REQUESTED);
    made.executor.settle();
    expect(running.completions).toHaveLength(1);
    expect(made.memory.usedBytes).toBe(0);
  });
});

describe('command identifiers', () => {
  it('that are outstanding already are refused', () => {
    const { host } = start();
    const waiting = host.admin.issue({ opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST, commandId: 9 });
    expect(waiting.completion).toBeNull();
    const again = host.admin.issue({ opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST, commandId: 9 });
    expect(again.completion?.status).toBe(NVME_STATUS.CID_CONFLICT);
    // The first still waits, and its identifier is still taken.
    const third = host.admin.issue({ ...identify(CNS.CONTROLLER), commandId: 9 });
    expect(third.completion?.status).toBe(NVME_STATUS.CID_CONFLICT);
  });
});

describe('features', () => {
  it('tell the queues that a host may have', () => {
    const { host } = start({ subsystem: { qidMax: 6 } });
    expect(setFeature(host.admin, FEATURE.NUMBER_OF_QUEUES, 0x0003_0003).result).toBe(0x0005_0005);
    expect(setFeature(host.admin, FEATURE.NUMBER_OF_QUEUES, 0xffff_0003).status).toBe(
      NVME_STATUS.INVALID_FIELD,
    );
  });

  it('have the host identifier that Connect gave, for good', () => {
    const { host } = start();
    const get = { opcode: ADMIN_OPCODE.GET_FEATURES, cdw10: FEATURE.HOST_IDENTIFIER };
    expect(host.admin.run({ ...get, cdw11: 1, in: 16 }).data).toEqual(hostId(1));
    expect(host.admin.run({ ...get, in: 8 }).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(setFeature(host.admin, FEATURE.HOST_IDENTIFIER, 1).status).toBe(
      NVME_STATUS.COMMAND_SEQUENCE_ERROR,
    );
  });

  it('are not saved, and the rest is not there', () => {
    const { host } = start();
    expect(setFeature(host.admin, FEATURE.KEEP_ALIVE_TIMER + 0x8000_0000, 1).status).toBe(
      NVME_STATUS.FEATURE_NOT_SAVEABLE,
    );
    expect(setFeature(host.admin, FEATURE.TIMESTAMP, 1).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(getFeature(host.admin, 0xff).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(getFeature(host.admin, FEATURE.VOLATILE_WRITE_CACHE).result).toBe(1);
    expect(setFeature(host.admin, FEATURE.VOLATILE_WRITE_CACHE, 0).status).toBe(
      NVME_STATUS.FEATURE_NOT_CHANGEABLE,
    );
  });
});

describe('asymmetric namespace access', () => {
  function twoPorts() {
    const made = bench();
    const far = { ...newPort(2, '192.0.2.2', '4420'), subsystems: [SUBSYSTEM] };
    made.target.addPort(far);
    return { ...made, near: new LoopHost(made), far: new LoopHost({ ...made, port: far }, { host: 2 }) };
  }

  function states(host: LoopHost): { group: number; state: number; nsids: number[] }[] {
    const { view } = host.admin.run(logPage(LOG_PAGE.ANA, 256));
    const groups = [];
    let at = 16;
    for (let i = 0; i < view.getUint16(8, true); i++) {
      const count = view.getUint32(at + 4, true);
      const nsids = Array.from({ length: count }, (_, k) => view.getUint32(at + 32 + 4 * k, true));
      groups.push({ group: view.getUint32(at, true), state: view.getUint8(at + 16), nsids });
      at += 32 + 4 * count;
    }
    return groups;
  }

  it.each([
    ['inaccessible', NVME_STATUS.ANA_INACCESSIBLE],
    ['persistent-loss', NVME_STATUS.ANA_PERSISTENT_LOSS],
    ['change', NVME_STATUS.ANA_TRANSITION],
    ['non-optimized', 0],
  ] as const)('%s is the state of one port, and may be retried elsewhere', (state, status) => {
    const { near, far, target } = twoPorts();
    const queues = [near.connectIo(), far.connectIo()];
    target.setAnaState(1, 1, state);
    const [here, there] = queues.map((io) => io.run(read(0, 1)).completion);
    expect(here).toMatchObject({ status, isFinal: false });
    expect(there!.status).toBe(0);
    // Admin commands go on.
    expect(near.admin.run(identify(CNS.CONTROLLER)).completion.status).toBe(0);
    target.setAnaState(1, 1, 'optimized');
    expect(queues[0]!.run(read(0, 1)).completion.status).toBe(0);
  });

  it('is told by an event to the hosts of the port, and by its log', () => {
    const { near, far, target } = twoPorts();
    for (const { admin } of [near, far]) {
      setFeature(admin, FEATURE.ASYNC_EVENT_CONFIGURATION, 1 << 11);
    }
    const events = [waitEvent(near.admin), waitEvent(far.admin)];
    expect(states(near)).toEqual([{ group: 1, state: ANA_STATE.OPTIMIZED, nsids: [1] }]);
    target.setAnaState(1, 1, 'inaccessible');
    expect(events.map((event) => event.completion?.result)).toEqual([0x0c_0302, undefined]);
    expect(states(near)).toEqual([{ group: 1, state: ANA_STATE.INACCESSIBLE, nsids: [1] }]);
    expect(states(far)).toEqual([{ group: 1, state: ANA_STATE.OPTIMIZED, nsids: [1] }]);
    expect(target.config().ports[0]!.anaGroups).toEqual([{ groupId: 1, state: 'inaccessible', unknown: {} }]);
  });

  it('follows a namespace into another group', () => {
    const { near, target } = twoPorts();
    const io = near.connectIo();
    target.setAnaGroup(SUBSYSTEM, 1, 3);
    // Nothing was said of group 3.
    expect(io.run(read(0, 1)).completion.status).toBe(NVME_STATUS.ANA_INACCESSIBLE);
    target.setAnaState(1, 3, 'non-optimized');
    expect(io.run(read(0, 1)).completion.status).toBe(0);
    expect(states(near)).toEqual([{ group: 3, state: ANA_STATE.NON_OPTIMIZED, nsids: [1] }]);
  });
});

describe('the target', () => {
  it('refuses what is there already and what is not', () => {
    const { target, memory, port } = start();
    const backend = { target: disk('x'), memory, kind: 'memory', deallocatedReadsZero: true } as const;
    const codes = [
      () => target.addSubsystem(target.subsystem(SUBSYSTEM)!.config),
      () => target.addPort(port),
      () => target.enableNamespace(SUBSYSTEM, newNamespace(1, 'x'), backend),
      () => target.linkSubsystem(9, SUBSYSTEM),
      () => target.allowHost('nqn.none', 'nqn.host'),
      () => target.setAnaGroup(SUBSYSTEM, 8, 1),
      () => target.enableNamespace(SUBSYSTEM, newNamespace(2, 'x'), { ...backend, target: disk('x', 0) }),
    ].map((act) => {
      try {
        act();
        return null;
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    expect(codes).toEqual([
      'TARGET_EXISTS',
      'TARGET_EXISTS',
      'TARGET_EXISTS',
      'TARGET_UNKNOWN',
      'TARGET_UNKNOWN',
      'TARGET_UNKNOWN',
      'TARGET_BACKEND',
    ]);
  });

  it('lets a subsystem go with its hosts and namespaces', async () => {
    const { target, host } = start();
    await target.removeSubsystem(SUBSYSTEM);
    expect(host.admin.closeReason).toBe('controller-removed');
    expect([...target.subsystems]).toEqual([]);
    expect(target.config().ports[0]!.subsystems).toEqual([]);
  });
});

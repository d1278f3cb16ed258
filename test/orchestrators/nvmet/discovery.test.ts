import { describe, expect, it } from 'vitest';
import { newPort, newSubsystem } from '../../../src/orchestrators/nvmet/index.ts';
import {
  ADMIN_OPCODE,
  asciiOf,
  CNS,
  FEATURE,
  ID_CNTRLTYPE,
  LOG_PAGE,
  NVME_STATUS,
} from '../../../src/spec/nvme/index.ts';
import {
  DISCOVERY_ENTRY_BYTES,
  DISCOVERY_GENCTR,
  DISCOVERY_HEADER_BYTES,
  DISCOVERY_NQN,
  DISCOVERY_NUMREC,
  DISCOVERY_SUBNQN,
  DISCOVERY_SUBTYPE,
  DISCOVERY_TRADDR,
  DISCOVERY_TRSVCID,
  DISCOVERY_TRTYPE,
  SUBSYSTEM_TYPE,
  TRANSPORT_TYPE,
} from '../../../src/spec/nvmeof/index.ts';
import { bench, HOST_A, HOST_B, identify, LoopHost, logPage, SUBSYSTEM, waitEvent } from './support/host.ts';

function log(host: LoopHost) {
  const { data, view, completion } = host.admin.run(logPage(LOG_PAGE.DISCOVERY, 8192));
  expect(completion.status).toBe(0);
  const count = DISCOVERY_NUMREC.value(view);
  const entries = Array.from({ length: count }, (_, index) => {
    const entry = new DataView(data.buffer, DISCOVERY_HEADER_BYTES + index * DISCOVERY_ENTRY_BYTES);
    return {
      type: DISCOVERY_SUBTYPE.value(entry),
      nqn: asciiOf(DISCOVERY_SUBNQN, entry),
      address: `${asciiOf(DISCOVERY_TRADDR, entry)}:${asciiOf(DISCOVERY_TRSVCID, entry)}`,
      transport: DISCOVERY_TRTYPE.value(entry),
    };
  });
  return { generation: DISCOVERY_GENCTR.value(view), entries };
}

function enableEvents(host: LoopHost): number {
  return host.admin.run({
    opcode: ADMIN_OPCODE.SET_FEATURES,
    cdw10: FEATURE.ASYNC_EVENT_CONFIGURATION,
    cdw11: 0x8000_0000,
  }).completion.status;
}

const OTHER = 'nqn.2024-01.org.example:other';

describe('discovery', () => {
  it('is a controller of its own kind', () => {
    const host = new LoopHost(bench(), { subsystemNqn: DISCOVERY_NQN });
    expect(ID_CNTRLTYPE.value(host.admin.run(identify(CNS.CONTROLLER)).view)).toBe(2);
    expect(host.admin.run(identify(CNS.NAMESPACE, 1)).completion.status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(host.admin.run({ opcode: ADMIN_OPCODE.ABORT }).completion.status).toBe(NVME_STATUS.INVALID_OPCODE);
    expect(host.admin.run(logPage(LOG_PAGE.SMART_HEALTH, 512)).completion.status).toBe(
      NVME_STATUS.INVALID_LOG_PAGE,
    );
  });

  it('lists what a host may use through this port, and itself', () => {
    const made = bench({ subsystem: { allowAnyHost: false, allowedHosts: [HOST_A] } });
    made.target.addSubsystem({ ...newSubsystem(OTHER), allowAnyHost: true });
    made.target.addPort({ ...newPort(2, '2001:db8::1', '4420'), subsystems: [OTHER] });
    const a = log(new LoopHost(made, { subsystemNqn: DISCOVERY_NQN }));
    const tcp = TRANSPORT_TYPE.TCP;
    const itself = {
      type: SUBSYSTEM_TYPE.CURRENT_DISCOVERY,
      nqn: DISCOVERY_NQN,
      address: '192.0.2.1:4420',
      transport: tcp,
    };
    expect(a.entries).toEqual([itself, { ...itself, type: SUBSYSTEM_TYPE.NVM, nqn: SUBSYSTEM }]);
    const b = log(new LoopHost(made, { subsystemNqn: DISCOVERY_NQN, hostNqn: HOST_B }));
    expect(b.entries).toEqual([itself]);
  });

  it('has referrals while they are enabled', () => {
    const made = bench();
    const host = new LoopHost(made, { subsystemNqn: DISCOVERY_NQN });
    const { address } = newPort(9, '198.51.100.7', '8009');
    made.target.setReferrals(1, [{ name: 'far', portId: 9, isEnabled: true, address, unknown: {} }]);
    expect(log(host).entries[2]).toEqual({
      type: SUBSYSTEM_TYPE.REFERRAL,
      nqn: DISCOVERY_NQN,
      address: '198.51.100.7:8009',
      transport: TRANSPORT_TYPE.TCP,
    });
    made.target.setReferrals(1, [{ name: 'far', portId: 9, isEnabled: false, address, unknown: {} }]);
    expect(log(host).entries).toHaveLength(2);
  });

  it('is read in pieces, from an offset, and not beyond its end', () => {
    const host = new LoopHost(bench(), { subsystemNqn: DISCOVERY_NQN });
    const whole = host.admin.run(logPage(LOG_PAGE.DISCOVERY, 3072)).data;
    const piece = host.admin.run(logPage(LOG_PAGE.DISCOVERY, 1024, { cdw12: 1024 }));
    expect(piece.data).toEqual(whole.slice(1024, 2048));
    expect(host.admin.run(logPage(LOG_PAGE.DISCOVERY, 16)).data).toEqual(whole.slice(0, 16));
    const beyond = host.admin.run(logPage(LOG_PAGE.DISCOVERY, 16, { cdw12: 3076 }));
    expect(beyond.completion.status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('tells those it concerns that it has changed, once until the log is read', () => {
    const made = bench();
    const a = new LoopHost(made, { subsystemNqn: DISCOVERY_NQN, hostNqn: HOST_A });
    const b = new LoopHost(made, { subsystemNqn: DISCOVERY_NQN, hostNqn: HOST_B });
    const quiet = new LoopHost(made, { subsystemNqn: DISCOVERY_NQN, hostNqn: HOST_A });
    expect([enableEvents(a), enableEvents(b)]).toEqual([0, 0]);
    const events = [waitEvent(a.admin), waitEvent(b.admin), waitEvent(quiet.admin)];
    const before = log(a).generation;
    made.target.addSubsystem({ ...newSubsystem(OTHER), allowedHosts: [HOST_A] });
    made.target.linkSubsystem(1, OTHER);
    expect(events.map((event) => event.completion?.result)).toEqual([0x70_f002, undefined, undefined]);
    const second = waitEvent(a.admin);
    made.target.setAllowAnyHost(OTHER, true);
    // a has not read its log; b hears of it now.
    expect([second.completion, events[1]!.completion?.result]).toEqual([null, 0x70_f002]);
    expect(log(a).generation).toBeGreaterThan(before);
    made.target.unlinkSubsystem(1, OTHER);
    expect(second.completion?.result).toBe(0x70_f002);
  });

  it('keeps an idle controller for two minutes', () => {
    const made = bench();
    const host = new LoopHost(made, { subsystemNqn: DISCOVERY_NQN });
    made.executor.advance(119_000);
    expect(host.admin.isGone).toBe(false);
    made.executor.advance(121_001);
    expect(host.admin.closeReason).toBe('keep-alive-expired');
  });
});

import { describe, expect, it } from 'vitest';
import { NvmSubsystem } from '../../../../src/devices/nvme/index.ts';
import {
  ADMIN_OPCODE,
  ANA_GROUP_NNV,
  ANA_GROUP_STATE,
  ANA_STATE,
  ASYNC_EVENT,
  asyncEventDword,
  EFFECTS_ACS,
  EFFECTS_IOCS,
  ERROR_LOG_CID,
  ERROR_LOG_COUNT,
  ERROR_LOG_OPCODE,
  ERROR_LOG_PARAMETER,
  ERROR_LOG_SQID,
  ERROR_LOG_STATUS,
  LOG_PAGE,
  NVM_OPCODE,
  NVME_STATUS,
  SMART_AVSP,
  SMART_CRITICAL_WARNING,
  SMART_CTEMP,
  SMART_DUR,
  SMART_HRC,
  SMART_NEILE,
  SMART_PUSED,
  SUPPORTED_LOG_PAGES,
  statusOfWord,
  unsignedOf,
} from '../../../../src/spec/nvme/index.ts';
import { adminRig } from './rig.ts';

describe('Get Log Page', () => {
  it('has an entry for every failed command, newest first, with the field to blame (5.1.12.1.2)', () => {
    const { host, log, view } = adminRig();
    const bad = host.admin({ opcode: ADMIN_OPCODE.IDENTIFY, prp1: host.alloc(4096), cdw10: 0xff });
    host.admin({ opcode: 0xee });
    log(LOG_PAGE.ERROR_INFORMATION, 192);
    const found = view(192);
    expect(ERROR_LOG_COUNT.value(found)).toBe(2);
    expect(ERROR_LOG_OPCODE.value(found)).toBe(0xee);
    expect(ERROR_LOG_COUNT.value(found, 64)).toBe(1);
    expect(ERROR_LOG_CID.value(found, 64)).toBe(bad.cid);
    expect(ERROR_LOG_SQID.value(found, 64)).toBe(0);
    expect(statusOfWord(ERROR_LOG_STATUS.value(found, 64))).toBe(NVME_STATUS.INVALID_FIELD);
    expect(ERROR_LOG_PARAMETER.BYTLOC.read(found, 64)).toBe(40);
    expect(ERROR_LOG_COUNT.value(found, 128)).toBe(0);
  });

  it('reads pieces at offsets, nothing behind the end, and refuses offsets beyond it (5.1.12)', () => {
    const { host, log, buffer } = adminRig({ firmware: 'ABCDEFGH' });
    host.bytes(buffer, 64).fill(0xee);
    expect(log(LOG_PAGE.FIRMWARE_SLOT, 8, { cdw12: 8 }).status).toBe(0);
    expect(String.fromCharCode(...host.bytes(buffer, 8))).toBe('ABCDEFGH');
    expect(host.bytes(buffer, 9)[8]).toBe(0xee);
    host.bytes(buffer, 64).fill(0xee);
    expect(log(LOG_PAGE.FIRMWARE_SLOT, 64, { cdw12: 512 - 4 }).status).toBe(0);
    expect([...host.bytes(buffer, 5)]).toEqual([0, 0, 0, 0, 0xee]);
    expect(log(LOG_PAGE.FIRMWARE_SLOT, 64, { cdw12: 516 }).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(log(LOG_PAGE.FIRMWARE_SLOT, 64, { cdw12: 2 }).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(log(0x7e).status).toBe(NVME_STATUS.INVALID_LOG_PAGE);
    expect(log(0xc0).status).toBe(NVME_STATUS.INVALID_LOG_PAGE);
  });

  it('refuses more than a transfer may have', () => {
    const { log } = adminRig({ mdts: 1 });
    expect(log(LOG_PAGE.ERROR_INFORMATION, 16_384).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('counts what was read and written, and how worn the drive is (5.1.12.1.3)', () => {
    const { host, model, log, view } = adminRig();
    host.createQueue(1);
    for (let i = 0; i < 3; i++) {
      host.execute(1, { opcode: NVM_OPCODE.READ, nsid: 1, prp1: host.alloc(4096), cdw12: 7 });
    }
    model.health.temperatureK = 300;
    model.health.sparePercent = 5;
    model.health.usedPercentOverride = 300;
    host.admin({ opcode: 0xee });
    log(LOG_PAGE.SMART_HEALTH);
    const smart = view(512);
    expect(SMART_CTEMP.value(smart)).toBe(300);
    expect([SMART_AVSP.value(smart), SMART_PUSED.value(smart)]).toEqual([5, 255]);
    expect(SMART_CRITICAL_WARNING.ASCBT.read(smart)).toBe(1);
    expect(unsignedOf(SMART_HRC, smart)).toBe(3n);
    expect(unsignedOf(SMART_DUR, smart)).toBe(1n);
    expect(unsignedOf(SMART_NEILE, smart)).toBe(1n);
    expect(log(LOG_PAGE.SMART_HEALTH, 512, { nsid: 3 }).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('says what is supported: logs, commands, features', () => {
    const { log, view } = adminRig({ version: '2.0' });
    log(LOG_PAGE.SUPPORTED_LOG_PAGES, 1024);
    expect(view().getUint32(SUPPORTED_LOG_PAGES.at(LOG_PAGE.SMART_HEALTH), true)).toBe(1);
    expect(view().getUint32(SUPPORTED_LOG_PAGES.at(LOG_PAGE.ANA), true)).toBe(0);
    log(LOG_PAGE.COMMANDS_SUPPORTED_AND_EFFECTS, 4096);
    expect(view().getUint32(EFFECTS_ACS.at(ADMIN_OPCODE.IDENTIFY), true)).toBe(1);
    expect(view().getUint32(EFFECTS_ACS.at(ADMIN_OPCODE.SECURITY_SEND), true)).toBe(0);
    expect(view().getUint32(EFFECTS_IOCS.at(NVM_OPCODE.WRITE), true)).toBe(3);
    expect(log(LOG_PAGE.FEATURES_SUPPORTED_AND_EFFECTS, 1024).status).toBe(0);
    expect(view().getUint32(4, true)).toBe(1);
    expect(adminRig({ version: '1.4' }).log(LOG_PAGE.SUPPORTED_LOG_PAGES).status).toBe(
      NVME_STATUS.INVALID_LOG_PAGE,
    );
  });

  it('has headers for telemetry, and a group for endurance', () => {
    const { log, view } = adminRig();
    expect(log(LOG_PAGE.TELEMETRY_HOST).status).toBe(0);
    expect(view().getUint8(0)).toBe(LOG_PAGE.TELEMETRY_HOST);
    expect(log(LOG_PAGE.ENDURANCE_GROUP, 512, { cdw11: 1 << 16 }).status).toBe(0);
    expect(view().getUint8(3)).toBe(100);
    expect(log(LOG_PAGE.ENDURANCE_GROUP, 512, { cdw11: 9 << 16 }).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('tells of asymmetric access in subsystems with several controllers (5.1.12.1.13)', () => {
    const subsystem = new NvmSubsystem({ controllerCountMax: 2 });
    const { log, view } = adminRig({}, { subsystem });
    expect(adminRig().log(LOG_PAGE.ANA).status).toBe(NVME_STATUS.INVALID_LOG_PAGE);
    subsystem.setAnaState(0, ANA_STATE.INACCESSIBLE);
    expect(log(LOG_PAGE.ANA, 56).status).toBe(0);
    expect(ANA_GROUP_NNV.value(view(64), 16)).toBe(2);
    expect(ANA_GROUP_STATE.ANAS.read(view(64), 16)).toBe(ANA_STATE.INACCESSIBLE);
    expect(view(64).getUint32(48, true)).toBe(1);
  });

  it('re-arms an event only when the host does not ask to retain it (RAE)', () => {
    const { host, model, log, set } = adminRig();
    set(0x0b, 0xff);
    const events = [0, 1].map(() => host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST }));
    host.ring(0);
    host.run();
    model.health.sparePercent = 1;
    model.checkHealth();
    host.run();
    expect(host.reap(0)).toMatchObject([
      { cid: events[0], dw0: asyncEventDword(ASYNC_EVENT.SPARE_BELOW_THRESHOLD) },
    ]);
    model.health.temperatureK = 400;
    model.checkHealth();
    log(LOG_PAGE.SMART_HEALTH, 512, { cdw10: 1 << 15 });
    expect(model.events.waitingCount).toBe(1);
    log(LOG_PAGE.SMART_HEALTH);
    expect(model.events.waitingCount).toBe(0);
    expect(host.queues[0]!.completions.map((one) => one.dw0)).toContain(
      asyncEventDword(ASYNC_EVENT.TEMPERATURE_THRESHOLD),
    );
  });

  it('keeps quiet about events that are not enabled', () => {
    const { host, model } = adminRig();
    host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    host.ring(0);
    model.health.sparePercent = 1;
    model.checkHealth();
    host.run();
    expect(host.reap(0)).toHaveLength(0);
  });
});

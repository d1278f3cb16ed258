import { describe, expect, it } from 'vitest';
import {
  CC,
  FEATURE,
  NVM_OPCODE,
  NVME_STATUS,
  SMART_CRITICAL_WARNING,
} from '../../../../src/spec/nvme/index.ts';
import { adminRig } from './rig.ts';

const SAVE = 0x8000_0000;

describe('Set Features and Get Features', () => {
  it('grant no more queues than there are, before queues are made (5.1.25.2.1)', () => {
    const { set, get, host } = adminRig({ queueCount: 8 });
    expect(set(FEATURE.NUMBER_OF_QUEUES, 0x0003_00ff).dw0).toBe(0x0003_0007);
    expect(get(FEATURE.NUMBER_OF_QUEUES).dw0).toBe(0x0003_0007);
    expect(set(FEATURE.NUMBER_OF_QUEUES, 0xffff).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(() => host.createQueue(5)).toThrow(/101/);
    host.createQueue(1);
    expect(set(FEATURE.NUMBER_OF_QUEUES, 0).status).toBe(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
  });

  it('have current, default and saved values; a reset goes back to what was saved (3.7.2)', () => {
    const { set, get, host } = adminRig();
    expect(set(FEATURE.VOLATILE_WRITE_CACHE, 0).status).toBe(0);
    expect(
      [0, 0x100, 0x200].map((select) => get(FEATURE.VOLATILE_WRITE_CACHE, { cdw10: select }).dw0),
    ).toEqual([0, 1, 1]);
    expect(get(FEATURE.VOLATILE_WRITE_CACHE, { cdw10: 0x300 }).dw0).toBe(0b101);
    host.write(CC.offset, 0);
    host.enable();
    expect(get(FEATURE.VOLATILE_WRITE_CACHE).dw0).toBe(1);
    set(FEATURE.VOLATILE_WRITE_CACHE, 0, { cdw10: SAVE });
    host.write(CC.offset, 0);
    host.enable();
    expect(get(FEATURE.VOLATILE_WRITE_CACHE).dw0).toBe(0);
  });

  it('refuse to save what cannot be, and namespaces where there are none', () => {
    const { set } = adminRig();
    expect(set(FEATURE.ASYNC_EVENT_CONFIGURATION, 1, { cdw10: SAVE }).status).toBe(
      NVME_STATUS.FEATURE_NOT_SAVEABLE,
    );
    expect(set(FEATURE.ARBITRATION, 1, { nsid: 1 }).status).toBe(NVME_STATUS.FEATURE_NOT_NAMESPACE_SPECIFIC);
    expect(set(0x1f, 0).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(set(0xc0, 0).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('refuse the write cache where there is none', () => {
    const { set, get } = adminRig({ volatileWriteCache: false });
    expect(get(FEATURE.VOLATILE_WRITE_CACHE).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(set(FEATURE.VOLATILE_WRITE_CACHE, 1).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('keep the time from where it was set (5.1.25.1.7)', () => {
    const { set, get, host, view, buffer } = adminRig();
    host.bytes(buffer, 8).set([0x10, 0x27, 0, 0, 0, 0, 0, 0]);
    expect(set(FEATURE.TIMESTAMP, 0).status).toBe(0);
    host.port.executor.timer(2.5e12, { onEvent: () => {} }, 0, 0);
    host.run();
    expect(get(FEATURE.TIMESTAMP).status).toBe(0);
    expect(view(8).getUint32(0, true)).toBe(12_500);
    expect(view(8).getUint8(6)).toBe(2);
  });

  it('take what the host can do, and refuse formats that nobody knows (5.1.25.1.14)', () => {
    const { set, get, host, view, buffer, model } = adminRig();
    host.bytes(buffer, 512).fill(0);
    host.bytes(buffer, 512).set([1, 0, 1, 0, 0x0c]);
    expect(set(FEATURE.HOST_BEHAVIOR_SUPPORT, 0).status).toBe(0);
    expect(model.settings).toMatchObject({ copyFormatsAllowed: 0xc, hasExtendedFormats: true });
    host.bytes(buffer, 512).fill(0);
    get(FEATURE.HOST_BEHAVIOR_SUPPORT);
    expect(view(8).getUint8(4)).toBe(0x0c);
    host.bytes(buffer, 512)[4] = 0x80;
    expect(set(FEATURE.HOST_BEHAVIOR_SUPPORT, 0).status).toBe(NVME_STATUS.INVALID_FIELD);
    host.write(CC.offset, 0);
    host.enable();
    expect(model.settings).toMatchObject({ copyFormatsAllowed: 0, hasExtendedFormats: false });
  });

  it('keep thresholds for each sensor and direction, and warn when one is crossed (5.1.25.1.3)', () => {
    const { set, get, model } = adminRig();
    expect(get(FEATURE.TEMPERATURE_THRESHOLD).dw0).toBe(343);
    expect(get(FEATURE.TEMPERATURE_THRESHOLD, { cdw11: 1 << 20 }).dw0).toBe(0);
    expect(set(FEATURE.TEMPERATURE_THRESHOLD, 300).status).toBe(0);
    expect(model.health.warnings).toBe(1 << SMART_CRITICAL_WARNING.TTC.low);
    expect(set(FEATURE.TEMPERATURE_THRESHOLD, 350 | (15 << 16)).status).toBe(0);
    expect(
      [0, 1].map((sensor) => get(FEATURE.TEMPERATURE_THRESHOLD, { cdw11: sensor << 16 }).dw0 & 0xffff),
    ).toEqual([350, 350]);
    expect(set(FEATURE.TEMPERATURE_THRESHOLD, 300 | (5 << 16)).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(set(FEATURE.TEMPERATURE_THRESHOLD, 300 | (2 << 20)).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('protect a namespace from writing (5.1.25.1)', () => {
    const { set, get, host } = adminRig();
    host.createQueue(1);
    const write = () => host.execute(1, { opcode: NVM_OPCODE.WRITE, nsid: 1, prp1: host.alloc(4096) }).status;
    expect(set(FEATURE.NAMESPACE_WRITE_PROTECTION, 1, { nsid: 1 }).status).toBe(0);
    expect(write()).toBe(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
    // It stays over a reset.
    host.write(CC.offset, 0);
    host.enable();
    host.createQueue(1);
    expect(get(FEATURE.NAMESPACE_WRITE_PROTECTION, { nsid: 1 }).dw0).toBe(1);
    expect(write()).toBe(NVME_STATUS.NAMESPACE_WRITE_PROTECTED);
    expect(set(FEATURE.NAMESPACE_WRITE_PROTECTION, 0, { nsid: 1 }).status).toBe(0);
    expect(write()).toBe(0);
    expect(set(FEATURE.NAMESPACE_WRITE_PROTECTION, 3, { nsid: 1 }).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(set(FEATURE.NAMESPACE_WRITE_PROTECTION, 1, { nsid: 99 }).status).toBe(NVME_STATUS.INVALID_FIELD);
    expect(get(FEATURE.NAMESPACE_WRITE_PROTECTION, { nsid: 0xffff_ffff }).status).toBe(
      NVME_STATUS.INVALID_NAMESPACE,
    );
  });

  it('keep Error Recovery for each namespace, and for all at once (NVM 4.1.3.2)', () => {
    const { set, get } = adminRig();
    expect(set(FEATURE.ERROR_RECOVERY, 0x1_0005, { nsid: 0xffff_ffff }).status).toBe(0);
    expect([1, 2].map((nsid) => get(FEATURE.ERROR_RECOVERY, { nsid }).dw0)).toEqual([0x1_0005, 0x1_0005]);
    set(FEATURE.ERROR_RECOVERY, 0, { nsid: 2 });
    expect([1, 2].map((nsid) => get(FEATURE.ERROR_RECOVERY, { nsid }).dw0)).toEqual([0x1_0005, 0]);
  });

  it('have a configuration for each interrupt vector (5.1.25.2.3)', () => {
    const { set, get } = adminRig({ queueCount: 4, vectorCount: 5 });
    expect(set(FEATURE.INTERRUPT_VECTOR_CONFIGURATION, 0x1_0003).status).toBe(0);
    expect(
      [2, 3].map((vector) => get(FEATURE.INTERRUPT_VECTOR_CONFIGURATION, { cdw11: vector }).dw0),
    ).toEqual([2, 0x1_0003]);
    expect(set(FEATURE.INTERRUPT_VECTOR_CONFIGURATION, 5).status).toBe(NVME_STATUS.INVALID_FIELD);
  });

  it('keep 128-bit and 64-bit host identifiers', () => {
    const { set, get, host, view, buffer } = adminRig();
    host.bytes(buffer, 16).set(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(set(FEATURE.HOST_IDENTIFIER, 1).status).toBe(0);
    host.bytes(buffer, 16).fill(0);
    get(FEATURE.HOST_IDENTIFIER, { cdw11: 1 });
    expect(view(16).getUint8(15)).toBe(16);
  });

  it('accept a host memory buffer only where one is wanted', () => {
    expect(adminRig().set(FEATURE.HOST_MEMORY_BUFFER, 1).status).toBe(NVME_STATUS.INVALID_FIELD);
    const wanting = adminRig({ hostMemoryBytes: 64 << 20 });
    expect(wanting.set(FEATURE.HOST_MEMORY_BUFFER, 1).status).toBe(0);
    expect(wanting.get(FEATURE.HOST_MEMORY_BUFFER).dw0).toBe(1);
  });
});

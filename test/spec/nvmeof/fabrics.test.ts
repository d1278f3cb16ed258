import { describe, expect, it } from 'vitest';
import { asyncEventDword } from '../../../src/spec/nvme/index.ts';
import {
  CONNECT_CATTR,
  CONNECT_DATA,
  CONNECT_HOSTNQN,
  CONNECT_INVALID,
  CONNECT_KATO,
  CONNECT_QID,
  CONNECT_RECFMT,
  CONNECT_SQSIZE,
  CONNECT_SUBNQN,
  connectQueueEntries,
  DISCOVERY_CHANGE_EVENT,
  DISCOVERY_ENTRY,
  DISCOVERY_HEADER,
  DISCOVERY_TRADDR,
  DISCOVERY_TSAS,
  FABRICS_STATUS,
  fabricsStatusName,
  PROPERTY_OFFSET,
  PROPERTY_VALUE,
} from '../../../src/spec/nvmeof/index.ts';

describe('fabrics commands', () => {
  it('have their fields where Linux has them (include/linux/nvme.h, nvmf_connect_command and others)', () => {
    const offsets = [CONNECT_RECFMT, CONNECT_QID, CONNECT_SQSIZE, CONNECT_CATTR, CONNECT_KATO];
    expect(offsets.map(({ offset }) => offset)).toEqual([40, 42, 44, 46, 48]);
    expect([PROPERTY_OFFSET.offset, PROPERTY_VALUE.offset]).toEqual([44, 48]);
    expect([CONNECT_SUBNQN.offset, CONNECT_HOSTNQN.offset, CONNECT_DATA.sizeBytes]).toEqual([256, 512, 1024]);
    expect([DISCOVERY_TRADDR.offset, DISCOVERY_TSAS.offset]).toEqual([512, 768]);
    expect([DISCOVERY_ENTRY.sizeBytes, DISCOVERY_HEADER.sizeBytes]).toEqual([1024, 1024]);
  });

  it('count queues from 0', () => {
    expect(connectQueueEntries(31)).toBe(32);
  });

  it('say what was wrong in one dword', () => {
    const view = new DataView(new ArrayBuffer(4));
    CONNECT_INVALID.IPO.write(view, 256);
    CONNECT_INVALID.IATTR.write(view, 1);
    expect(view.getUint32(0, true)).toBe(0x1_0100);
  });
});

describe('status codes and events of fabrics', () => {
  it('have names', () => {
    expect(fabricsStatusName(FABRICS_STATUS.CONNECT_INVALID_HOST)).toBe('Connect Invalid Host');
    expect(fabricsStatusName(0x182)).toBe('Connect Invalid Parameters');
    expect(fabricsStatusName(0x002)).toBeNull();
  });

  it('report a change of discovery', () => {
    expect(asyncEventDword(DISCOVERY_CHANGE_EVENT)).toBe(0x70_f002);
  });
});

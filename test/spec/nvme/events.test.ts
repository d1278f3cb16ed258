// Asynchronous events. NVM Express Base 2.1, 5.1.2.
import { describe, expect, it } from 'vitest';
import * as nvme from '../../../src/spec/nvme/index.ts';

describe('asynchronous events', () => {
  it('are all different in type and information', () => {
    const events = Object.values(nvme.ASYNC_EVENT);
    expect(new Set(events.map((event) => event.type * 256 + event.information)).size).toBe(events.length);
  });

  it('make dword 0 of the completion (5.1.2.1)', () => {
    const dword = nvme.asyncEventDword(nvme.ASYNC_EVENT.NAMESPACE_ATTRIBUTE_CHANGED);
    expect(dword).toBe(0x0004_0002);
    expect(nvme.ASYNC_EVENT_RESULT.AET.of(dword)).toBe(nvme.ASYNC_EVENT_TYPE.NOTICE);
    expect(nvme.ASYNC_EVENT_RESULT.LID.of(dword)).toBe(nvme.LOG_PAGE.CHANGED_ATTACHED_NAMESPACES);
  });

  it('are enabled by bits that the feature has (5.1.25.1.5)', () => {
    for (const [name, { enable }] of Object.entries(nvme.ASYNC_EVENT)) {
      if (enable !== null) {
        const field = nvme.ASYNC_EVENT_CONFIG.fields.find((f) => enable >= f.low && enable <= f.high);
        expect(field, name).toBeDefined();
      }
    }
  });
});

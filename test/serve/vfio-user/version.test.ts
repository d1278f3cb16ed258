import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agreeOnVersion } from '../../../src/serve/vfio-user/version.ts';
import { QEMU_CAPABILITIES, versionPayload } from '../support/client.ts';

function textOf(reply: Uint8Array): string {
  return new TextDecoder().decode(reply.subarray(4));
}

describe('agreeing on a version', () => {
  it('answers QEMU with a part of what it proposes, and no longer than that', () => {
    const payload = versionPayload(QEMU_CAPABILITIES);
    const agreed = agreeOnVersion(payload)!;
    expect(textOf(agreed.reply)).toBe(
      '{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"write_multiple":true}}\0',
    );
    expect(agreed.reply.length).toBeLessThanOrEqual(payload.length);
    expect(agreed.transferBytesMax).toBe(1 << 20);
  });

  it('names nothing that was not proposed', () => {
    const agreed = agreeOnVersion(versionPayload('{"capabilities":{"max_data_xfer_size":65536}}   '))!;
    expect(textOf(agreed.reply)).toBe('{"capabilities":{"max_data_xfer_size":1048576}}\0');
    expect(agreed.transferBytesMax).toBe(65_536);
  });

  it('says less where there is no room', () => {
    expect(textOf(agreeOnVersion(versionPayload('{"capabilities":{"max_msg_fds":1}}'))!.reply)).toBe(
      '{"capabilities":{}}\0',
    );
    expect(textOf(agreeOnVersion(versionPayload(''))!.reply)).toBe('');
  });

  it('takes the lower minor number, and no other major one', () => {
    expect([...agreeOnVersion(versionPayload('', 0, 7))!.reply]).toEqual([0, 0, 0, 0]);
    expect(agreeOnVersion(versionPayload('', 1, 0))).toBeUndefined();
  });

  it.each([
    '{',
    '[]',
    '7',
    'null',
    '{"capabilities":[]}',
    '{"capabilities":{"max_msg_fds":-1}}',
    '{"capabilities":{"max_msg_fds":"16"}}',
    '{"capabilities":{"max_data_xfer_size":0}}',
    '{"capabilities":{"max_data_xfer_size":1.5}}',
    '{"capabilities":{"max_data_xfer_size":1e400}}',
    '{"capabilities":{"write_multiple":1}}',
    `{"x":"${'y'.repeat(5000)}"}`,
  ])('refuses %.60s', (text) => {
    expect(agreeOnVersion(versionPayload(text))).toBeUndefined();
  });

  it('never throws, and never answers with more than it was sent', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => versionPayload(text)),
        ),
        (payload) => {
          const agreed = agreeOnVersion(payload);
          if (agreed !== undefined) {
            expect(agreed.reply.length).toBeLessThanOrEqual(payload.length);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

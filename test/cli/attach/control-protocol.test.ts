import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PeerlaneError, UsageError } from '../../../src/base/index.ts';
import { errorFacts, errorOf, parseRequest } from '../../../src/cli/attach/control-protocol.ts';

describe('a request over the control socket', () => {
  it.each([
    [{ do: 'status' }, { do: 'status' }],
    [{ do: 'counters', more: 'is not looked at' }, { do: 'counters' }],
    [
      { do: 'fault-add', rule: { device: 'nvme0' } },
      { do: 'fault-add', rule: { device: 'nvme0' } },
    ],
    [
      { do: 'fault-remove', fault: 3 },
      { do: 'fault-remove', fault: 3 },
    ],
    [
      { do: 'log', levels: ['dma', 'registers'] },
      { do: 'log', levels: ['registers', 'dma'] },
    ],
    [
      { do: 'log', levels: [] },
      { do: 'log', levels: [] },
    ],
    [
      { do: 'eject', device: 'nvme1' },
      { do: 'eject', device: 'nvme1' },
    ],
    [{ do: 'quit' }, { do: 'quit' }],
  ])('%j is understood', (sent, request) => {
    expect(parseRequest(JSON.stringify({ id: 7, ...sent }))).toEqual({ id: 7, request });
  });

  it.each([
    ['no JSON', '{', 'USAGE_CONTROL'],
    ['no object', '[1]', 'USAGE_CONTROL'],
    ['null', 'null', 'USAGE_CONTROL'],
    ['nothing to do', '{}', 'USAGE_CONTROL'],
    ['something unknown to do', '{"do": "format"}', 'USAGE_CONTROL'],
    ['a rule that is none', '{"do": "fault-add", "rule": []}', 'USAGE_CONTROL'],
    ['a fault that is no number', '{"do": "fault-remove", "fault": "1"}', 'USAGE_CONTROL'],
    ['a device that is no name', '{"do": "eject", "device": 1}', 'USAGE_CONTROL'],
    ['a level that does not exist', '{"do": "log", "levels": ["noise"]}', 'USAGE_LOG'],
  ])('%s is refused with a code and a hint', (_what, line, code) => {
    const { request } = parseRequest(line);
    expect(request).toBeInstanceOf(UsageError);
    expect(request).toMatchObject({ code, hint: expect.any(String) });
  });

  it('keeps the id of a request that is refused, so that the client knows which', () => {
    expect(parseRequest('{"id": "x", "do": "nothing"}').id).toBe('x');
  });

  it('never throws, whatever is sent', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc
            .record({ do: fc.constantFrom('fault-add', 'log', 'eject'), levels: fc.anything() })
            .map((v) => JSON.stringify(v)),
        ),
        (line) => {
          const { request } = parseRequest(String(line));
          expect(request instanceof PeerlaneError || typeof request.do === 'string').toBe(true);
        },
      ),
    );
  });

  it('refuses what no thread could be sent', () => {
    const rule = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
    expect(parseRequest(`{"do": "fault-add", "rule": ${rule}}`).request).toMatchObject({
      code: 'USAGE_CONTROL',
    });
    const { request } = parseRequest('{"do": "fault-add", "rule": {"device": "nvme0", "blocks": [1, 2]}}');
    expect(request).toMatchObject({ do: 'fault-add' });
  });

  it('carries an error over as what it was', () => {
    const error = new UsageError('USAGE_LOG', { message: 'no such level', hint: 'others' });
    expect(errorOf(errorFacts(error))).toMatchObject({
      code: 'USAGE_LOG',
      message: 'no such level',
      hint: 'others',
      exitStatus: 2,
    });
    expect(errorOf(errorFacts(new TypeError('bug'))).message).toMatch(/^TypeError: bug\n/);
  });
});

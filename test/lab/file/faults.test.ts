import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LabError } from '../../../src/base/index.ts';
import { FAULT_ACTIONS, parseLab, printFault, printLab, readFault } from '../../../src/lab/index.ts';

const MACHINE = `peerlane: lab/1
below:
  - switch: sw0
    below:
      - nvme: nvme0
        cmb: 64M
        namespaces: 1G
        queues: 4
      - nvme: nvme1
      - gpu: gpu0
      - dma-engine: dma0
  - { nvme: inside, integrated: yes }
`;
const lab = parseLab(MACHINE, 'x');
const withFault = (fault: string): string => `${MACHINE}faults:\n  - ${fault}\n`;
const faultOf = (fault: string) => parseLab(withFault(fault), 'x').faults[0]!;

describe('a fault', () => {
  it('has defaults for all but who and what', () => {
    expect(faultOf('{ device: nvme0, do: drop }')).toEqual({
      device: 'nvme0',
      action: 'drop',
      queue: null,
      opcode: null,
      nsid: null,
      firstLba: null,
      lastLba: null,
      skip: 0,
      count: 1,
      probability: 1,
      afterPs: 0,
      delayPs: null,
      status: null,
      direction: null,
      traffic: null,
      bit: null,
    });
    expect(faultOf('{ device: nvme0, do: media, lba: 8 }')).toMatchObject({
      nsid: 1,
      firstLba: 8,
      lastLba: 8,
      count: Number.POSITIVE_INFINITY,
    });
    expect(faultOf('{ device: dma0, do: flip }')).toMatchObject({ traffic: 'data', bit: null });
  });

  it('takes names of the specification: an opcode says its queue, a status its type', () => {
    expect(faultOf('{ device: nvme0, do: drop, opcode: read }')).toMatchObject({ opcode: 2, queue: 'io' });
    expect(faultOf('{ device: nvme0, do: drop, opcode: Get_Log_Page }')).toMatchObject({
      opcode: 2,
      queue: 'admin',
    });
    expect(faultOf('{ device: nvme0, do: drop, opcode: 0x02, queue: 3 }')).toMatchObject({
      opcode: 2,
      queue: 3,
    });
    expect(faultOf('{ device: nvme0, do: status, status: unrecovered-read-error }').status).toBe(0x281);
    expect(faultOf('{ device: nvme0, do: status, status: 0x281 }').status).toBe(0x281);
  });

  it('needs no list when it is the only one, and no name that it speaks of is taken', () => {
    const one = parseLab(
      'peerlane: lab/1\nbelow: [nvme]\nfaults: { device: nvme0, do: delay, delay: 2s, count: forever }',
      'x',
    );
    expect(one.faults).toMatchObject([{ delayPs: 2e12, count: Number.POSITIVE_INFINITY }]);
  });

  it.each<[string, string, string, string, RegExp]>([
    ['an unknown device', '{ device: nvme7, do: drop }', 'LAB_REFERENCE', '14:15', /did you mean 'nvme0'\?/],
    ['a bridge', '{ device: sw0, do: remove }', 'LAB_FAULT', '14:15', /no endpoint/],
    ['no device', '{ do: drop }', 'LAB_VALUE', '14:5', /device: a value is missing/],
    ['no such action', '{ device: nvme0, do: dorp }', 'LAB_VALUE', '14:26', /did you mean 'drop'\?|none of/],
    ['an unknown key', '{ device: nvme0, do: drop, opcdoe: 2 }', 'LAB_UNKNOWN_KEY', '14:32', /'opcode'/],
    ['commands of a card', '{ device: gpu0, do: drop }', 'LAB_FAULT', '14:25', /takes no commands/],
    ['DMA of a card', '{ device: gpu0, do: flip }', 'LAB_FAULT', '14:25', /no DMA of its own/],
    [
      'a command as trigger of a card',
      '{ device: gpu0, do: remove, skip: 3 }',
      'LAB_FAULT',
      '14:25',
      /no commands/,
    ],
    [
      'a buffer that is not there',
      '{ device: nvme1, do: cmb-gone }',
      'LAB_FAULT',
      '14:26',
      /no controller memory/,
    ],
    ['a card without a slot', '{ device: inside, do: remove }', 'LAB_FAULT', '14:27', /not below a port/],
    [
      'a key of others',
      '{ device: nvme0, do: drop, delay: 1s }',
      'LAB_FAULT',
      '14:39',
      /`do: drop` has none/,
    ],
    [
      'a delay without how long',
      '{ device: nvme0, do: delay }',
      'LAB_FAULT',
      '14:5',
      /needs delay, `delay: 2s`/,
    ],
    ['a status without which', '{ device: nvme0, do: status }', 'LAB_FAULT', '14:5', /needs status/],
    ['media without where', '{ device: nvme0, do: media }', 'LAB_FAULT', '14:5', /needs lba/],
    ['an absurd delay', '{ device: nvme0, do: delay, delay: 2h }', 'LAB_VALUE', '14:40', /1ps to 3600s/],
    ['a day', '{ device: nvme0, do: delay, delay: 86400s }', 'LAB_VALUE', '14:40', /1ps to 3600s/],
    ['a time before', '{ device: nvme0, do: drop, after: -1s }', 'LAB_VALUE', '14:39', /after: '-1s'/],
    ['success', '{ device: nvme0, do: status, status: success }', 'LAB_FAULT', '14:42', /0 is success/],
    [
      'blocks behind the end',
      '{ device: nvme0, do: media, lba: 0..99999999 }',
      'LAB_FAULT',
      '14:38',
      /0 to \d+/,
    ],
    ['blocks backwards', '{ device: nvme0, do: media, lba: 8..7 }', 'LAB_VALUE', '14:38', /lba: '8..7'/],
    [
      'a namespace that is not there',
      '{ device: nvme0, do: media, lba: 0, nsid: 4 }',
      'LAB_FAULT',
      '14:47',
      /no namespace 4/,
    ],
    ['a queue that is not there', '{ device: nvme0, do: drop, queue: 5 }', 'LAB_FAULT', '14:39', /1 to 4/],
    [
      'an opcode of another queue',
      '{ device: nvme0, do: drop, queue: admin, opcode: write }',
      'LAB_FAULT',
      '14:54',
      /I\/O|admin/,
    ],
    ['never', '{ device: nvme0, do: drop, count: 0 }', 'LAB_VALUE', '14:39', /forever/],
    ['no chance', '{ device: nvme0, do: drop, probability: 0 }', 'LAB_VALUE', '14:45', /share from 0.001/],
    ['a virtual function', '{ device: nvme0vf0, do: remove }', 'LAB_REFERENCE', '14:15', /no device/],
  ])('is refused with line, column and what would do: %s', (_, fault, code, place, message) => {
    let error: unknown;
    try {
      parseLab(withFault(fault), 'x');
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(LabError);
    const { code: found, message: text, exitStatus, hint } = error as LabError;
    expect([found, exitStatus]).toEqual([code, 2]);
    expect(text).toMatch(new RegExp(`^x:${place}: `));
    expect(text).toMatch(message);
    expect(hint).toBeTruthy();
  });

  it('is not told of a machine that could not be read', () => {
    expect(() =>
      parseLab('peerlane: lab/1\nbelow: [{nvme: nvme0, cmd: 1}]\nfaults: {device: nvme0, do: cmb-gone}', 'x'),
    ).toThrow(/unknown key 'cmd'/);
  });

  it('is at most one of 256', () => {
    const many = `${MACHINE}faults:\n${'  - { device: nvme0, do: drop }\n'.repeat(257)}`;
    expect(() => parseLab(many, 'x')).toThrow(/at most 256/);
  });
});

describe('a fault that comes later', () => {
  it('is an object as in the file, with numbers where JSON has them', () => {
    expect(readFault({ device: 'nvme0', do: 'status', status: 0x281, skip: 2 }, lab)).toMatchObject({
      status: 0x281,
      skip: 2,
    });
  });

  it.each<[unknown, string]>([
    [null, 'LAB_VALUE'],
    ['drop', 'LAB_VALUE'],
    [[], 'LAB_VALUE'],
    [{ device: 'nvme9', do: 'drop' }, 'LAB_REFERENCE'],
    [{ device: { a: 1 }, do: 'drop' }, 'LAB_VALUE'],
    [{ device: 'nvme0', do: 'drop', toString: 1 }, 'LAB_UNKNOWN_KEY'],
  ])('is refused with a typed error: %j', (value, code) => {
    expect(() => readFault(value, lab)).toThrow(expect.objectContaining({ code }));
  });

  it('is never anything but a fault or a typed error', () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            device: fc.constantFrom('nvme0', 'nvme1', 'gpu0', 'dma0', 'sw0', 'inside', 'x'),
            do: fc.constantFrom(...FAULT_ACTIONS),
            queue: fc.oneof(fc.constantFrom('admin', 'io'), fc.nat(6)),
            opcode: fc.oneof(fc.nat(300), fc.constantFrom('read', 'identify')),
            lba: fc.oneof(fc.nat(), fc.constantFrom('0..7', '7..0')),
            skip: fc.nat(5),
            count: fc.oneof(fc.nat(3), fc.constant('forever')),
            probability: fc.constantFrom(0.5, 1, 2),
            delay: fc.constantFrom('1ms', '0', '2h'),
            after: fc.constantFrom('5s', '0'),
            status: fc.oneof(fc.nat(0x900), fc.constantFrom('internal-error')),
            direction: fc.constantFrom('read', 'write', 'up'),
            traffic: fc.constantFrom('data', 'control'),
            bit: fc.nat(),
            other: fc.anything(),
          },
          { requiredKeys: ['device', 'do'] },
        ),
        (value) => {
          let fault: ReturnType<typeof readFault>;
          try {
            fault = readFault(value, lab);
          } catch (error) {
            expect(error).toBeInstanceOf(LabError);
            return;
          }
          // What is printed means the same, in JSON and in a file.
          expect(readFault(printFault(fault), lab)).toEqual(fault);
          const text = printLab({ ...lab, faults: [fault] });
          expect(parseLab(text, 'x').faults).toEqual([fault]);
        },
      ),
      { numRuns: 500 },
    );
  });
});

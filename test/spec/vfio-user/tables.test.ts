import { describe, expect, it } from 'vitest';
import type { Structure } from '../../../src/base/index.ts';
import * as spec from '../../../src/spec/vfio-user/index.ts';

/** Offset and bytes of each field, as in the tables of docs/interop/vfio-user.rst. */
const LAYOUT: readonly (readonly [Structure, readonly (readonly [string, number, number])[]])[] = [
  [
    spec.MESSAGE_HEADER,
    [
      ['Message ID', 0, 2],
      ['Command', 2, 2],
      ['Message size', 4, 4],
      ['Flags', 8, 4],
      ['Error', 12, 4],
    ],
  ],
  [
    spec.DMA_MAP,
    [
      ['argsz', 0, 4],
      ['flags', 4, 4],
      ['offset', 8, 8],
      ['address', 16, 8],
      ['size', 24, 8],
    ],
  ],
  [
    spec.DMA_UNMAP,
    [
      ['argsz', 0, 4],
      ['flags', 4, 4],
      ['address', 8, 8],
      ['size', 16, 8],
    ],
  ],
  [
    spec.REGION_INFO,
    [
      ['argsz', 0, 4],
      ['flags', 4, 4],
      ['index', 8, 4],
      ['cap_offset', 12, 4],
      ['size', 16, 8],
      ['offset', 24, 8],
    ],
  ],
  [
    spec.SET_IRQS,
    [
      ['argsz', 0, 4],
      ['flags', 4, 4],
      ['index', 8, 4],
      ['start', 12, 4],
      ['count', 16, 4],
    ],
  ],
  [
    spec.REGION_ACCESS,
    [
      ['offset', 0, 8],
      ['region', 8, 4],
      ['count', 12, 4],
    ],
  ],
  [
    spec.DMA_ACCESS,
    [
      ['address', 0, 8],
      ['count', 8, 8],
    ],
  ],
];

describe('the tables of vfio-user', () => {
  it.each(LAYOUT.map(([table, fields]) => [table.name, table, fields] as const))('%s', (_, table, fields) => {
    expect(table.registers.map(({ name, offset, widthBits }) => [name, offset, widthBits / 8])).toEqual(
      fields,
    );
    expect(table.source).toMatch(/vfio-user/);
  });

  it('have the values of requests and replies as bits of their fields', () => {
    const view = new DataView(new ArrayBuffer(16));
    spec.MESSAGE_FLAGS.Type.write(view, spec.MESSAGE_TYPE.REPLY);
    expect(view.getUint32(8, true)).toBe(spec.FLAGS_REPLY);
    spec.MESSAGE_FLAGS.Error.write(view, 1);
    expect(view.getUint32(8, true)).toBe(spec.FLAGS_ERROR_REPLY);
  });

  it('encode the actions of SET_IRQS as linux/vfio.h does', () => {
    const view = new DataView(new ArrayBuffer(20));
    spec.SET_IRQS_FLAGS.Data.write(view, spec.IRQ_DATA.EVENTFD);
    spec.SET_IRQS_FLAGS.Action.write(view, spec.IRQ_ACTION.TRIGGER);
    expect(view.getUint32(4, true)).toBe(0x24);
    spec.SET_IRQS_FLAGS.Data.write(view, spec.IRQ_DATA.NONE);
    spec.SET_IRQS_FLAGS.Action.write(view, spec.IRQ_ACTION.UNMASK);
    expect(view.getUint32(4, true)).toBe(0x11);
  });

  it('name commands', () => {
    expect(spec.vfioUserCommandName(9)).toBe('REGION_READ');
    expect(spec.vfioUserCommandName(99)).toBe('command 99');
  });
});

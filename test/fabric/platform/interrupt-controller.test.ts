import { describe, expect, test } from 'vitest';
import { EventQueue, noTurn } from '../../../src/fabric/index.ts';
import { InterruptController } from '../../../src/fabric/platform/interrupt-controller.ts';

function setUp() {
  const queue = new EventQueue({ turn: noTurn });
  return { queue, controller: new InterruptController(queue) };
}

describe('messages', () => {
  test('reach the handler that asked for them, with the vector, from the queue and not at once', () => {
    const { queue, controller } = setUp();
    const seen: number[] = [];
    const first = controller.allocateMessages(3, (vector) => seen.push(vector))!;
    const other = controller.allocateMessages(4, () => seen.push(99))!;
    expect(other % 4).toBe(0);
    controller.message(first + 2);
    controller.message(first);
    expect(seen).toEqual([]);
    queue.runUntilIdle();
    expect(seen).toEqual([2, 0]);
  });

  test('for nobody are counted, also when the owner left while one was on its way', () => {
    const { queue, controller } = setUp();
    const first = controller.allocateMessages(1, () => expect.unreachable())!;
    controller.message(first);
    controller.freeMessages(first, 1);
    controller.message(first);
    controller.message(60_000);
    queue.runUntilIdle();
    expect(controller.spuriousCount).toBe(3);
  });

  test('run out, and come back', () => {
    const { controller } = setUp();
    expect(controller.allocateMessages(0x1_0000, () => {})).toBe(0);
    expect(controller.allocateMessages(1, () => {})).toBe(undefined);
    controller.freeMessages(0, 0x1_0000);
    expect(controller.allocateMessages(1, () => {})).toBe(0);
  });
});

describe('wires', () => {
  test('call all sharers while the level stays', () => {
    const { queue, controller } = setUp();
    let left = 3;
    const seen: string[] = [];
    controller.attachWire('w', () => seen.push('a'));
    controller.attachWire('w', () => {
      seen.push('b');
      if (--left === 0) {
        controller.setWire('w', false);
      }
    });
    controller.setWire('w', true);
    queue.runUntilIdle();
    expect(seen.join('')).toBe('ababab');
    controller.setWire('w', true);
    controller.setWire('w', false);
    queue.runUntilIdle();
    expect(seen.length).toBe(6);
  });

  test('that nobody quiets are switched off', () => {
    const { queue, controller } = setUp();
    let count = 0;
    controller.attachWire('w', () => count++);
    controller.setWire('w', true);
    queue.runUntilIdle();
    expect(count).toBe(1000);
    expect(controller.wiresOff).toEqual(['w']);
  });

  test('asserted before anybody listens are heard when somebody does', () => {
    const { queue, controller } = setUp();
    controller.setWire('w', true);
    queue.runUntilIdle();
    const seen: number[] = [];
    controller.attachWire('w', (vector) => {
      seen.push(vector);
      controller.setWire('w', false);
    });
    queue.runUntilIdle();
    expect(seen).toEqual([0]);
  });
});

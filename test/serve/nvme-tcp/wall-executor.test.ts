import { describe, expect, test } from 'vitest';
import { PS_PER_MS } from '../../../src/access/index.ts';
import { WallExecutor } from '../../../src/serve/nvme-tcp/index.ts';

describe('the clock of the wall as an executor', () => {
  test('work comes after its caller and in order, deadlines come unless they are taken back', async () => {
    let nowMs = 5;
    const executor = new WallExecutor(() => nowMs);
    expect(executor.nowPs).toBe(5 * PS_PER_MS);
    nowMs = 7;
    expect(executor.nowPs).toBe(7 * PS_PER_MS);
    const heard: string[] = [];
    await new Promise<void>((resolve) => {
      const handler = {
        onEvent: (code: number, argument: number): void => {
          heard.push(`${code}/${argument}`);
          if (code === 3) {
            resolve();
          }
        },
      };
      const gone = executor.timer(PS_PER_MS, handler, 9, 9);
      executor.after(1e6, handler, 1, 10);
      executor.after(0, handler, 2, 20);
      executor.timer(20 * PS_PER_MS, handler, 3, 30);
      executor.cancel(gone);
      executor.cancel(0);
      expect(heard).toEqual([]);
      // Deadlines are of no weight: something else keeps the process.
      setTimeout(() => {}, 200);
    });
    expect(heard).toEqual(['1/10', '2/20', '3/30']);
  });
});

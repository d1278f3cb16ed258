import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enumerate } from '../../../src/fabric/firmware/index.ts';
import { DONE, Memory, TRAFFIC } from '../../../src/fabric/index.ts';
import { growMachine } from '../routing/random-tree.ts';
import { TestEndpoint } from './machine.ts';

const seed = fc.integer({ min: 1, max: 1_000_000 });

describe('a machine that the firmware has enumerated', () => {
  it('answers the CPU and its peers at every BAR that got an address', () => {
    fc.assert(
      fc.property(seed, (value) => {
        const { fabric } = growMachine(value, { isPermissive: true });
        const report = enumerate({
          configRead: fabric.configRead.bind(fabric),
          configWrite: fabric.configWrite.bind(fabric),
          hostBridges: fabric.hostBridges.map((bridge) => ({
            domain: bridge.domain,
            rootBus: bridge.rootBusNumber,
            lastBus: bridge.lastBus,
            memoryWindows: bridge.windows,
          })),
        });
        const functions = fabric.functions();
        expect(report.functions).toHaveLength(functions.length);
        expect(report.unassigned).toEqual([]);
        const models = functions.flatMap(({ model }) => (model instanceof TestEndpoint ? [model] : []));
        const local = Memory.flat(4);
        // What a driver does; firmware leaves endpoints disabled.
        for (const { model, routingId: id, device } of functions) {
          if (model !== null) {
            const { domain } = device.bus.hostBridge;
            fabric.configWrite(domain, id >>> 8, (id >>> 3) & 0x1f, id & 7, 0x04, 2, 6);
          }
        }
        for (const [index, model] of models.entries()) {
          fabric.cpuWrite(model.port.barAddress(0) + 8, 4, index + 1);
          expect(model.memory.getValue(8, 4)).toBe(index + 1);
        }
        for (const from of models) {
          const to = models[(models.indexOf(from) + 1) % models.length]!;
          expect(from.port.dmaRead(to.port.barAddress(0) + 8, local, 0, 4, TRAFFIC.DATA, 1)).toBe(DONE);
          expect(local.getValue(0, 4)).toBe(models.indexOf(to) + 1);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** Labs whose DMA engines run under their driver, and the memory that they copy between. */
import { DmaEngineDriver } from '../../src/drivers/index.ts';
import { type FabricFunction, type FabricPciFunction, Memory } from '../../src/fabric/index.ts';
import { type LabFile, LabMachine, parseLab } from '../../src/lab/index.ts';
import { nameFunctions, type Target, targetOf } from './bench-lab.ts';

export interface Engine {
  readonly fn: FabricPciFunction;
  readonly client: FabricFunction;
  readonly driver: DmaEngineDriver;
}

export interface EngineLab {
  readonly machine: LabMachine;
  readonly engines: readonly Engine[];
  readonly targets: readonly Target[];
}

/** @param jitterSeed 0: untimed */
export function bootEngines(lab: LabFile | string, jitterSeed = 0): EngineLab {
  const file = typeof lab === 'string' ? parseLab(lab, 'engines.yaml') : lab;
  const machine = LabMachine.boot(file, {
    label: 'engines.yaml',
    ...(jitterSeed === 0 ? {} : { jitter: { seed: jitterSeed, jitterPs: 1e6 } }),
  });
  nameFunctions(machine);
  for (const fn of machine.platform.functions) {
    fn.enable({ memory: true, busMaster: true });
  }
  const engines = machine.members.flatMap(({ node, platform, fn }): Engine[] => {
    if (node.kind !== 'dma-engine') {
      return [];
    }
    const driver = machine.run(DmaEngineDriver.start(platform));
    return driver === undefined ? [] : [{ fn: platform, client: fn, driver }];
  });
  const targets = machine.members.flatMap(({ node, fn }) =>
    node.kind === 'memory' || node.kind === 'generic' ? (targetOf(fn) ?? []) : [],
  );
  return { machine, engines, targets };
}

/** Bytes that say where they belong: `word` tells one piece from another. */
export function fillWith(memory: Memory, at: number, lengthBytes: number, word: number): void {
  const bytes = Memory.flat(lengthBytes);
  for (let i = 0; i < lengthBytes; i += 4) {
    bytes.setValue(i, 4, (Math.imul(word, 0x9e37_79b1) ^ i) >>> 0);
  }
  bytes.copyTo(0, memory, at, lengthBytes);
}

export function isFilledWith(memory: Memory, at: number, lengthBytes: number, word: number): boolean {
  for (let i = 0; i < lengthBytes; i += 4) {
    if (memory.getValue(at + i, 4) !== (Math.imul(word, 0x9e37_79b1) ^ i) >>> 0) {
      return false;
    }
  }
  return true;
}

import { describe, expect, it } from 'vitest';
import {
  CAP,
  CC,
  CNS,
  CSTS,
  ID_CNTLID,
  ID_MDTS,
  NS_NSZE,
  NVM_OPCODE,
  NVME_STATUS,
  VS,
} from '../../../src/spec/nvme/index.ts';
import {
  BLOCK,
  BLOCKS,
  bench,
  identify,
  LoopHost,
  pattern,
  propertyGet,
  read,
  write,
} from './support/host.ts';

describe.each(['at once', 'later'] as const)('a host that connects, data moving %s', (pace) => {
  function start(inCapsule: boolean | 'span' = true) {
    const made = bench();
    const host = new LoopHost(made, { inCapsule }, pace === 'later' ? { executor: made.executor } : {});
    return { ...made, host };
  }

  it('finds a controller that is ready', () => {
    const { host } = start();
    expect(propertyGet(host.admin, CSTS.offset).result).toBe(1);
    expect(propertyGet(host.admin, VS.offset).result).toBe(0x0002_0100);
    const cap = propertyGet(host.admin, CAP.offset, true);
    expect(cap.result & 0xffff).toBe(127);
    expect((cap.resultHigh >>> 5) & 0xff).toBe(1);
    expect(propertyGet(host.admin, CC.offset).result).toBe(0x0046_0001);
  });

  it('identifies controller and namespace', () => {
    const { host } = start();
    const controller = host.admin.run(identify(CNS.CONTROLLER));
    expect(controller.completion.status).toBe(NVME_STATUS.SUCCESS);
    expect(ID_CNTLID.value(controller.view)).toBe(host.controllerId);
    expect(ID_MDTS.value(controller.view)).toBe(8);
    const namespace = host.admin.run(identify(CNS.NAMESPACE, 1));
    expect(NS_NSZE.value(namespace.view)).toBe(BLOCKS);
    expect(host.admin.run(identify(CNS.ACTIVE_NAMESPACE_LIST)).view.getUint32(0, true)).toBe(1);
  });

  it('reads what it has written, by all ways of data', () => {
    for (const inCapsule of [false, true, 'span'] as const) {
      const { host } = start(inCapsule);
      const io = host.connectIo();
      const data = pattern(8, 3);
      expect(io.run({ ...write(100, data), inCapsule }).completion.status).toBe(NVME_STATUS.SUCCESS);
      expect(io.run({ opcode: NVM_OPCODE.FLUSH, nsid: 1 }).completion.status).toBe(NVME_STATUS.SUCCESS);
      expect(io.run(read(100, 8)).data).toEqual(data);
      expect(io.run(read(108, 1)).data).toEqual(new Uint8Array(BLOCK));
    }
  });

  it('gives all memory back', () => {
    const { host, memory } = start();
    const io = host.connectIo();
    for (let i = 0; i < 300; i++) {
      io.run(write(i, pattern(2, i)));
      io.run(read(i, 2));
    }
    expect(memory.usedBytes).toBe(0);
    expect(memory.heldBytes).toBe(4096);
  });
});

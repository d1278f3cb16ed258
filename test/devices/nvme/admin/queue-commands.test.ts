import { describe, expect, it } from 'vitest';
import { ADMIN_OPCODE, CMBMSC, NVME_STATUS } from '../../../../src/spec/nvme/index.ts';
import { adminRig } from './rig.ts';

const { INVALID_QUEUE_ID, INVALID_QUEUE_SIZE, INVALID_FIELD, INVALID_CMB_USE, INVALID_PRP_OFFSET } =
  NVME_STATUS;

describe('Create I/O Completion Queue (5.2.1)', () => {
  const { host } = adminRig({ queueCount: 4, queueEntriesMax: 128, vectorCount: 3 });
  const page = host.alloc(8192);
  const create = (id: number, entries: number, cdw11 = 3, prp1 = page): number =>
    host.admin({ opcode: ADMIN_OPCODE.CREATE_IO_CQ, prp1, cdw10: ((entries - 1) << 16) | id, cdw11 }).status;

  it.each([
    ['identifier 0', () => create(0, 8), INVALID_QUEUE_ID],
    ['an identifier beyond what was granted', () => create(5, 8), INVALID_QUEUE_ID],
    ['one entry', () => create(1, 1), INVALID_QUEUE_SIZE],
    ['more entries than CAP.MQES says', () => create(1, 129), INVALID_QUEUE_SIZE],
    ['a queue in pieces', () => create(1, 8, 2), INVALID_FIELD],
    ['a vector that is not there', () => create(1, 8, (3 << 16) | 3), NVME_STATUS.INVALID_INTERRUPT_VECTOR],
    ['an address inside a page', () => create(1, 8, 3, page + 64), INVALID_PRP_OFFSET],
  ])('refuses %s', (_name, run, status) => {
    expect(run()).toBe(status);
  });

  it('refuses an identifier that is taken', () => {
    expect(create(1, 8)).toBe(0);
    expect(create(1, 8)).toBe(INVALID_QUEUE_ID);
  });
});

describe('Create and Delete I/O Submission Queue (5.2.2, 5.2.4)', () => {
  const { host } = adminRig({ queueCount: 4 });
  const page = host.alloc(8192);
  const admin = (opcode: number, cdw10: number, cdw11 = 0): number =>
    host.admin({ opcode, prp1: page, cdw10, cdw11 }).status;
  admin(ADMIN_OPCODE.CREATE_IO_CQ, 0x000f_0001, 1);
  const create = (id: number, cqid: number, pc = 1): number =>
    admin(ADMIN_OPCODE.CREATE_IO_SQ, 0x000f_0000 | id, (cqid << 16) | pc);

  it.each([
    ['a completion queue of its identifier 0', () => create(1, 0), INVALID_QUEUE_ID],
    ['a completion queue beyond what was granted', () => create(1, 9), INVALID_QUEUE_ID],
    ['a completion queue that was not created', () => create(1, 2), NVME_STATUS.CQ_INVALID],
    ['identifier 0', () => create(0, 1), INVALID_QUEUE_ID],
    ['a queue in pieces', () => create(1, 1, 0), INVALID_FIELD],
    ['to delete what is not there', () => admin(ADMIN_OPCODE.DELETE_IO_SQ, 1), INVALID_QUEUE_ID],
    ['to delete the admin queue', () => admin(ADMIN_OPCODE.DELETE_IO_SQ, 0), INVALID_QUEUE_ID],
    ['to delete no completion queue', () => admin(ADMIN_OPCODE.DELETE_IO_CQ, 3), INVALID_QUEUE_ID],
  ])('refuses %s', (_name, run, status) => {
    expect(run()).toBe(status);
  });

  it('refuses to delete a completion queue that is in use, and deletes in the right order', () => {
    expect(create(1, 1)).toBe(0);
    expect(admin(ADMIN_OPCODE.DELETE_IO_CQ, 1)).toBe(NVME_STATUS.INVALID_QUEUE_DELETION);
    expect(admin(ADMIN_OPCODE.DELETE_IO_SQ, 1)).toBe(0);
    expect(admin(ADMIN_OPCODE.DELETE_IO_CQ, 1)).toBe(0);
  });
});

describe('queues in the CMB (3.1.4.12)', () => {
  const BASE = 0x9_0000_0000;
  const rig = (supports: { submissionQueues: boolean; completionQueues: boolean }) => {
    const made = adminRig({ cmb: { sizeBytes: 1 << 20, supports } });
    made.host.write(CMBMSC.offset, 1);
    made.host.write(CMBMSC.offset + 4, BASE / 2 ** 32);
    made.host.write(CMBMSC.offset, (BASE % 2 ** 32) | 3);
    return made.host;
  };
  const create = (host: ReturnType<typeof rig>, opcode: number, prp1: number, cdw11: number): number =>
    host.admin({ opcode, prp1, cdw10: 0x003f_0001, cdw11 }).status;

  it('need CMBSZ.SQS or CMBSZ.CQS', () => {
    const host = rig({ submissionQueues: true, completionQueues: false });
    expect(create(host, ADMIN_OPCODE.CREATE_IO_CQ, BASE, 3)).toBe(INVALID_CMB_USE);
    expect(create(host, ADMIN_OPCODE.CREATE_IO_CQ, host.alloc(4096), 3)).toBe(0);
    expect(create(host, ADMIN_OPCODE.CREATE_IO_SQ, BASE + 0x1000, 0x1_0001)).toBe(0);
    const other = rig({ submissionQueues: false, completionQueues: true });
    expect(create(other, ADMIN_OPCODE.CREATE_IO_CQ, BASE, 3)).toBe(0);
    expect(create(other, ADMIN_OPCODE.CREATE_IO_SQ, BASE, 0x1_0001)).toBe(INVALID_CMB_USE);
  });

  it('may neither straddle its end nor start inside a page', () => {
    const host = rig({ submissionQueues: true, completionQueues: true });
    expect(create(host, ADMIN_OPCODE.CREATE_IO_CQ, BASE + (1 << 20) - 512, 3)).toBe(INVALID_CMB_USE);
    expect(create(host, ADMIN_OPCODE.CREATE_IO_CQ, BASE + 64, 3)).toBe(INVALID_PRP_OFFSET);
  });

  it('may not lie in the registers', () => {
    const host = rig({ submissionQueues: true, completionQueues: true });
    expect(create(host, ADMIN_OPCODE.CREATE_IO_CQ, 0x8_0000_0000, 3)).toBe(INVALID_CMB_USE);
  });
});

describe('Asynchronous Event Request and Abort (5.1.1, 5.1.2)', () => {
  it('takes as many as AERL says and no more', () => {
    const { host } = adminRig();
    for (let i = 0; i < 9; i++) {
      host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    }
    host.ring(0);
    host.run();
    expect(host.reap(0)).toMatchObject([{ status: NVME_STATUS.ASYNC_EVENT_LIMIT_EXCEEDED }]);
  });

  it('aborts an event request, and says when nothing was aborted', () => {
    const { host } = adminRig();
    const cid = host.push(0, { opcode: ADMIN_OPCODE.ASYNCHRONOUS_EVENT_REQUEST });
    host.ring(0);
    host.run();
    const abort = host.push(0, { opcode: ADMIN_OPCODE.ABORT, cdw10: cid << 16 });
    host.ring(0);
    host.run();
    expect(host.reap(0)).toMatchObject([
      { cid, status: NVME_STATUS.ABORT_REQUESTED },
      { cid: abort, status: 0, dw0: 0 },
    ]);
    expect(host.admin({ opcode: ADMIN_OPCODE.ABORT, cdw10: 0x1234_0000 })).toMatchObject({
      status: 0,
      dw0: 1,
    });
    expect(host.admin({ opcode: ADMIN_OPCODE.ABORT, cdw10: 0x1234_0009 }).status).toBe(INVALID_FIELD);
  });

  it('refuses shadow doorbells that are not whole pages', () => {
    const { host } = adminRig();
    const page = host.alloc(8192);
    const configure = (prp1: number, prp2: number): number =>
      host.admin({ opcode: ADMIN_OPCODE.DOORBELL_BUFFER_CONFIG, prp1, prp2 }).status;
    expect(configure(page + 8, page + 4096)).toBe(INVALID_FIELD);
    expect(configure(page, page + 4)).toBe(INVALID_FIELD);
    expect(configure(page, page + 4096)).toBe(0);
  });

  it.each([
    ADMIN_OPCODE.SECURITY_SEND,
    ADMIN_OPCODE.SECURITY_RECEIVE,
    ADMIN_OPCODE.VIRTUALIZATION_MANAGEMENT,
    0x7f,
    0xc5,
  ])('answers Invalid Command Opcode to %ih', (opcode) => {
    const { host } = adminRig();
    expect(host.admin({ opcode })).toMatchObject({ status: NVME_STATUS.INVALID_OPCODE, dnr: true });
  });
});

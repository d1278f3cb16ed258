/** A controller as our own host has it: the admin queue, made ready, and I/O queues on demand. */
import { ADMIN_OPCODE, CAP, CC, CSTS, ID_IOCCSZ, NSID } from '../../../spec/nvme/index.ts';
import { CNTLID_DYNAMIC } from '../../../spec/nvmeof/index.ts';
import { NvmeTcpError } from '../errors.ts';
import { HostSession, type SessionOptions } from './host-session.ts';

const IDENTIFY_BYTES = 4096;
const CNS_CONTROLLER = 1;
const READY_TRIES = 100;
const SQE_BYTES = 64;
/** IOCCSZ counts in these. */
const CAPSULE_UNIT_BYTES = 16;

export class HostController {
  readonly admin: HostSession;
  readonly #options: SessionOptions;
  #inCapsuleBytesMax = 0;

  private constructor(options: SessionOptions, admin: HostSession) {
    this.#options = options;
    this.admin = admin;
  }

  /**
   * Connects the admin queue, enables the controller and asks what it is.
   * @throws {NvmeTcpError} as HostSession.open; NVMETCP_NOT_READY
   */
  static async connect(options: SessionOptions): Promise<HostController> {
    const admin = await HostSession.open(options, 0, CNTLID_DYNAMIC);
    const controller = new HostController(options, admin);
    try {
      await controller.#enable();
      const identity = await controller.identify(CNS_CONTROLLER, 0);
      const view = new DataView(identity.buffer);
      controller.#inCapsuleBytesMax = ID_IOCCSZ.value(view) * CAPSULE_UNIT_BYTES - SQE_BYTES;
    } catch (error) {
      admin.close();
      throw error;
    }
    return controller;
  }

  /** @returns the 4,096 bytes of Identify */
  async identify(cns: number, nsid: number): Promise<Uint8Array<ArrayBuffer>> {
    const data = new Uint8Array(IDENTIFY_BYTES);
    const fill = (view: DataView): void => {
      NSID.setValue(view, nsid);
      view.setUint8(0x28, cns);
    };
    const { status } = await this.admin.execute(ADMIN_OPCODE.IDENTIFY, fill, data);
    if (status !== 0) {
      throw new NvmeTcpError('NVMETCP_REFUSED', {
        message: `the controller refuses Identify ${cns}: status ${status.toString(16)}h`,
        hint: 'is the namespace there?',
        detail: { status, cns, nsid },
        exitStatus: 3,
      });
    }
    return data;
  }

  /** An I/O queue. @param queueId  from 1 on */
  async openQueue(queueId: number, depth: number): Promise<HostSession> {
    const session = await HostSession.open({ ...this.#options, depth }, queueId, this.admin.controllerId);
    session.inCapsuleBytesMax = this.#inCapsuleBytesMax;
    return session;
  }

  close(): void {
    this.admin.close();
  }

  async #enable(): Promise<void> {
    await this.admin.propertyGet(CAP.offset, true);
    const wanted = new DataView(new ArrayBuffer(CC.offset + 4));
    CC.EN.write(wanted, 1);
    CC.IOSQES.write(wanted, 6);
    CC.IOCQES.write(wanted, 4);
    await this.admin.propertySet(CC.offset, CC.value(wanted));
    for (let tries = 0; tries < READY_TRIES; tries++) {
      if (CSTS.RDY.of(await this.admin.propertyGet(CSTS.offset, false)) === 1) {
        return;
      }
    }
    throw new NvmeTcpError('NVMETCP_NOT_READY', {
      message: 'the controller does not become ready',
      hint: 'the log of the target says why',
      exitStatus: 3,
    });
  }
}

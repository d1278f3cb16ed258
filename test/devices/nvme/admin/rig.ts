import { NvmeController, type NvmeOptions, type NvmeParts } from '../../../../src/devices/nvme/index.ts';
import { ADMIN_OPCODE, GET_LOG_PAGE_CDW10 } from '../../../../src/spec/nvme/index.ts';
import { BenchHost, type BenchMode, type Completion } from '../bench.ts';

export interface AdminRig {
  readonly host: BenchHost;
  readonly model: NvmeController;
  /** A page that commands may use. */
  readonly buffer: number;
  view(lengthBytes?: number): DataView;
  identify(cns: number, more?: { nsid?: number; cdw10?: number; cdw11?: number }): Completion;
  log(
    page: number,
    lengthBytes?: number,
    more?: { cdw10?: number; cdw12?: number; nsid?: number; cdw11?: number },
  ): Completion;
  set(feature: number, cdw11: number, more?: { nsid?: number; cdw10?: number }): Completion;
  get(feature: number, more?: { nsid?: number; cdw10?: number; cdw11?: number }): Completion;
}

/** A controller that is ready, and a host with a buffer. */
export function adminRig(
  options: NvmeOptions = {},
  parts: NvmeParts = {},
  mode: BenchMode = 'done',
): AdminRig {
  const model = new NvmeController(
    { namespaces: [{ sizeBlocks: 1024 }, { sizeBlocks: 512 }], ...options },
    parts,
  );
  const host = new BenchHost(model, mode);
  host.enable();
  const buffer = host.alloc(8192);
  return {
    host,
    model,
    buffer,
    view: (lengthBytes = 4096) => new DataView(host.bytes(buffer, lengthBytes).slice().buffer),
    identify: (cns, more = {}) =>
      host.admin({
        opcode: ADMIN_OPCODE.IDENTIFY,
        prp1: buffer,
        nsid: more.nsid ?? 0,
        cdw10: cns | (more.cdw10 ?? 0),
        cdw11: more.cdw11 ?? 0,
      }),
    log: (page, lengthBytes = 512, more = {}) =>
      host.admin({
        opcode: ADMIN_OPCODE.GET_LOG_PAGE,
        prp1: buffer,
        prp2: buffer + 4096,
        nsid: more.nsid ?? 0xffff_ffff,
        cdw10: (((lengthBytes / 4 - 1) << GET_LOG_PAGE_CDW10.NUMDL.low) | page | (more.cdw10 ?? 0)) >>> 0,
        cdw11: more.cdw11 ?? 0,
        cdw12: more.cdw12 ?? 0,
      }),
    set: (feature, cdw11, more = {}) =>
      host.admin({
        opcode: ADMIN_OPCODE.SET_FEATURES,
        prp1: buffer,
        nsid: more.nsid ?? 0,
        cdw10: (feature | (more.cdw10 ?? 0)) >>> 0,
        cdw11,
      }),
    get: (feature, more = {}) =>
      host.admin({
        opcode: ADMIN_OPCODE.GET_FEATURES,
        prp1: buffer,
        nsid: more.nsid ?? 0,
        cdw10: feature | (more.cdw10 ?? 0),
        cdw11: more.cdw11 ?? 0,
      }),
  };
}

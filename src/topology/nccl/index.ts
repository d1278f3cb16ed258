/**
 * NCCL and RCCL topology XML (`NCCL_TOPO_DUMP_FILE`, and the files that clouds hand out as `NCCL_TOPO_FILE`) to a
 * `Machine`.
 *
 * Leaves out on purpose: NVLink and xGMI, which are no PCI. The file lists every second port only, so hops cannot be
 * counted (`hiddenAbove`), and made-up switches are not functions. Follows NCCL 2.27, src/graph/xml.cc. Read
 * `read-nccl.ts` first.
 */
export { readNccl } from './read-nccl.ts';

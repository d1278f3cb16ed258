/** What can go wrong at the port of NVMe/TCP, with keys, and for our own host. */
import { PeerlaneError } from '../../base/index.ts';

/** Codes start with NVMETCP_; each has its row in docs/errors.md. */
export class NvmeTcpError extends PeerlaneError {}

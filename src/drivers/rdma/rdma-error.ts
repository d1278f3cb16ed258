/** An RDMA NIC that cannot be used, or a verb that failed. Codes start with RDMA_. */
import { PeerlaneError } from '../../base/index.ts';

export class RdmaError extends PeerlaneError {}

/** A machine that cannot be built as asked. Codes start with FABRIC_; what happens on the bus is never an error. */
import { PeerlaneError } from '../../base/index.ts';

export class FabricError extends PeerlaneError {}

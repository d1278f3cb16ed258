/** Who is at the other end of a TLS connection, by the key it has proven; and that it is the same who sends Connect. */
import { ADMIN_OPCODE } from '../../../spec/nvme/index.ts';
import {
  CONNECT_DATA_BYTES,
  CONNECT_HOSTNQN,
  CONNECT_SUBNQN,
  FABRICS_TYPE,
  FCTYPE,
} from '../../../spec/nvmeof/index.ts';

export interface SecureIdentity {
  readonly hostNqn: string;
  readonly subsystemNqn: string;
}

/**
 * Whether a command may come over a connection with this identity: any but a Connect with other names.
 * @param data  in the capsule; a Connect without is refused, as its names are not to be seen
 */
export function isConnectOf(identity: SecureIdentity, capsule: Uint8Array, data: Uint8Array | null): boolean {
  if (capsule[0] !== ADMIN_OPCODE.FABRICS || capsule[FCTYPE.offset] !== FABRICS_TYPE.CONNECT) {
    return true;
  }
  return (
    data !== null &&
    data.length >= CONNECT_DATA_BYTES &&
    nameAt(data, CONNECT_HOSTNQN) === identity.hostNqn &&
    nameAt(data, CONNECT_SUBNQN) === identity.subsystemNqn
  );
}

function nameAt(data: Uint8Array, run: { readonly offset: number; readonly sizeBytes: number }): string {
  const bytes = data.subarray(run.offset, run.offset + run.sizeBytes);
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('utf8');
}

/** Which bytes of a config space tell one device from another of its kind; a snapshot blanks them. */
import { CAPABILITY_ID } from '../../spec/pci/index.ts';
import { EXTENDED_ID } from '../../spec/pcie/index.ts';
import { walkCapabilities } from './walk.ts';

export interface ByteRun {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Of VPD the data register (its last read), of the extended capabilities everything behind the header. */
const VPD_DATA_OFFSET = 4;
const VPD_DATA_BYTES = 4;
const SERIAL_NUMBER_BYTES = 8;
const EXTENDED_HEADER_BYTES = 4;

/** Runs within `bytes`: the Device Serial Number, what VPD was last read, the Hierarchy ID with its system GUID. */
export function identityRuns(bytes: Uint8Array): ByteRun[] {
  const walk = walkCapabilities(bytes);
  const runs: ByteRun[] = [];
  const add = (offset: number, sizeBytes: number) => {
    const length = Math.min(sizeBytes, bytes.byteLength - offset);
    if (length > 0) {
      runs.push({ offset, sizeBytes: length });
    }
  };
  for (const { id, offset } of walk.conventional) {
    if (id === CAPABILITY_ID.VPD) {
      add(offset + VPD_DATA_OFFSET, VPD_DATA_BYTES);
    }
  }
  for (const { id, offset, spanBytes } of walk.extended) {
    if (id === EXTENDED_ID.DEVICE_SERIAL_NUMBER) {
      add(offset + EXTENDED_HEADER_BYTES, SERIAL_NUMBER_BYTES);
    } else if (id === EXTENDED_ID.HIERARCHY_ID) {
      add(offset + EXTENDED_HEADER_BYTES, spanBytes - EXTENDED_HEADER_BYTES);
    }
  }
  return runs;
}

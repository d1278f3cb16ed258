/** Errors that a function has logged, and which it masks. PCIe Base 6.0, 7.8.4. */
import type { RegisterMeta } from '../../base/index.ts';
import {
  AER,
  CORRECTABLE_ERROR_MASK,
  CORRECTABLE_ERROR_STATUS,
  EXTENDED_ID,
  UNCORRECTABLE_ERROR_MASK,
  UNCORRECTABLE_ERROR_SEVERITY,
  UNCORRECTABLE_ERROR_STATUS,
} from '../../spec/pcie/index.ts';
import type { ConfigView } from './config-view.ts';
import { locateExtendedCapability } from './locate.ts';
import type { WalkOptions } from './walk.ts';

/** Names of the bits that are set, as the specification has them (underscores for blanks). */
export interface AerState {
  readonly offset: number;
  readonly uncorrectable: readonly string[];
  readonly uncorrectableMasked: readonly string[];
  /** Errors reported as fatal when they occur. */
  readonly uncorrectableFatal: readonly string[];
  readonly correctable: readonly string[];
  readonly correctableMasked: readonly string[];
}

/** Null: no Advanced Error Reporting. Undefined: the bytes end too early to tell. */
export function aerState(bytes: Uint8Array, options?: WalkOptions): AerState | null | undefined {
  const located = locateExtendedCapability(bytes, EXTENDED_ID.ADVANCED_ERROR_REPORTING, options);
  if (located === null || located === undefined) {
    return located;
  }
  const { view } = located;
  const offset = located.capability.offset;
  if (offset + AER.sizeBytes > view.lengthBytes) {
    return undefined;
  }
  return {
    offset,
    uncorrectable: setBits(view, UNCORRECTABLE_ERROR_STATUS, offset),
    uncorrectableMasked: setBits(view, UNCORRECTABLE_ERROR_MASK, offset),
    uncorrectableFatal: setBits(view, UNCORRECTABLE_ERROR_SEVERITY, offset),
    correctable: setBits(view, CORRECTABLE_ERROR_STATUS, offset),
    correctableMasked: setBits(view, CORRECTABLE_ERROR_MASK, offset),
  };
}

function setBits(view: ConfigView, register: RegisterMeta, base: number): string[] {
  return register.fields.filter((field) => field.read(view.data, base) === 1).map((field) => field.name);
}

/** Whether a function translates addresses itself. PCIe Base 6.0, 10.5 and 7.8.9. */
import {
  ATS,
  ATS_CAPABILITY,
  ATS_CONTROL,
  EXTENDED_ID,
  invalidateQueueDepth,
  PAGE_REQUEST,
  PAGE_REQUEST_CONTROL,
  PASID,
  PASID_CAPABILITY,
  PASID_CONTROL,
} from '../../spec/pcie/index.ts';
import { type Located, locateExtendedCapability } from './locate.ts';
import type { WalkOptions } from './walk.ts';

export interface AtsState {
  readonly offset: number;
  /** The function may send requests with translated addresses, which ACS Direct Translated P2P lets pass. */
  readonly isEnabled: boolean;
  readonly invalidateQueueDepth: number;
  readonly isPageAligned: boolean;
  readonly smallestTranslationUnitBytes: number;
}

/** Null: no ATS. Undefined: the bytes end too early to tell. */
export function atsState(bytes: Uint8Array, options?: WalkOptions): AtsState | null | undefined {
  const located = locateExtendedCapability(bytes, EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES, options);
  return ifWhole(located, ATS.sizeBytes, ({ view, capability: { offset } }) => ({
    offset,
    isEnabled: ATS_CONTROL.Enable.read(view.data, offset) === 1,
    invalidateQueueDepth: invalidateQueueDepth(ATS_CAPABILITY.Invalidate_Queue_Depth.read(view.data, offset)),
    isPageAligned: ATS_CAPABILITY.Page_Aligned_Request.read(view.data, offset) === 1,
    smallestTranslationUnitBytes: 4096 * 2 ** ATS_CONTROL.Smallest_Translation_Unit.read(view.data, offset),
  }));
}

export interface PageRequestState {
  readonly offset: number;
  readonly isEnabled: boolean;
}

/** Null: no Page Request Interface. Undefined: the bytes end too early to tell. */
export function pageRequestState(
  bytes: Uint8Array,
  options?: WalkOptions,
): PageRequestState | null | undefined {
  const located = locateExtendedCapability(bytes, EXTENDED_ID.PAGE_REQUEST, options);
  return ifWhole(located, PAGE_REQUEST.sizeBytes, ({ view, capability: { offset } }) => ({
    offset,
    isEnabled: PAGE_REQUEST_CONTROL.Enable.read(view.data, offset) === 1,
  }));
}

export interface PasidState {
  readonly offset: number;
  readonly isEnabled: boolean;
  readonly maxWidthBits: number;
}

/** Null: no PASID. Undefined: the bytes end too early to tell. */
export function pasidState(bytes: Uint8Array, options?: WalkOptions): PasidState | null | undefined {
  const located = locateExtendedCapability(bytes, EXTENDED_ID.PASID, options);
  return ifWhole(located, PASID.sizeBytes, ({ view, capability: { offset } }) => ({
    offset,
    isEnabled: PASID_CONTROL.PASID_Enable.read(view.data, offset) === 1,
    maxWidthBits: PASID_CAPABILITY.Max_PASID_Width.read(view.data, offset),
  }));
}

function ifWhole<State>(
  located: Located | null | undefined,
  sizeBytes: number,
  read: (located: Located) => State,
): State | null | undefined {
  if (located === null || located === undefined) {
    return located;
  }
  return located.capability.offset + sizeBytes > located.view.lengthBytes ? undefined : read(located);
}

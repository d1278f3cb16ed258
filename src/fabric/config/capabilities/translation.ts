/** ATS, page requests and PASID. PCIe Base 6.0, 10.5 and 7.8.9. */
import {
  ATS,
  ATS_CAPABILITY,
  ATS_CONTROL,
  EXTENDED_ID,
  OUTSTANDING_PAGE_REQUEST_CAPACITY,
  PAGE_REQUEST,
  PAGE_REQUEST_CONTROL,
  PAGE_REQUEST_STATUS,
  PASID,
  PASID_CAPABILITY,
  PASID_CONTROL,
} from '../../../spec/pcie/index.ts';
import type { ConfigDraft } from '../config-draft.ts';

/** @param isVirtual a virtual function translates with the unit of its physical function */
export function addAts(draft: ConfigDraft, isVirtual: boolean): number {
  const base = draft.extended('ats', EXTENDED_ID.ADDRESS_TRANSLATION_SERVICES, 1, ATS, 'ats');
  draft.set(ATS_CAPABILITY.Page_Aligned_Request, 1, base);
  if (isVirtual) {
    draft.hardwire(base, ATS_CONTROL.Smallest_Translation_Unit);
  }
  return base;
}

/** Reset reads as zero; a written one is told as a change. Stopped follows Enable. 10.5.2. */
export function addPageRequests(draft: ConfigDraft, capacity: number): number {
  const base = draft.extended('pri', EXTENDED_ID.PAGE_REQUEST, 1, PAGE_REQUEST, 'pri');
  draft
    .set(PAGE_REQUEST_STATUS.Stopped, 1, base)
    .set(OUTSTANDING_PAGE_REQUEST_CAPACITY, capacity, base)
    .hardwire(base, PAGE_REQUEST_CONTROL.Reset);
  draft.rule(base + PAGE_REQUEST_CONTROL.offset, (space, _before, written) => {
    const isEnabled = PAGE_REQUEST_CONTROL.Enable.read(space.view, base);
    space.set(PAGE_REQUEST_STATUS.Stopped, 1 - isEnabled, base);
    return PAGE_REQUEST_CONTROL.Reset.of(written) === 1 ? 'pri' : undefined;
  });
  return base;
}

export function addPasid(draft: ConfigDraft, widthBits: number): number {
  const base = draft.extended('pasid', EXTENDED_ID.PASID, 1, PASID, 'pasid');
  draft
    .set(PASID_CAPABILITY.Max_PASID_Width, widthBits, base)
    .hardwire(
      base,
      PASID_CONTROL.Execute_Permission_Enable,
      PASID_CONTROL.Privileged_Mode_Enable,
      PASID_CONTROL.Translated_Requests_with_PASID_Enable,
    );
  return base;
}

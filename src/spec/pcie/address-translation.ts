/** Address translation: ATS, page requests, PASID. */
import { bit, bits, plain, register, structure } from '../../base/index.ts';
import { EXTENDED_CAPABILITY_HEADER } from './extended-header.ts';

/** PCIe Base 6.0, 10.5.1.2. */
export const ATS_CAPABILITY = register('ATS Capability', 0x04, 16, {
  /** 0 means 32: see `invalidateQueueDepth`. */
  Invalidate_Queue_Depth: bits(4, 0, 'RO'),
  Page_Aligned_Request: bit(5, 'RO'),
  Global_Invalidate_Supported: bit(6, 'RO'),
  Relaxed_Ordering_Supported: bit(7, 'RO'),
});

/** PCIe Base 6.0, 10.5.1.3. */
export const ATS_CONTROL = register('ATS Control', 0x06, 16, {
  /** 4 KiB << value. */
  Smallest_Translation_Unit: bits(4, 0, 'RW'),
  Enable: bit(15, 'RW'),
});

export const ATS = structure('Address Translation Services', 'PCIe Base 6.0, 10.5.1', 0x08, [
  EXTENDED_CAPABILITY_HEADER,
  ATS_CAPABILITY,
  ATS_CONTROL,
]);

/** Invalidate requests that a function can hold, from the field in which 0 means 32. */
export function invalidateQueueDepth(field: number): number {
  return field === 0 ? 32 : field;
}

/** PCIe Base 6.0, 10.5.2.2. */
export const PAGE_REQUEST_CONTROL = register('Page Request Control', 0x04, 16, {
  Enable: bit(0, 'RW'),
  Reset: bit(1, 'RW'),
});

/** PCIe Base 6.0, 10.5.2.3. */
export const PAGE_REQUEST_STATUS = register('Page Request Status', 0x06, 16, {
  Response_Failure: bit(0, 'RW1C'),
  Unexpected_Page_Request_Group_Index: bit(1, 'RW1C'),
  Stopped: bit(8, 'RO'),
  PRG_Response_PASID_Required: bit(15, 'RO'),
});

export const OUTSTANDING_PAGE_REQUEST_CAPACITY = plain('Outstanding Page Request Capacity', 0x08, 32);
export const OUTSTANDING_PAGE_REQUEST_ALLOCATION = register('Outstanding Page Request Allocation', 0x0c, 32, {
  Outstanding_Page_Request_Allocation: bits(31, 0, 'RW'),
});

export const PAGE_REQUEST = structure('Page Request Interface', 'PCIe Base 6.0, 10.5.2', 0x10, [
  EXTENDED_CAPABILITY_HEADER,
  PAGE_REQUEST_CONTROL,
  PAGE_REQUEST_STATUS,
  OUTSTANDING_PAGE_REQUEST_CAPACITY,
  OUTSTANDING_PAGE_REQUEST_ALLOCATION,
]);

/** PCIe Base 6.0, 7.8.9.2. */
export const PASID_CAPABILITY = register('PASID Capability', 0x04, 16, {
  Execute_Permission_Supported: bit(1, 'RO'),
  Privileged_Mode_Supported: bit(2, 'RO'),
  Translated_Requests_with_PASID_Supported: bit(3, 'RO'),
  /** In bits. */
  Max_PASID_Width: bits(12, 8, 'RO'),
});

/** PCIe Base 6.0, 7.8.9.3. */
export const PASID_CONTROL = register('PASID Control', 0x06, 16, {
  PASID_Enable: bit(0, 'RW'),
  Execute_Permission_Enable: bit(1, 'RW'),
  Privileged_Mode_Enable: bit(2, 'RW'),
  Translated_Requests_with_PASID_Enable: bit(3, 'RW'),
});

export const PASID = structure('Process Address Space ID', 'PCIe Base 6.0, 7.8.9', 0x08, [
  EXTENDED_CAPABILITY_HEADER,
  PASID_CAPABILITY,
  PASID_CONTROL,
]);

/**
 * Config space of a type 0 function from its model's description: an endpoint, a physical function, a virtual one.
 * PCIe Base 6.0, 7.5.1.2 and, for virtual functions, 9.3.4 and 9.3.5.
 */
import {
  COMMAND,
  HEADER_LAYOUT,
  SUBSYSTEM_ID,
  SUBSYSTEM_VENDOR_ID,
  TYPE0_BARS,
  TYPE0_HEADER,
  TYPE0_ROM,
  VENDOR_ID_NONE,
} from '../../spec/pci/index.ts';
import { DEVICE_PORT_TYPE } from '../../spec/pcie/index.ts';
import type { ExpressDescription, FunctionDescription } from '../model.ts';
import { addAcs } from './capabilities/acs.ts';
import { addErrorReporting } from './capabilities/errors.ts';
import { addExpress } from './capabilities/express.ts';
import { addAri, addSerialNumber, addVendorData, addVirtualChannel } from './capabilities/identity.ts';
import { addMsi, addMsix } from './capabilities/interrupts.ts';
import { addPowerManagement } from './capabilities/power.ts';
import { addResizableBars } from './capabilities/resizable.ts';
import { addSriov } from './capabilities/sriov.ts';
import { addAts, addPageRequests, addPasid } from './capabilities/translation.ts';
import type { ConfigDraft } from './config-draft.ts';
import type { ConfigSpace } from './config-space.ts';
import { draftWithHeader } from './header-draft.ts';

/** What the description of the model leaves to the one who builds the machine. */
export interface FunctionPlacement {
  readonly isMultiFunction?: boolean;
  /** On a root bus: no link. */
  readonly isRootComplexIntegrated?: boolean;
  /** Offers ARI; functions with virtual functions always do. */
  readonly hasAri?: boolean;
  /** Offers PASID of this width. */
  readonly pasidWidthBits?: number;
  readonly hasVirtualChannel?: boolean;
  /** Content of a vendor-specific capability. */
  readonly vendorData?: Uint8Array;
}

const PAGE_REQUEST_CAPACITY = 64;

/** @returns a config space in its state after power on: no bus number, no addresses, nothing enabled */
export function functionConfig(d: FunctionDescription, placement: FunctionPlacement = {}): ConfigSpace {
  const draft = draftWithHeader(TYPE0_HEADER, HEADER_LAYOUT.ENDPOINT, TYPE0_ROM, {
    ...d,
    isMultiFunction: placement.isMultiFunction ?? false,
    hasIo: d.bars.some((bar) => bar.kind === 'io'),
    isExpress: d.express !== null,
  });
  draft
    .set(SUBSYSTEM_VENDOR_ID, d.subsystemVendorId)
    .set(SUBSYSTEM_ID, d.subsystemDeviceId)
    .bars(d.bars, TYPE0_BARS[0]!.offset, TYPE0_BARS);
  addPowerManagement(draft, 0);
  addInterrupts(draft, d);
  if (placement.vendorData !== undefined) {
    addVendorData(draft, placement.vendorData);
  }
  if (d.express !== null) {
    addEndpointExpress(draft, d.express, placement.isRootComplexIntegrated === true, false);
    if (d.express.hasAer) {
      addErrorReporting(draft, 'endpoint');
    }
    if (d.serialNumber !== null) {
      addSerialNumber(draft, d.serialNumber);
    }
    if (placement.hasVirtualChannel === true) {
      addVirtualChannel(draft);
    }
    if (placement.hasAri === true || d.sriov !== null) {
      addAri(draft);
    }
    addIsolation(draft, d.express, false);
    if (d.express.hasPri) {
      addPageRequests(draft, PAGE_REQUEST_CAPACITY);
    }
    if (placement.pasidWidthBits !== undefined) {
      addPasid(draft, placement.pasidWidthBits);
    }
    if (d.sriov !== null) {
      addSriov(draft, d.sriov);
    }
    addResizableBars(draft, d.bars);
  }
  return draft.finish();
}

/**
 * Config space of a virtual function. What its physical function owns reads as zero (Memory Space Enable, payload size,
 * link control) and the IDs read ffff; software takes those from the physical function. Its BARs are the VF BARs.
 */
export function virtualFunctionConfig(d: FunctionDescription): ConfigSpace {
  const draft = draftWithHeader(TYPE0_HEADER, HEADER_LAYOUT.ENDPOINT, TYPE0_ROM, {
    vendorId: VENDOR_ID_NONE,
    deviceId: 0xffff,
    revision: d.revision,
    classCode: d.classCode,
    interruptPin: 0,
    isMultiFunction: false,
    hasIo: false,
    isExpress: true,
  });
  draft
    .set(SUBSYSTEM_VENDOR_ID, d.subsystemVendorId)
    .set(SUBSYSTEM_ID, d.subsystemDeviceId)
    .bars([], TYPE0_BARS[0]!.offset, TYPE0_BARS)
    .hardwire(0, COMMAND.Memory_Space_Enable, COMMAND.Parity_Error_Response, COMMAND.SERR_Enable);
  addPowerManagement(draft, 0);
  addInterrupts(draft, d);
  if (d.express !== null) {
    addEndpointExpress(draft, d.express, false, true);
    if (d.express.hasAer) {
      addErrorReporting(draft, 'endpoint');
    }
    addAri(draft);
    addIsolation(draft, d.express, true);
  }
  return draft.finish();
}

function addInterrupts(draft: ConfigDraft, d: FunctionDescription): void {
  if (d.msiVectorCount > 0) {
    addMsi(draft, d.msiVectorCount);
  }
  if (d.msix !== null) {
    addMsix(draft, d.msix);
  }
}

function addEndpointExpress(
  draft: ConfigDraft,
  express: ExpressDescription,
  isIntegrated: boolean,
  isVirtual: boolean,
): void {
  addExpress(draft, {
    portType: isIntegrated ? DEVICE_PORT_TYPE.RC_INTEGRATED_ENDPOINT : DEVICE_PORT_TYPE.ENDPOINT,
    maxPayloadBytes: express.maxPayloadBytes,
    canExtendTags: express.canExtendTags,
    // Every virtual function can be reset on its own. 9.3.5.3.
    canResetFunction: express.canResetFunction || isVirtual,
    linkSpeedGTs: express.linkSpeedGTs,
    linkWidth: express.linkWidth,
    portNumber: 0,
    slot: null,
    canForwardAri: false,
    isVirtual,
  });
}

function addIsolation(draft: ConfigDraft, express: ExpressDescription, isVirtual: boolean): void {
  if (express.acs !== null) {
    addAcs(draft, { capability: express.acs });
  }
  if (express.hasAts) {
    addAts(draft, isVirtual);
  }
}

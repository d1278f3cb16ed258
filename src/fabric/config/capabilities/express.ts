/**
 * The PCI Express capability: device, link, slot and root registers with the values of a plausible component.
 * PCIe Base 6.0, 7.5.3.
 */
import { assert } from '../../../base/index.ts';
import { CAPABILITY_ID } from '../../../spec/pci/index.ts';
import {
  DEVICE_CAPABILITIES,
  DEVICE_CAPABILITIES_2,
  DEVICE_CONTROL,
  DEVICE_CONTROL_2,
  DEVICE_PORT_TYPE,
  DEVICE_STATUS,
  DEVICE_STATUS_2,
  LINK_CAPABILITIES,
  LINK_CAPABILITIES_2,
  LINK_CONTROL,
  LINK_CONTROL_2,
  LINK_SPEED_GTS,
  LINK_STATUS,
  LINK_STATUS_2,
  PCI_EXPRESS_CAPABILITIES,
  PCI_EXPRESS_CAPABILITY,
  ROOT_CAPABILITIES,
  ROOT_CONTROL,
  ROOT_STATUS,
  SLOT_CAPABILITIES,
  SLOT_CONTROL,
  SLOT_STATUS,
  TRANSFER_SIZE_BYTES,
} from '../../../spec/pcie/index.ts';
import type { ConfigChange } from '../config-change.ts';
import type { ConfigDraft } from '../config-draft.ts';

/** A slot below a root port or a switch downstream port. */
export interface SlotDescription {
  /** 13 bits. */
  readonly physicalNumber: number;
  readonly isHotPlugCapable: boolean;
  /** The device may be pulled without notice. */
  readonly isSurpriseCapable: boolean;
  /** Missing: false. */
  readonly hasPowerController?: boolean;
  readonly hasAttentionButton?: boolean;
  readonly hasIndicators?: boolean;
}

export interface ExpressFacts {
  /** A value of DEVICE_PORT_TYPE. */
  readonly portType: number;
  /** 128 to 4096. */
  readonly maxPayloadBytes: number;
  readonly canExtendTags: boolean;
  readonly canResetFunction: boolean;
  readonly linkSpeedGTs: number;
  readonly linkWidth: number;
  /** Of a port; 0 for an endpoint. */
  readonly portNumber: number;
  readonly slot: SlotDescription | null;
  readonly canForwardAri: boolean;
  /** A virtual function: most of its control bits belong to the physical one. 9.3.5. */
  readonly isVirtual: boolean;
}

const CHANGES: ReadonlyMap<object, ConfigChange> = new Map<object, ConfigChange>([
  ...[DEVICE_CONTROL, DEVICE_STATUS, DEVICE_CONTROL_2, DEVICE_STATUS_2].map(
    (register) => [register, 'device-control'] as const,
  ),
  ...[LINK_CONTROL, LINK_STATUS, LINK_CONTROL_2, LINK_STATUS_2].map(
    (register) => [register, 'link-control'] as const,
  ),
  ...[SLOT_CONTROL, SLOT_STATUS].map((register) => [register, 'slot'] as const),
]);

/** The encoding of a transfer rate. */
export function linkSpeedCode(speedGTs: number): number {
  const code = LINK_SPEED_GTS.indexOf(speedGTs);
  assert(code > 0, 'no such link speed', { speedGTs });
  return code;
}

/** The encoding of a payload or read request size. */
export function transferSizeCode(sizeBytes: number): number {
  const code = TRANSFER_SIZE_BYTES.indexOf(sizeBytes);
  assert(code >= 0, 'no such transfer size', { sizeBytes });
  return code;
}

export function hasLink(portType: number): boolean {
  return (
    portType !== DEVICE_PORT_TYPE.RC_INTEGRATED_ENDPOINT && portType !== DEVICE_PORT_TYPE.RC_EVENT_COLLECTOR
  );
}

/** Whether a port leads down: a root port or a switch downstream port. */
export function isDownstreamPort(portType: number): boolean {
  return portType === DEVICE_PORT_TYPE.ROOT_PORT || portType === DEVICE_PORT_TYPE.SWITCH_DOWNSTREAM;
}

export function addExpress(draft: ConfigDraft, facts: ExpressFacts): number {
  const base = draft.capability(
    'express',
    CAPABILITY_ID.PCI_EXPRESS,
    PCI_EXPRESS_CAPABILITY,
    (register) => CHANGES.get(register) ?? 'other',
  );
  draft
    .set(PCI_EXPRESS_CAPABILITIES.Capability_Version, 2, base)
    .set(PCI_EXPRESS_CAPABILITIES.Device_Port_Type, facts.portType, base)
    .set(PCI_EXPRESS_CAPABILITIES.Slot_Implemented, facts.slot === null ? 0 : 1, base);
  addDevice(draft, base, facts);
  addLink(draft, base, facts);
  addSlot(draft, base, facts.slot);
  if (facts.portType === DEVICE_PORT_TYPE.ROOT_PORT) {
    draft.set(ROOT_CAPABILITIES.Configuration_RRS_Software_Visibility, 1, base);
    draft.hardwire(base, ROOT_CONTROL.No_NFM_Subtree_Below_This_Root_Port);
  } else {
    draft.hardwire(base, ...ROOT_CONTROL.fields, ...ROOT_STATUS.fields);
  }
  return base;
}

function addDevice(draft: ConfigDraft, base: number, facts: ExpressFacts): void {
  const isBridgeToPci = facts.portType === DEVICE_PORT_TYPE.PCIE_TO_PCI_BRIDGE;
  draft
    .set(DEVICE_CAPABILITIES.Max_Payload_Size_Supported, transferSizeCode(facts.maxPayloadBytes), base)
    .set(DEVICE_CAPABILITIES.Extended_Tag_Field_Supported, facts.canExtendTags ? 1 : 0, base)
    .set(DEVICE_CAPABILITIES.Role_Based_Error_Reporting, 1, base)
    .set(DEVICE_CAPABILITIES.Function_Level_Reset_Capability, facts.canResetFunction ? 1 : 0, base)
    .set(DEVICE_CAPABILITIES_2.Completion_Timeout_Ranges_Supported, 0xf, base)
    .set(DEVICE_CAPABILITIES_2.Completion_Timeout_Disable_Supported, 1, base)
    .set(DEVICE_CAPABILITIES_2.Extended_Fmt_Field_Supported, 1, base)
    .set(DEVICE_CAPABILITIES_2.ARI_Forwarding_Supported, facts.canForwardAri ? 1 : 0, base)
    .hardwire(
      base,
      DEVICE_CONTROL.Phantom_Functions_Enable,
      DEVICE_CONTROL.Aux_Power_PM_Enable,
      DEVICE_STATUS.Emergency_Power_Reduction_Detected,
      DEVICE_CONTROL_2.AtomicOp_Requester_Enable,
      DEVICE_CONTROL_2.AtomicOp_Egress_Blocking,
      DEVICE_CONTROL_2.LTR_Mechanism_Enable,
      DEVICE_CONTROL_2.Emergency_Power_Reduction_Request,
      DEVICE_CONTROL_2._10_Bit_Tag_Requester_Enable,
      DEVICE_CONTROL_2.OBFF_Enable,
      DEVICE_CONTROL_2.End_End_TLP_Prefix_Blocking,
    )
    .keep(base, DEVICE_CONTROL.Max_Payload_Size);
  if (!isBridgeToPci) {
    // Reads as zero; a written one only starts the reset.
    draft.hardwire(base, DEVICE_CONTROL.Initiate_Function_Level_Reset);
  }
  if (facts.canResetFunction) {
    draft.rule(base + DEVICE_CONTROL.offset, (_space, _before, written) =>
      DEVICE_CONTROL.Initiate_Function_Level_Reset.of(written) === 1 ? 'function-reset' : undefined,
    );
  }
  if (!facts.canExtendTags) {
    draft.hardwire(base, DEVICE_CONTROL.Extended_Tag_Field_Enable);
  }
  if (!facts.canForwardAri) {
    draft.hardwire(base, DEVICE_CONTROL_2.ARI_Forwarding_Enable);
  }
  if (facts.isVirtual) {
    draft.hardwire(base, ...DEVICE_CONTROL.fields, ...DEVICE_CONTROL_2.fields);
  } else {
    draft
      .set(DEVICE_CONTROL.Enable_Relaxed_Ordering, 1, base)
      .set(DEVICE_CONTROL.Enable_No_Snoop, 1, base)
      .set(DEVICE_CONTROL.Max_Read_Request_Size, transferSizeCode(512), base);
  }
}

function addLink(draft: ConfigDraft, base: number, facts: ExpressFacts): void {
  if (!hasLink(facts.portType)) {
    draft.hardwire(base, ...LINK_CONTROL.fields, ...LINK_STATUS.fields);
    draft.hardwire(base, ...LINK_CONTROL_2.fields, ...LINK_STATUS_2.fields);
    return;
  }
  const code = linkSpeedCode(facts.linkSpeedGTs);
  const isDownstream = isDownstreamPort(facts.portType);
  draft
    .set(LINK_CAPABILITIES.Max_Link_Speed, code, base)
    .set(LINK_CAPABILITIES.Maximum_Link_Width, facts.linkWidth, base)
    .set(LINK_CAPABILITIES.ASPM_Optionality_Compliance, 1, base)
    .set(LINK_CAPABILITIES.Surprise_Down_Error_Reporting_Capable, isDownstream ? 1 : 0, base)
    .set(LINK_CAPABILITIES.Data_Link_Layer_Link_Active_Reporting_Capable, isDownstream ? 1 : 0, base)
    .set(LINK_CAPABILITIES.Link_Bandwidth_Notification_Capability, isDownstream ? 1 : 0, base)
    .set(LINK_CAPABILITIES.Port_Number, facts.portNumber, base)
    .set(LINK_CAPABILITIES_2.Supported_Link_Speeds_Vector, 2 ** code - 1, base)
    .set(LINK_STATUS.Slot_Clock_Configuration, 1, base)
    .set(LINK_CONTROL_2.Target_Link_Speed, code, base)
    .hardwire(
      base,
      LINK_CONTROL.PTM_Propagation_Delay_Adaptation_Interpretation_B,
      LINK_CONTROL.Retrain_Link,
      LINK_CONTROL.Enable_Clock_Power_Management,
      LINK_CONTROL.SRIS_Clocking,
      LINK_CONTROL.Flit_Mode_Disable,
      LINK_CONTROL.DRS_Signaling_Control,
      LINK_STATUS_2.DRS_Message_Received,
    )
    .keep(
      base,
      LINK_CONTROL.ASPM_Control,
      LINK_CONTROL.Read_Completion_Boundary,
      LINK_CONTROL.Common_Clock_Configuration,
      LINK_CONTROL.Extended_Synch,
      LINK_CONTROL.Hardware_Autonomous_Width_Disable,
    );
  if (isDownstream) {
    draft.hardwire(base, LINK_CONTROL.Read_Completion_Boundary);
    draft.rule(base + LINK_CONTROL.offset, (_space, _before, written) =>
      LINK_CONTROL.Retrain_Link.of(written) === 1 ? 'link-control' : undefined,
    );
  } else {
    draft.hardwire(
      base,
      LINK_CONTROL.Link_Disable,
      LINK_CONTROL.Link_Bandwidth_Management_Interrupt_Enable,
      LINK_CONTROL.Link_Autonomous_Bandwidth_Interrupt_Enable,
      LINK_STATUS.Link_Bandwidth_Management_Status,
      LINK_STATUS.Link_Autonomous_Bandwidth_Status,
    );
  }
  if (facts.isVirtual) {
    draft.hardwire(base, ...LINK_CONTROL.fields, ...LINK_CONTROL_2.fields, ...LINK_STATUS_2.fields);
    draft.set(LINK_CONTROL_2.Target_Link_Speed, 0, base);
  }
}

function addSlot(draft: ConfigDraft, base: number, slot: SlotDescription | null): void {
  draft.hardwire(base, ...SLOT_CONTROL.fields, ...SLOT_STATUS.fields);
  if (slot === null) {
    return;
  }
  draft
    .set(SLOT_CAPABILITIES.Physical_Slot_Number, slot.physicalNumber, base)
    .set(SLOT_CAPABILITIES.Hot_Plug_Capable, slot.isHotPlugCapable ? 1 : 0, base)
    .set(SLOT_CAPABILITIES.Hot_Plug_Surprise, slot.isSurpriseCapable ? 1 : 0, base)
    .set(SLOT_CAPABILITIES.Attention_Button_Present, slot.hasAttentionButton === true ? 1 : 0, base)
    .set(SLOT_CAPABILITIES.Attention_Indicator_Present, slot.hasIndicators === true ? 1 : 0, base)
    .set(SLOT_CAPABILITIES.Power_Indicator_Present, slot.hasIndicators === true ? 1 : 0, base)
    .set(SLOT_CAPABILITIES.Power_Controller_Present, slot.hasPowerController === true ? 1 : 0, base)
    // Commands take effect at once, so there is nothing to announce.
    .set(SLOT_CAPABILITIES.No_Command_Completed_Support, 1, base)
    .set(SLOT_CAPABILITIES.Slot_Power_Limit_Value, 75, base)
    .open(base, ...SLOT_PARTS.open);
  if (slot.hasAttentionButton === true) {
    draft.open(base, ...SLOT_PARTS.button);
  }
  if (slot.hasIndicators === true) {
    // Indicators are off at reset; a value of zero is reserved.
    draft.open(base, ...SLOT_PARTS.indicators);
    draft.set(SLOT_CONTROL.Attention_Indicator_Control, 3, base);
    draft.set(SLOT_CONTROL.Power_Indicator_Control, 3, base);
  }
  if (slot.hasPowerController === true) {
    draft.open(base, ...SLOT_PARTS.power);
  }
}

/** Bits by what has to be there for them. */
const SLOT_PARTS = {
  open: [
    SLOT_CONTROL.Presence_Detect_Changed_Enable,
    SLOT_CONTROL.Hot_Plug_Interrupt_Enable,
    SLOT_CONTROL.Data_Link_Layer_State_Changed_Enable,
    SLOT_STATUS.Presence_Detect_Changed,
    SLOT_STATUS.Data_Link_Layer_State_Changed,
  ],
  button: [SLOT_CONTROL.Attention_Button_Pressed_Enable, SLOT_STATUS.Attention_Button_Pressed],
  indicators: [SLOT_CONTROL.Attention_Indicator_Control, SLOT_CONTROL.Power_Indicator_Control],
  power: [
    SLOT_CONTROL.Power_Controller_Control,
    SLOT_CONTROL.Power_Fault_Detected_Enable,
    SLOT_STATUS.Power_Fault_Detected,
  ],
} as const;

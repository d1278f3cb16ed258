/**
 * What hardware shows of a link and of a slot: negotiated speed and width, card present. PCIe Base 6.0, 7.5.3.8 and
 * 7.5.3.11.
 */
import {
  DEVICE_PORT_TYPE,
  LINK_SPEED_GTS,
  LINK_STATUS,
  LINK_STATUS_2,
  PCI_EXPRESS_CAPABILITIES,
  SLOT_STATUS,
} from '../../../spec/pcie/index.ts';
import type { ConfigSpace } from '../config-space.ts';
import { hasLink, isDownstreamPort, linkSpeedCode } from './express.ts';

/** A trained link; null is a link that is down. */
export interface LinkState {
  readonly speedGTs: number;
  readonly width: number;
}

/** What the function's registers show of its link; null where there is none or it is down. */
export function linkNow(space: ConfigSpace): LinkState | null {
  const base = space.offsets.express;
  if (base === 0) {
    return null;
  }
  const speedGTs = LINK_SPEED_GTS[LINK_STATUS.Current_Link_Speed.read(space.view, base)];
  const width = LINK_STATUS.Negotiated_Link_Width.read(space.view, base);
  return speedGTs === undefined || speedGTs === 0 || width === 0 ? null : { speedGTs, width };
}

/**
 * Shows the state of the function's link: both partners are told the same. A slot latches the change in
 * Data Link Layer State Changed.
 */
export function setLink(space: ConfigSpace, link: LinkState | null): void {
  const base = space.offsets.express;
  if (base === 0) {
    return;
  }
  const portType = PCI_EXPRESS_CAPABILITIES.Device_Port_Type.read(space.view, base);
  if (!hasLink(portType)) {
    return;
  }
  const code = link === null ? 0 : linkSpeedCode(link.speedGTs);
  space.setState(LINK_STATUS.Current_Link_Speed, code, base);
  space.setState(LINK_STATUS.Negotiated_Link_Width, link?.width ?? 0, base);
  const isEqualized = code >= 3 ? 1 : 0;
  space.setState(LINK_STATUS_2.Equalization_8_0_GTs_Complete, isEqualized, base);
  space.setState(LINK_STATUS_2.Equalization_8_0_GTs_Phase_1_Successful, isEqualized, base);
  space.setState(LINK_STATUS_2.Equalization_8_0_GTs_Phase_2_Successful, isEqualized, base);
  space.setState(LINK_STATUS_2.Equalization_8_0_GTs_Phase_3_Successful, isEqualized, base);
  if (!isDownstreamPort(portType)) {
    return;
  }
  const isActive = link === null ? 0 : 1;
  if (LINK_STATUS.Data_Link_Layer_Link_Active.read(space.view, base) !== isActive) {
    space.setState(LINK_STATUS.Data_Link_Layer_Link_Active, isActive, base);
    if (hasSlot(space)) {
      space.set(SLOT_STATUS.Data_Link_Layer_State_Changed, 1, base);
    }
  }
}

/** Shows whether a card is in the slot, and latches the change. No effect without a slot. */
export function setPresence(space: ConfigSpace, isPresent: boolean): void {
  const base = space.offsets.express;
  if (base === 0 || !hasSlot(space)) {
    return;
  }
  const state = isPresent ? 1 : 0;
  if (SLOT_STATUS.Presence_Detect_State.read(space.view, base) !== state) {
    space.setState(SLOT_STATUS.Presence_Detect_State, state, base);
    space.set(SLOT_STATUS.Presence_Detect_Changed, 1, base);
  }
}

function hasSlot(space: ConfigSpace): boolean {
  const base = space.offsets.express;
  const portType = PCI_EXPRESS_CAPABILITIES.Device_Port_Type.read(space.view, base);
  return (
    portType !== DEVICE_PORT_TYPE.SWITCH_UPSTREAM &&
    PCI_EXPRESS_CAPABILITIES.Slot_Implemented.read(space.view, base) === 1
  );
}

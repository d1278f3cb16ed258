/**
 * Status codes of fabrics commands, packed as `sct << 8 | sc` like NVME_STATUS.
 *
 * They share their numbers with codes of the NVM command set: what a code means follows from the command. Follows NVM Express
 * Base 2.1, section 4.2.3.2 (command specific status values of fabrics commands).
 */
export const FABRICS_STATUS = {
  CONNECT_INCOMPATIBLE_FORMAT: 0x180,
  CONNECT_CONTROLLER_BUSY: 0x181,
  CONNECT_INVALID_PARAMETERS: 0x182,
  CONNECT_RESTART_DISCOVERY: 0x183,
  CONNECT_INVALID_HOST: 0x184,
  DISCONNECT_INVALID_QUEUE_TYPE: 0x185,
  DISCOVERY_RESTART: 0x190,
  AUTHENTICATION_REQUIRED: 0x191,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(FABRICS_STATUS).map(([key, packed]) => [
    packed,
    key
      .split('_')
      .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
      .join(' '),
  ]),
);

/** For people, such as "Connect Invalid Host"; null for a code that is none of fabrics. */
export function fabricsStatusName(packed: number): string | null {
  return NAMES.get(packed) ?? null;
}

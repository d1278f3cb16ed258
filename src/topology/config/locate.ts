/** Where a capability is, for those who ask for one and nothing else. */
import { type ConfigView, configView } from './config-view.ts';
import {
  type Capability,
  findCapability,
  findExtendedCapability,
  type WalkOptions,
  walkCapabilities,
} from './walk.ts';

export interface Located {
  readonly view: ConfigView;
  readonly capability: Capability;
}

/** Null: the function has no such capability. Undefined: the bytes end too early to tell. */
export function locateCapability(
  bytes: Uint8Array,
  id: number,
  options?: WalkOptions,
): Located | null | undefined {
  return located(bytes, findCapability(walkCapabilities(bytes, options), id));
}

/** As `locateCapability`, in extended config space. */
export function locateExtendedCapability(
  bytes: Uint8Array,
  id: number,
  options?: WalkOptions,
): Located | null | undefined {
  return located(bytes, findExtendedCapability(walkCapabilities(bytes, options), id));
}

function located(bytes: Uint8Array, capability: Capability | null | undefined): Located | null | undefined {
  return capability === null || capability === undefined
    ? capability
    : { view: configView(bytes), capability };
}

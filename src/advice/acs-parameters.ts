/**
 * Values of `pci=disable_acs_redir=` and `pci=config_acs=` as the kernel reads them (Linux drivers/pci/pci.c,
 * pci_dev_str_match, __pci_config_acs; Documentation/admin-guide/kernel-parameters.txt).
 */
import { type Bdf, bdfParts } from '../base/index.ts';
import { parseConfigAcs } from '../p2pdma/index.ts';
import type { MachineFunction, MachineIndex } from '../topology/index.ts';
import { physicalOf } from './path-links.ts';

/** `[domain:]bus:dev.fn[/dev.fn…]`: a function, or the way down from one. */
export interface PathSpec {
  readonly kind: 'path';
  readonly domain: number;
  readonly bus: number;
  /** Device and function on that bus, then on the bus below it, and so on; the last one is meant. */
  readonly steps: readonly { readonly device: number; readonly function: number }[];
}

/** `pci:vendor:device[:subvendor:subdevice]`; 0 stands for any. */
export interface IdSpec {
  readonly kind: 'id';
  readonly vendor: number;
  readonly device: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
}

export type DeviceSpec = PathSpec | IdSpec;

/** SV TB RR CR UF EC DT; the flags of config_acs are read from the right in this order. */
const FLAG_COUNT = 7;

export interface AcsElement {
  /** The device as written. */
  readonly device: string;
  readonly spec: DeviceSpec | undefined;
  /** Of config_acs: bits that are named, and their values; null for disable_acs_redir. */
  readonly flags: { readonly mask: number; readonly value: number } | null;
  /** What is wrong with the element, in a few words; null when nothing is. */
  readonly problem: string | null;
}

const HEX = (text: string): number => Number.parseInt(text, 16);

/** Undefined: the kernel cannot read it either. */
export function parseDeviceSpec(text: string): DeviceSpec | undefined {
  const byId = /^pci:([0-9a-f]{1,4}):([0-9a-f]{1,4})(?::([0-9a-f]{1,4}):([0-9a-f]{1,4}))?$/i.exec(text);
  if (byId !== null) {
    return {
      kind: 'id',
      vendor: HEX(byId[1]!),
      device: HEX(byId[2]!),
      subsystemVendor: HEX(byId[3] ?? '0'),
      subsystemDevice: HEX(byId[4] ?? '0'),
    };
  }
  const byPath =
    /^(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])((?:\/[0-9a-f]{1,2}\.[0-7])*)$/i.exec(
      text,
    );
  if (byPath === null) {
    return undefined;
  }
  const below = byPath[5]!.split('/').slice(1);
  const steps = [`${byPath[3]}.${byPath[4]}`, ...below].map((step) => {
    const [device, fn] = step.split('.');
    return { device: HEX(device!), function: HEX(fn!) };
  });
  if (steps.some((step) => step.device > 0x1f)) {
    return undefined;
  }
  return { kind: 'path', domain: HEX(byPath[1] ?? '0'), bus: HEX(byPath[2]!), steps };
}

/** A semicolon after the last element does no harm; one before another is an element that cannot be read. */
export function elementsOf(value: string): string[] {
  return value.replace(/;$/, '').split(';');
}

/** Elements of `disable_acs_redir=`, cut at semicolons. */
export function parseRedirectList(value: string): AcsElement[] {
  return elementsOf(value).map((device) => {
    const spec = parseDeviceSpec(device);
    return { device, spec, flags: null, problem: spec === undefined ? 'not a device' : null };
  });
}

/** Elements of `config_acs=`: `flags@device`. */
export function parseConfigList(value: string): AcsElement[] {
  return elementsOf(value).map((element) => {
    const at = element.indexOf('@');
    if (at < 0) {
      return {
        device: element,
        spec: parseDeviceSpec(element),
        flags: null,
        problem: 'no flags before an @',
      };
    }
    const device = element.slice(at + 1);
    const spec = parseDeviceSpec(device);
    const flags = parseConfigAcs(element);
    if ('error' in flags) {
      return { device, spec, flags: null, problem: `${flags.error} (0, 1 and x, seven of them)` };
    }
    const problem = spec === undefined ? 'not a device' : null;
    return { device, spec, flags: { mask: flags.mask, value: flags.ones }, problem };
  });
}

/** Seven characters for `config_acs=`: named bits as 0 or 1, the others as x. */
export function formatFlags(mask: number, value: number): string {
  let text = '';
  for (let i = FLAG_COUNT - 1; i >= 0; i--) {
    text += (mask & (1 << i)) === 0 ? 'x' : (value & (1 << i)) === 0 ? '0' : '1';
  }
  return text;
}

/** The functions of a machine that a device text means. */
export function matchSpec(index: MachineIndex, spec: DeviceSpec): MachineFunction[] {
  return index.machine.functions.filter((fn) =>
    spec.kind === 'id' ? matchesId(spec, fn) : matchesPath(index, spec, fn),
  );
}

function matchesId(spec: IdSpec, fn: MachineFunction): boolean {
  const isEqual = (asked: number, has: number | null | undefined): boolean => asked === 0 || asked === has;
  return (
    isEqual(spec.vendor, fn.vendorId) &&
    isEqual(spec.device, fn.deviceId) &&
    isEqual(spec.subsystemVendor, fn.subsystemVendorId) &&
    isEqual(spec.subsystemDevice, fn.subsystemDeviceId)
  );
}

/** From the end of the text upwards: every step is the function, then its bridge, and so on. */
function matchesPath(index: MachineIndex, spec: PathSpec, fn: MachineFunction): boolean {
  let current: MachineFunction | undefined = fn;
  for (let i = spec.steps.length - 1; i >= 0; i--) {
    if (current === undefined) {
      return false;
    }
    const parts = bdfParts(current.bdf);
    const step = spec.steps[i]!;
    if (parts.device !== step.device || parts.function !== step.function) {
      return false;
    }
    if (i === 0) {
      return parts.domain === spec.domain && parts.bus === spec.bus;
    }
    current = current.parent == null ? undefined : index.find(current.parent);
  }
  return false;
}

/**
 * The way down to a function from its root port, `0000:00:01.0/00.0/02.0`: unlike an address it stays right when bus
 * numbers change. Undefined where the tree above is not known.
 */
export function pathText(index: MachineIndex, bdf: Bdf): string | undefined {
  const steps: string[] = [];
  let current = index.find(bdf);
  for (let depth = 0; depth < 64 && current !== undefined; depth++) {
    if (current.parent === null) {
      return [current.bdf, ...steps].join('/');
    }
    steps.unshift(current.bdf.slice(-4));
    const owner: MachineFunction = physicalOf(index, current);
    if (owner.parent == null || owner.bdf !== current.bdf) {
      return undefined;
    }
    current = index.find(owner.parent);
  }
  return undefined;
}

/** Fields of ports, switches, bridges and the VMD, and how they become nodes and text again. Children are for `tree.ts`. */
import * as z from 'zod';
import { acs, printAcs } from './acs-field.ts';
import { at, flagText, hexText, maxPayload, printId, printLink, trained } from './endpoint-fields.ts';
import { block, count, flag, hex, id, link, printSize, size } from './field.ts';
import type { LabDownstreamPort, LabPciBridge, LabRootPort, LabSwitch, LabVmd } from './lab-device.ts';
import type { LabId } from './lab-file.ts';
import type { LabAcs, LabLink } from './lab-function.ts';
import { fillPortTiming, portTiming, printPortTiming } from './timing-fields.ts';
import type { LabBlock } from './values.ts';

export type LabBridgeKind = 'root-port' | 'switch' | 'port' | 'pci-bridge' | 'vmd';

const below = (description: string) => z.unknown().optional().meta({ description });

const portCommon = (idText: string, linkText: string, acsText: string, timingText: string) => ({
  at: at(),
  id: id()
    .optional()
    .meta({ description: `Vendor and device id. Default: ${idText}.` }),
  link: link()
    .optional()
    .meta({
      description: `Fastest and widest that this end of the link below can. Default: ${linkText}.`,
    }),
  acs: acs()
    .optional()
    .meta({
      description:
        'Access Control Services: `none` (no capability), `off`, `on` (SV RR CR UF), the letters that are set, a value, ' +
        `\`auto\` (as Linux sets it at boot), or a block. Default: ${acsText}.`,
    }),
  'max-payload': maxPayload(),
  'port-number': count(0, 255).optional().meta({
    description: 'Port number, which the egress vector counts by. Default: the next one, from 1.',
  }),
  slot: count(0, 8191).optional().meta({
    description: 'Physical slot number. Default: no slot; of a hot-plug port: the port number.',
  }),
  'hot-plug': flag().prefault('no').meta({ description: 'Devices may come and go.' }),
  timing: portTiming(`Where the lab is run in time. Default: ${timingText}.`),
  below: below(
    'What is plugged in: one device of one or more functions, a switch or a bridge. Missing: empty.',
  ),
});

export const bridgeFields = {
  'root-port': portCommon('by CPU vendor', 'gen4 x16', 'auto', 'as `time` says'),
  switch: {
    at: at(),
    id: id().prefault('10b5:8747').meta({ description: 'Vendor and device id of all its ports.' }),
    link: link().prefault('gen4 x16').meta({ description: 'Its upstream link.' }),
    trained: trained(),
    'port-link': link().prefault('gen4 x16').meta({ description: '`link` of its downstream ports.' }),
    acs: acs().prefault('auto').meta({ description: '`acs` of its downstream ports; see `port`.' }),
    'upstream-acs': acs()
      .prefault('none')
      .meta({ description: '`acs` of its upstream port; none has it unless it is multi-function.' }),
    'max-payload': maxPayload(),
    timing: portTiming(
      'Where the lab is run in time: of the switch and its upstream port; of downstream ports that do not say, too, but not its credits.',
    ),
    below: below('Downstream ports. A device, switch or bridge here gets a port of its own.'),
  },
  port: portCommon(
    'that of its switch',
    'that of its switch',
    'that of its switch',
    'that of its switch, but its credits',
  ),
  'pci-bridge': {
    at: at(),
    id: id().prefault('10b5:8114').meta({ description: 'Vendor and device id.' }),
    link: link().prefault('gen1 x4').meta({ description: 'Its link.' }),
    trained: trained(),
    'max-payload': maxPayload(),
    below: below('Conventional PCI devices.'),
  },
  vmd: {
    at: at(),
    id: id().prefault('8086:201d').meta({ description: 'Vendor and device id.' }),
    domain: hex(0xffffffff, 'domain').optional().meta({
      description: 'Domain of what is below, hexadecimal. Default: 10000, then the next.',
    }),
    'window-32': size(2 ** 20, 2 ** 31)
      .prefault('32M')
      .meta({ description: 'Room for 32-bit BARs below it (MEMBAR1).' }),
    'window-64': size(2 ** 20, 2 ** 44)
      .prefault('64G')
      .meta({ description: 'Room for 64-bit BARs below it (MEMBAR2).' }),
    below: below('Root ports. A device, switch or bridge here gets a root port of its own.'),
  },
};

export const bridgeAbout: Readonly<Record<LabBridgeKind, string>> = {
  'root-port': 'A root port of a host bridge or VMD.',
  switch: 'A PCI Express switch: one upstream port, and downstream ports below it.',
  port: 'A downstream port of a switch.',
  'pci-bridge': 'A bridge from PCI Express to conventional PCI.',
  vmd: 'An Intel Volume Management Device, whose root ports make a domain of their own. Host bridges only.',
};

export const bridgeSchemas = {
  'root-port': block(bridgeFields['root-port']),
  switch: block(bridgeFields.switch),
  port: block(bridgeFields.port),
  'pci-bridge': block(bridgeFields['pci-bridge']),
  vmd: block(bridgeFields.vmd),
};

export type PortRaw = z.output<(typeof bridgeSchemas)['port']>;
export type SwitchRaw = z.output<(typeof bridgeSchemas)['switch']>;

/** What ports take where they do not say otherwise. */
export interface PortDefaults {
  readonly id: LabId;
  readonly link: LabLink;
  readonly acs: LabAcs | null;
}

export interface BridgePlace {
  readonly name: string | null;
  readonly device: number;
  readonly function: number;
}

const GEN4_X16: LabLink = { generation: 4, width: 16 };
export const ACS_AUTO: LabAcs = {
  capability: ['SV', 'TB', 'RR', 'CR', 'UF', 'DT'],
  firmware: [],
  control: null,
  egress: [],
};

/** Root ports as servers of this vendor have them: Skylake-SP, Zen 2 and 3, QEMU's. */
export function rootPortDefaults(cpuVendor: string): PortDefaults {
  const idOf = (vendorId: number, deviceId: number) => ({ vendorId, deviceId });
  const ids: Readonly<Record<string, LabId>> = { intel: idOf(0x8086, 0x2030), amd: idOf(0x1022, 0x1483) };
  return { id: ids[cpuVendor] ?? idOf(0x1b36, 0x000c), link: GEN4_X16, acs: ACS_AUTO };
}

export function switchPortDefaults(raw: SwitchRaw): PortDefaults {
  return { id: raw.id, link: raw['port-link'], acs: raw.acs };
}

/** A port without its children. `port` is the number given or the next one. */
export function fillPort<Kind extends 'root-port' | 'port'>(
  kind: Kind,
  raw: PortRaw,
  place: BridgePlace,
  defaults: PortDefaults,
  port: number,
) {
  return {
    kind,
    ...placeOf(place),
    id: raw.id ?? defaults.id,
    acs: raw.acs === undefined ? defaults.acs : raw.acs,
    maxPayloadBytes: raw['max-payload'],
    link: raw.link ?? defaults.link,
    port,
    slot: raw.slot ?? (raw['hot-plug'] ? port : null),
    isHotPlug: raw['hot-plug'],
    timing: fillPortTiming(raw.timing),
  };
}

export function fillSwitch(raw: SwitchRaw, place: BridgePlace) {
  return {
    kind: 'switch' as const,
    ...placeOf(place),
    id: raw.id,
    acs: raw['upstream-acs'],
    maxPayloadBytes: raw['max-payload'],
    link: raw.link,
    trained: raw.trained ?? null,
    timing: fillPortTiming(raw.timing),
  };
}

export function fillPciBridge(raw: z.output<(typeof bridgeSchemas)['pci-bridge']>, place: BridgePlace) {
  return {
    kind: 'pci-bridge' as const,
    ...placeOf(place),
    id: raw.id,
    acs: null,
    maxPayloadBytes: raw['max-payload'],
    link: raw.link,
    trained: raw.trained ?? null,
  };
}

export function fillVmd(
  raw: z.output<(typeof bridgeSchemas)['vmd']>,
  place: BridgePlace & { readonly name: string },
  nextDomain: number,
) {
  return {
    kind: 'vmd' as const,
    ...placeOf(place),
    name: place.name,
    id: raw.id,
    acs: null,
    maxPayloadBytes: 512,
    domain: raw.domain ?? nextDomain,
    window32Bytes: raw['window-32'],
    window64Bytes: raw['window-64'],
  };
}

function placeOf(place: BridgePlace): BridgePlace {
  return { name: place.name, device: place.device, function: place.function };
}

/** Every field but address, name and children. */
export function printBridge(
  node: LabRootPort | LabDownstreamPort | LabSwitch | LabPciBridge | LabVmd,
): LabBlock {
  switch (node.kind) {
    case 'root-port':
    case 'port':
      return {
        id: printId(node.id),
        link: printLink(node.link),
        acs: printAcs(node.acs),
        'max-payload': String(node.maxPayloadBytes),
        ...(node.slot === null ? {} : { slot: String(node.slot) }),
        'hot-plug': flagText(node.isHotPlug),
        ...printPortTiming(node.timing),
      };
    case 'switch':
      return {
        id: printId(node.id),
        link: printLink(node.link),
        ...(node.trained === null ? {} : { trained: printLink(node.trained) }),
        'upstream-acs': printAcs(node.acs),
        'max-payload': String(node.maxPayloadBytes),
        ...printPortTiming(node.timing),
      };
    case 'pci-bridge':
      return {
        id: printId(node.id),
        link: printLink(node.link),
        ...(node.trained === null ? {} : { trained: printLink(node.trained) }),
        'max-payload': String(node.maxPayloadBytes),
      };
    case 'vmd':
      return {
        id: printId(node.id),
        domain: hexText(node.domain, 5),
        'window-32': printSize(node.window32Bytes),
        'window-64': printSize(node.window64Bytes),
      };
  }
}

/** `nic`, `gpu`, `generic`: devices that have config space and BARs so far. */
import { type EndpointDefaults, endpointFields, fillEndpoint, printEndpoint } from '../endpoint-fields.ts';
import { endpointKind } from '../kind.ts';
import type { LabPlainDevice } from '../lab-device.ts';
import type { LabLink } from '../lab-function.ts';

function plainKind(
  kind: LabPlainDevice['kind'],
  about: string,
  prefix: string,
  defaults: EndpointDefaults,
  link: LabLink,
) {
  return endpointKind<ReturnType<typeof endpointFields>, LabPlainDevice>({
    kind,
    about,
    prefix,
    fields: endpointFields(defaults),
    fill: (raw, place) => ({ kind, ...fillEndpoint(raw, place, link, raw.vectors ?? 1) }),
    print: printEndpoint,
  });
}

export const nicKind = plainKind(
  'nic',
  'A network adapter.',
  'nic',
  {
    id: '15b3:1019',
    classCode: '020000',
    link: 'gen4 x16',
    vectors: 64,
    bars: { 0: '32M' },
    barsText: 'Registers and doorbells.',
  },
  { generation: 4, width: 16 },
);

export const gpuKind = plainKind(
  'gpu',
  'A graphics or compute card.',
  'gpu',
  {
    id: '10de:20b0',
    classCode: '030200',
    link: 'gen4 x16',
    vectors: 6,
    bars: { 0: '16M 32-bit', 1: '64G', 3: '32M' },
    barsText: 'BAR 1 is its memory.',
  },
  { generation: 4, width: 16 },
);

export const genericKind = plainKind(
  'generic',
  'Any other device: ids, class and BARs as you say.',
  'dev',
  {
    id: '1b36:0005',
    classCode: 'ff0000',
    link: 'gen3 x4',
    vectors: 1,
    bars: { 0: '1M' },
    barsText: 'As you need them.',
  },
  { generation: 3, width: 4 },
);

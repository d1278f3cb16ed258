/** `dma-engine`: copies between addresses that it is given. */
import { endpointFields, fillEndpoint, printEndpoint, withBar } from '../endpoint-fields.ts';
import { count } from '../field.ts';
import { endpointKind } from '../kind.ts';
import type { LabDmaEngine } from '../lab-device.ts';
import type { LabBar } from '../lab-function.ts';

function dmaEngineFields() {
  return {
    channels: count(1, 16).prefault('4').meta({ description: 'Channels that work at the same time.' }),
    ...endpointFields({
      id: '10ee:903f',
      classCode: '120000',
      link: 'gen3 x16',
      vectors: undefined,
      vectorsText: 'one a channel',
      bars: {},
      barsText: 'BAR 0 (64 KiB of registers, 64-bit) is there always.',
    }),
  };
}

const REGISTERS: LabBar = {
  index: 0,
  kind: 'memory',
  is64Bit: true,
  isPrefetchable: false,
  sizeBytes: 65536,
  resizableBytes: null,
};

export const dmaEngineKind = endpointKind<ReturnType<typeof dmaEngineFields>, LabDmaEngine>({
  kind: 'dma-engine',
  about: 'A DMA engine: the simplest client, which reads from and writes to whatever address it is given.',
  prefix: 'dma',
  fields: dmaEngineFields(),
  fill: (raw, place) => ({
    kind: 'dma-engine',
    ...fillEndpoint(
      { ...raw, bars: withBar(raw.bars, REGISTERS) },
      place,
      { generation: 3, width: 16 },
      raw.vectors ?? raw.channels,
    ),
    channels: raw.channels,
  }),
  print: (node) => ({ channels: String(node.channels), ...printEndpoint(node) }),
});

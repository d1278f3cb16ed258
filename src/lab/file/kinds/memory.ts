/** `memory`: a device of BARs. */
import { endpointFields, fillEndpoint, printEndpoint } from '../endpoint-fields.ts';
import { choice } from '../field.ts';
import { endpointKind } from '../kind.ts';
import type { LabMemoryDevice } from '../lab-device.ts';

function memoryFields() {
  return {
    publish: choice(['0', '1', '2', '3', '4', '5', 'none']).optional().meta({
      description: 'BAR that its driver publishes as peer memory, or `none`. Default: the first memory BAR.',
    }),
    ...endpointFields({
      id: '1de5:1000',
      classCode: '058000',
      link: 'gen3 x8',
      vectors: 1,
      bars: { 0: '64M' },
      barsText: 'They are its memory.',
    }),
  };
}

export const memoryKind = endpointKind<ReturnType<typeof memoryFields>, LabMemoryDevice>({
  kind: 'memory',
  about: 'Plain memory in BARs: the simplest provider.',
  prefix: 'mem',
  fields: memoryFields(),
  fill: (raw, place, report) => {
    const memoryBars = raw.bars.filter((bar) => bar.kind === 'memory');
    const published = raw.publish === undefined ? (memoryBars[0]?.index ?? null) : Number(raw.publish);
    if (
      raw.publish !== undefined &&
      raw.publish !== 'none' &&
      !memoryBars.some((bar) => bar.index === published)
    ) {
      report('LAB_REFERENCE', ['publish'], `publish: it has no memory BAR ${raw.publish}`);
    }
    return {
      kind: 'memory',
      ...fillEndpoint(raw, place, { generation: 3, width: 8 }, raw.vectors ?? 1),
      publishedBar: raw.publish === 'none' ? null : published,
    };
  },
  print: (node) => ({
    publish: node.publishedBar === null ? 'none' : String(node.publishedBar),
    ...printEndpoint(node),
  }),
});

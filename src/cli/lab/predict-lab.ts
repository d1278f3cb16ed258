/** Timing of the functions of a lab file, for predictions. Loaded with labs only. */
import type { MediaRates } from '../../advice/index.ts';
import { type LabEndpoint, type LabMember, mediaTiming } from '../../lab/index.ts';

export { endpointTiming, labPlatform } from '../../lab/index.ts';

type LabNode = LabMember['node'];
/** What `kind: nvme` says of a node. */
type LabDrive = Parameters<typeof mediaTiming>[0];

/** Bridges have no DMA engine of their own. */
export function isLabEndpoint(node: LabNode): node is LabNode & LabEndpoint {
  return (
    !['root-port', 'switch', 'port', 'pci-bridge', 'vmd'].includes(node.kind) &&
    'timing' in node &&
    'link' in node
  );
}

/** Null for what is no drive. */
export function mediaRates(node: LabNode): MediaRates | null {
  if (node.kind !== 'nvme') {
    return null;
  }
  const { readGBs, writeGBs } = mediaTiming(node as unknown as LabDrive);
  return {
    name: 'media of the lab file',
    readGBs: readGBs ?? Number.POSITIVE_INFINITY,
    writeGBs: writeGBs ?? Number.POSITIVE_INFINITY,
  };
}

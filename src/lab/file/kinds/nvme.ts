/** `nvme`: a drive. */
import { endpointKind } from '../kind.ts';
import type { LabNvme } from '../lab-device.ts';
import { controllerFields, fillController, printController } from './controller-fields.ts';

export const nvmeKind = endpointKind<ReturnType<typeof controllerFields>, LabNvme>({
  kind: 'nvme',
  about: 'An NVMe drive.',
  prefix: 'nvme',
  fields: controllerFields({ id: '144d:a824', classCode: '010802', link: 'gen4 x4' }),
  fill: (raw, place, report) => ({
    kind: 'nvme',
    ...fillController(raw, place, { generation: 4, width: 4 }, 'Peerlane NVMe', report),
  }),
  print: printController,
});

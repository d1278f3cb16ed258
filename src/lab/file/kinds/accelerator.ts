/** `accelerator`: an NVMe controller whose compute namespace works on data in its own memory. */
import { choice, listOf } from '../field.ts';
import { endpointKind } from '../kind.ts';
import { COMPUTE_FUNCTIONS, type LabAccelerator } from '../lab-device.ts';
import { controllerFields, fillController, printController } from './controller-fields.ts';

function acceleratorFields() {
  const fields = controllerFields({ id: '1de5:2000', classCode: '010802', link: 'gen3 x8' });
  return {
    ...fields,
    cmb: fields.cmb
      .unwrap()
      .prefault({ size: '512M' })
      .meta({ description: 'Controller Memory Buffer, where input and output lie: its size, or a block.' }),
    compute: listOf(choice(COMPUTE_FUNCTIONS), COMPUTE_FUNCTIONS.length)
      .prefault([...COMPUTE_FUNCTIONS])
      .meta({ description: 'What its compute namespace can do.' }),
  };
}

export const acceleratorKind = endpointKind<ReturnType<typeof acceleratorFields>, LabAccelerator>({
  kind: 'accelerator',
  about:
    'An NVMe controller with a compute namespace that takes its input from and leaves its output in its own memory buffer.',
  prefix: 'accel',
  fields: acceleratorFields(),
  fill: (raw, place, report) => ({
    kind: 'accelerator',
    ...fillController(raw, place, { generation: 3, width: 8 }, 'Peerlane Accelerator', report),
    compute: COMPUTE_FUNCTIONS.filter((each) => raw.compute.includes(each)),
  }),
  print: (node) => ({ compute: node.compute, ...printController(node) }),
});

/** Virtual functions: they come with VF Enable and go with it. PCIe Base 6.0, 9.2.1 and 9.3.3.3. */
import { virtualFunctionConfig, virtualFunctions } from '../config/index.ts';
import { insert } from './build.ts';
import { FabricFunction } from './fabric-function.ts';
import { FabricFunctionPort } from './function-port.ts';
import { removeFunction } from './hot-plug.ts';

/** Software wrote to the SR-IOV capability of a physical function. */
export function sriovChanged(physical: FabricFunction): void {
  const state = virtualFunctions(physical.config);
  const sriov = physical.model?.description.sriov ?? null;
  if (state === null || sriov === null) {
    return;
  }
  if (!state.isEnabled) {
    removeVirtualFunctions(physical);
  } else if (physical.virtuals.length === 0) {
    for (let index = 0; index < state.count; index++) {
      const model = sriov.createVf(index);
      const number = physical.number + state.firstOffset + index * state.stride;
      const config = virtualFunctionConfig(model.description);
      const fn = new FabricFunction(physical.fabric, physical.device, number, 'virtual', config, model, {
        physical,
        index,
      });
      physical.virtuals.push(fn);
      insert(physical.device, fn);
      physical.fabric.adopt(fn);
      model.attach(new FabricFunctionPort(fn));
    }
  }
}

export function removeVirtualFunctions(physical: FabricFunction): void {
  for (const fn of physical.virtuals.splice(0)) {
    physical.device.functions.delete(fn.number);
    removeFunction(fn);
  }
}

/** Identify: the lists and which structure is asked for. NVM Express Base 2.1, 5.1.13; what Linux initiators ask is all here. */
import {
  CNS,
  COMMAND_SET,
  COMMAND_SET_VECTORS,
  IDENTIFY_BYTES,
  IDENTIFY_CDW10,
  IDENTIFY_CDW11,
  NAMESPACE_ID_BYTES,
  NAMESPACE_ID_TYPE,
  NAMESPACE_LIST,
  NVME_STATUS,
} from '../../../spec/nvme/index.ts';
import type { Controller } from '../controller.ts';
import type { TargetNamespace } from '../namespace.ts';
import { type Outcome, refuse } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';
import { NSID_MAX } from '../subsystem.ts';
import { identifyController, identifyControllerNvm } from './identify-controller.ts';
import {
  identifyNamespace,
  identifyNamespaceIndependent,
  identifyNamespaceNvm,
} from './identify-namespace.ts';

export function identify(queue: TargetQueue, controller: Controller, request: TargetRequest): Outcome {
  const data = build(queue, controller, request);
  return typeof data === 'number' ? data : queue.reply(request, data, IDENTIFY_BYTES);
}

function build(queue: TargetQueue, controller: Controller, request: TargetRequest): Uint8Array | Outcome {
  const cns = IDENTIFY_CDW10.CNS.read(request.sqeView);
  const csi = IDENTIFY_CDW11.CSI.read(request.sqeView);
  if (controller.isDiscovery && cns !== CNS.CONTROLLER) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  switch (cns) {
    case CNS.CONTROLLER:
      return identifyController(queue, controller);
    case CNS.NAMESPACE:
      return ofNamespace(controller, request, (namespace) => identifyNamespace(namespace));
    case CNS.INDEPENDENT_NAMESPACE:
      return ofNamespace(controller, request, (namespace) => identifyNamespaceIndependent(namespace));
    case CNS.ACTIVE_NAMESPACE_LIST:
      return namespaceList(controller, request.nsid);
    case CNS.NAMESPACE_DESCRIPTORS:
      return descriptors(controller, request.nsid);
    case CNS.COMMAND_SET_NAMESPACE:
      return csi === COMMAND_SET.NVM
        ? ofNamespace(controller, request, () => identifyNamespaceNvm())
        : refuse(NVME_STATUS.INVALID_FIELD);
    case CNS.COMMAND_SET_CONTROLLER:
      return csi === COMMAND_SET.NVM ? identifyControllerNvm() : refuse(NVME_STATUS.INVALID_FIELD);
    case CNS.COMMAND_SET_ACTIVE_NAMESPACE_LIST:
      return csi === COMMAND_SET.NVM
        ? namespaceList(controller, request.nsid)
        : refuse(NVME_STATUS.INVALID_FIELD);
    case CNS.COMMAND_SETS: {
      const data = new Uint8Array(IDENTIFY_BYTES);
      // One combination: the NVM command set alone.
      data[COMMAND_SET_VECTORS.at(0)] = 1 << COMMAND_SET.NVM;
      return data;
    }
    default:
      return refuse(NVME_STATUS.INVALID_FIELD);
  }
}

/** An inactive namespace is all zeroes, one that cannot be is an error. */
function ofNamespace(
  controller: Controller,
  request: TargetRequest,
  fill: (namespace: TargetNamespace) => Uint8Array,
): Uint8Array | Outcome {
  if (request.nsid === 0 || request.nsid > NSID_MAX) {
    return refuse(NVME_STATUS.INVALID_NAMESPACE);
  }
  const namespace = controller.namespace(request.nsid);
  return namespace === undefined ? new Uint8Array(IDENTIFY_BYTES) : fill(namespace);
}

/** Ascending, above `nsid`. */
function namespaceList(controller: Controller, nsid: number): Uint8Array | Outcome {
  if (nsid >= 0xffff_fffe) {
    return refuse(NVME_STATUS.INVALID_NAMESPACE);
  }
  const data = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(data.buffer);
  let index = 0;
  for (const namespace of controller.subsystem.namespaces.values()) {
    if (namespace.nsid > nsid && index < NAMESPACE_LIST.count) {
      view.setUint32(NAMESPACE_LIST.at(index), namespace.nsid, true);
      index++;
    }
  }
  return data;
}

function descriptors(controller: Controller, nsid: number): Uint8Array | Outcome {
  const namespace = controller.namespace(nsid);
  if (namespace === undefined) {
    return refuse(NVME_STATUS.INVALID_NAMESPACE);
  }
  const data = new Uint8Array(IDENTIFY_BYTES);
  let at = 0;
  const add = (type: number, bytes: Uint8Array): void => {
    data[at] = type;
    data[at + 1] = NAMESPACE_ID_BYTES[type]!;
    data.set(bytes, at + 4);
    at += 4 + bytes.length;
  };
  add(NAMESPACE_ID_TYPE.UUID, namespace.uuid);
  if (namespace.nguid !== null) {
    add(NAMESPACE_ID_TYPE.NGUID, namespace.nguid);
  }
  add(NAMESPACE_ID_TYPE.CSI, Uint8Array.of(COMMAND_SET.NVM));
  return data;
}

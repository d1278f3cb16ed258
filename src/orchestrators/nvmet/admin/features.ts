/** Get and Set Features. What is not here the kernel's target does not have either. NVM Express Base 2.1, 5.1.11 and 5.1.25. */
import {
  ASYNC_EVENT_CONFIG,
  FEATURE,
  GET_FEATURES_CDW10,
  HBS_ACRE,
  HBS_CDFE,
  HOST_BEHAVIOR_SUPPORT,
  HOST_IDENTIFIER_FEATURE,
  NSID_BROADCAST,
  NUMBER_OF_QUEUES_FEATURE,
  NVME_STATUS,
  RESERVATION_MASK_FEATURE,
  RESERVATION_PERSISTENCE_FEATURE,
  SET_FEATURES_CDW10,
  VOLATILE_WRITE_CACHE_FEATURE,
  WRITE_PROTECTION_FEATURE,
  WRITE_PROTECTION_STATE,
} from '../../../spec/nvme/index.ts';
import type { Controller } from '../controller.ts';
import type { TargetNamespace } from '../namespace.ts';
import { type Outcome, refuse, SUCCESS } from '../outcome.ts';
import type { TargetQueue } from '../queue.ts';
import type { TargetRequest } from '../request.ts';

const OF_DISCOVERY: readonly number[] = [FEATURE.KEEP_ALIVE_TIMER, FEATURE.ASYNC_EVENT_CONFIGURATION];
const NO_FEATURE = refuse(NVME_STATUS.INVALID_FIELD);
/** Dword 11 that asks for 65,536 queues of a kind. */
const QUEUES_NONE = 0xffff;

const EVENTS_OF_IO = eventMask(false);
const EVENTS_OF_DISCOVERY = eventMask(true);

/** Bytes of data that Set Features brings. */
export function featureDataBytes(feature: number): number {
  return feature === FEATURE.HOST_BEHAVIOR_SUPPORT ? HOST_BEHAVIOR_SUPPORT.sizeBytes : 0;
}

export function getFeatures(queue: TargetQueue, controller: Controller, request: TargetRequest): Outcome {
  const feature = GET_FEATURES_CDW10.FID.read(request.sqeView);
  if (controller.isDiscovery && !OF_DISCOVERY.includes(feature)) {
    return NO_FEATURE;
  }
  if (feature === FEATURE.HOST_BEHAVIOR_SUPPORT) {
    return queue.reply(request, controller.settings.behavior.slice(), HOST_BEHAVIOR_SUPPORT.sizeBytes);
  }
  if (feature === FEATURE.HOST_IDENTIFIER) {
    return HOST_IDENTIFIER_FEATURE.EXHID.read(request.sqeView) === 1
      ? queue.reply(request, controller.hostIdBytes.slice(), controller.hostIdBytes.length)
      : NO_FEATURE;
  }
  if (request.sglLengthBytes > 0) {
    return refuse(NVME_STATUS.DATA_SGL_LENGTH_INVALID);
  }
  switch (feature) {
    case FEATURE.KEEP_ALIVE_TIMER:
      request.setResult(controller.settings.katoMs);
      return SUCCESS;
    case FEATURE.ASYNC_EVENT_CONFIGURATION:
      request.setResult(controller.events.configuration);
      return SUCCESS;
    case FEATURE.NUMBER_OF_QUEUES:
      request.setResult(queueCounts(controller));
      return SUCCESS;
    case FEATURE.VOLATILE_WRITE_CACHE:
      request.setResult(1);
      return SUCCESS;
    case FEATURE.NAMESPACE_WRITE_PROTECTION:
      return withNamespace(controller, request, (namespace) => {
        request.setResult(namespace.writeProtection);
        return SUCCESS;
      });
    case FEATURE.RESERVATION_NOTIFICATION_MASK:
      return withReservations(controller, request, (namespace) => {
        request.setResult(controller.settings.reservationMasks.get(namespace.nsid) ?? 0);
        return SUCCESS;
      });
    case FEATURE.RESERVATION_PERSISTENCE:
      return withReservations(controller, request, (namespace) => {
        request.setResult(namespace.reservations?.isPersistent === true ? 1 : 0);
        return SUCCESS;
      });
    default:
      return NO_FEATURE;
  }
}

/** With its data in `request.span`, where `featureDataBytes` says that there are any. */
export function setFeatures(controller: Controller, request: TargetRequest): Outcome {
  const { sqeView } = request;
  const feature = SET_FEATURES_CDW10.FID.read(sqeView);
  if (controller.isDiscovery && !OF_DISCOVERY.includes(feature)) {
    return NO_FEATURE;
  }
  if (SET_FEATURES_CDW10.SV.read(sqeView) === 1) {
    return refuse(NVME_STATUS.FEATURE_NOT_SAVEABLE);
  }
  switch (feature) {
    case FEATURE.KEEP_ALIVE_TIMER:
      controller.setKeepAlive(request.dword(11));
      request.setResult(controller.settings.katoMs);
      return SUCCESS;
    case FEATURE.ASYNC_EVENT_CONFIGURATION:
      return setEvents(controller, request);
    case FEATURE.NUMBER_OF_QUEUES: {
      const isNone =
        NUMBER_OF_QUEUES_FEATURE.NSQR.read(sqeView) === QUEUES_NONE ||
        NUMBER_OF_QUEUES_FEATURE.NCQR.read(sqeView) === QUEUES_NONE;
      request.setResult(queueCounts(controller));
      return isNone ? refuse(NVME_STATUS.INVALID_FIELD) : SUCCESS;
    }
    case FEATURE.VOLATILE_WRITE_CACHE:
      // Whether there is a cache, and of what kind, is the backend's: it cannot be switched off from here.
      return VOLATILE_WRITE_CACHE_FEATURE.WCE.read(sqeView) === 1
        ? SUCCESS
        : refuse(NVME_STATUS.FEATURE_NOT_CHANGEABLE);
    case FEATURE.HOST_IDENTIFIER:
      // Connect has set it for good.
      return refuse(NVME_STATUS.COMMAND_SEQUENCE_ERROR);
    case FEATURE.HOST_BEHAVIOR_SUPPORT:
      return setBehavior(controller, request);
    case FEATURE.NAMESPACE_WRITE_PROTECTION:
      return withNamespace(controller, request, (namespace) => protect(controller, namespace, request));
    case FEATURE.RESERVATION_NOTIFICATION_MASK:
      return setMask(controller, request);
    case FEATURE.RESERVATION_PERSISTENCE:
      return withReservations(controller, request, (namespace) =>
        namespace.reservations?.setPersistent(RESERVATION_PERSISTENCE_FEATURE.PTPL.read(sqeView) === 1) ===
        true
          ? SUCCESS
          : refuse(NVME_STATUS.FEATURE_NOT_CHANGEABLE),
      );
    default:
      return NO_FEATURE;
  }
}

/** 0's based, of both kinds. */
function queueCounts(controller: Controller): number {
  const last = controller.subsystem.ioQueuesMax - 1;
  return last + last * 0x1_0000;
}

function setEvents(controller: Controller, request: TargetRequest): Outcome {
  const wanted = request.dword(11);
  const known = controller.isDiscovery ? EVENTS_OF_DISCOVERY : EVENTS_OF_IO;
  if ((wanted & ~known) !== 0) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  controller.events.configuration = wanted;
  return SUCCESS;
}

function setBehavior(controller: Controller, request: TargetRequest): Outcome {
  const data = new Uint8Array(HOST_BEHAVIOR_SUPPORT.sizeBytes);
  request.span!.copyOut(request.spanOffsetBytes, data);
  const view = new DataView(data.buffer);
  // Only what is acted on is kept: retry hints and Copy across namespaces with 16-bit guards.
  const kept = new DataView(new ArrayBuffer(data.length));
  HBS_ACRE.ACRE.write(kept, HBS_ACRE.ACRE.read(view));
  HBS_CDFE.CDF2E.write(kept, HBS_CDFE.CDF2E.read(view));
  controller.settings.behavior = new Uint8Array(kept.buffer);
  return SUCCESS;
}

function protect(controller: Controller, namespace: TargetNamespace, request: TargetRequest): Outcome {
  const state = WRITE_PROTECTION_FEATURE.WPS.read(request.sqeView);
  if (state !== WRITE_PROTECTION_STATE.NONE && state !== WRITE_PROTECTION_STATE.PROTECT) {
    return refuse(NVME_STATUS.FEATURE_NOT_CHANGEABLE);
  }
  if (namespace.writeProtection !== state) {
    namespace.writeProtection = state;
    controller.subsystem.noteNamespaceChange(namespace.nsid);
  }
  return SUCCESS;
}

function setMask(controller: Controller, request: TargetRequest): Outcome {
  const mask = request.dword(11);
  const { reservationMasks } = controller.settings;
  const known = RESERVATION_MASK_FEATURE.fields.reduce((bits, field) => bits | (1 << field.low), 0);
  if ((mask & ~known) !== 0) {
    return refuse(NVME_STATUS.INVALID_FIELD);
  }
  if (request.nsid === NSID_BROADCAST) {
    for (const { nsid, reservations } of controller.subsystem.namespaces.values()) {
      if (reservations !== null) {
        reservationMasks.set(nsid, mask);
      }
    }
    return SUCCESS;
  }
  return withReservations(controller, request, ({ nsid }) => {
    reservationMasks.set(nsid, mask);
    return SUCCESS;
  });
}

function withNamespace(
  controller: Controller,
  request: TargetRequest,
  act: (namespace: TargetNamespace) => Outcome,
): Outcome {
  const namespace = controller.namespace(request.nsid);
  return namespace === undefined ? refuse(NVME_STATUS.INVALID_NAMESPACE) : act(namespace);
}

function withReservations(
  controller: Controller,
  request: TargetRequest,
  act: (namespace: TargetNamespace) => Outcome,
): Outcome {
  return withNamespace(controller, request, (namespace) =>
    namespace.reservations === null ? NO_FEATURE : act(namespace),
  );
}

/** Events that a controller can report; those of health never come, but hosts may ask for them. */
function eventMask(isDiscovery: boolean): number {
  const view = new DataView(new ArrayBuffer(ASYNC_EVENT_CONFIG.offset + 4));
  if (isDiscovery) {
    ASYNC_EVENT_CONFIG.DLPCN.write(view, 1);
  } else {
    ASYNC_EVENT_CONFIG.SHCW.write(view, 0xff);
    ASYNC_EVENT_CONFIG.NAN.write(view, 1);
    ASYNC_EVENT_CONFIG.ANACN.write(view, 1);
  }
  return ASYNC_EVENT_CONFIG.value(view);
}

/** A subsystem at run time: who may use it, its namespaces, its controllers. */
import { ASYNC_EVENT, RESERVATION_NOTIFICATION } from '../../spec/nvme/index.ts';
import { CNTLID_MAX, CNTLID_STATIC_ANY } from '../../spec/nvmeof/index.ts';
import type { SubsystemConfig } from './config/model.ts';
import type { Controller } from './controller.ts';
import type { TargetNamespace } from './namespace.ts';
import type { ReservationNotice } from './reservations.ts';

/** What a controller shows of itself, from the configuration or the target's own. */
export interface SubsystemIdentity {
  readonly serial: string;
  readonly model: string;
  readonly firmware: string;
  /** As the property VS. */
  readonly version: number;
}

export const NSID_MAX = 1024;
export const QUEUES_DEFAULT = 128;

export class Subsystem {
  readonly nqn: string;
  readonly isDiscovery: boolean;
  readonly identity: SubsystemIdentity;
  /** Enabled ones, ascending by NSID. */
  readonly namespaces = new Map<number, TargetNamespace>();
  readonly controllers = new Map<number, Controller>();
  config: SubsystemConfig;
  #nextId: number;

  constructor(config: SubsystemConfig, identity: SubsystemIdentity, isDiscovery: boolean) {
    this.nqn = config.nqn;
    this.config = config;
    this.identity = identity;
    this.isDiscovery = isDiscovery;
    this.#nextId = this.controllerIdMin;
  }

  get controllerIdMin(): number {
    return this.config.cntlidMin ?? 1;
  }

  get controllerIdMax(): number {
    return Math.min(this.config.cntlidMax ?? CNTLID_MAX, CNTLID_MAX);
  }

  get isStatic(): boolean {
    return this.config.controllerModel === 'static';
  }

  /** I/O queues that one controller may have. */
  get ioQueuesMax(): number {
    return this.config.qidMax ?? QUEUES_DEFAULT;
  }

  allows(hostNqn: string): boolean {
    return this.isDiscovery || this.config.allowAnyHost || this.config.allowedHosts.includes(hostNqn);
  }

  /** The next free identifier, going round so that one just freed is not used again at once; null: none is free. */
  freeControllerId(): number | null {
    const min = this.controllerIdMin;
    const count = this.controllerIdMax - min + 1;
    if (this.controllers.size >= count) {
      return null;
    }
    for (let tried = 0; tried < count; tried++) {
      const id = min + ((this.#nextId - min + tried) % count);
      if (!this.controllers.has(id)) {
        this.#nextId = id + 1;
        return id;
      }
    }
    return null;
  }

  /** Static model: whether a host may ask for this one. */
  hasControllerId(id: number): boolean {
    return id === CNTLID_STATIC_ANY || (id >= this.controllerIdMin && id <= this.controllerIdMax);
  }

  addNamespace(namespace: TargetNamespace): void {
    const all = [...this.namespaces.values(), namespace].sort((a, b) => a.nsid - b.nsid);
    this.namespaces.clear();
    for (const one of all) {
      this.namespaces.set(one.nsid, one);
    }
  }

  /** All controllers are told that a namespace came, went, or is another. */
  noteNamespaceChange(nsid: number): void {
    for (const controller of this.controllers.values()) {
      controller.changedNamespaces.add(nsid);
      controller.events.report(ASYNC_EVENT.NAMESPACE_ATTRIBUTE_CHANGED);
    }
  }

  /** Hosts are told what became of a reservation, unless they masked it. */
  noteReservation(nsid: number, notices: readonly ReservationNotice[]): void {
    for (const { hostId, kind } of notices) {
      for (const controller of this.controllers.values()) {
        const mask = controller.settings.reservationMasks.get(nsid) ?? 0;
        if (
          controller.hostId === hostId &&
          kind !== RESERVATION_NOTIFICATION.EMPTY &&
          !((mask >>> kind) & 1)
        ) {
          controller.reservationLog.add(nsid, kind);
          controller.events.report(ASYNC_EVENT.RESERVATION_LOG_AVAILABLE);
        }
      }
    }
  }
}

/** Configurations with nothing said: what the kernel has when a directory has just been made. */
import type { HostConfig, NamespaceConfig, PortConfig, SubsystemConfig } from './model.ts';

export function newHost(nqn: string): HostConfig {
  return {
    nqn,
    dhchapKey: null,
    dhchapCtrlKey: null,
    dhchapHash: null,
    dhchapDhgroup: null,
    unknown: {},
  };
}

export function newSubsystem(nqn: string): SubsystemConfig {
  return {
    nqn,
    allowAnyHost: false,
    allowedHosts: [],
    serial: null,
    version: null,
    model: null,
    firmware: null,
    cntlidMin: null,
    cntlidMax: null,
    qidMax: null,
    isProtectionEnabled: false,
    controllerModel: null,
    namespaces: [],
    unknown: {},
  };
}

export function newNamespace(nsid: number, path: string): NamespaceConfig {
  return {
    nsid,
    isEnabled: true,
    anaGroupId: 1,
    device: { path, uuid: null, nguid: null },
    isBuffered: null,
    p2pmem: null,
    hasReservations: false,
    unknown: {},
  };
}

/** A port for NVMe/TCP. */
export function newPort(portId: number, transportAddress: string, serviceId: string): PortConfig {
  return {
    portId,
    address: {
      addressFamily: transportAddress.includes(':') ? 'ipv6' : 'ipv4',
      transportAddress,
      serviceId,
      transportType: 'tcp',
      secureChannel: 'not specified',
      specific: null,
    },
    anaGroups: [{ groupId: 1, state: 'optimized', unknown: {} }],
    inlineDataSize: -1,
    isProtectionEnabled: false,
    maxQueueSize: null,
    mdts: null,
    referrals: [],
    subsystems: [],
    unknown: {},
  };
}

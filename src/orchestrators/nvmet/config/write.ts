/** Writes a configuration as `nvmetcli saveconfig` does: attributes as text, numbers where it has numbers, unknown keys as they came. */
import type {
  AddressConfig,
  HostConfig,
  NamespaceConfig,
  PortConfig,
  ReferralConfig,
  SubsystemConfig,
  TargetConfig,
  UnknownKeys,
} from './model.ts';

type Json = Record<string, unknown>;

/** A value for JSON.stringify. `readConfig` makes the same configuration of it. */
export function writeConfig(config: TargetConfig): Json {
  return {
    ...config.unknown,
    hosts: config.hosts.map(writeHost),
    ports: config.ports.map(writePort),
    subsystems: config.subsystems.map(writeSubsystem),
  };
}

function writeHost(host: HostConfig): Json {
  return {
    ...host.unknown,
    ...present({
      dhchap_key: host.dhchapKey,
      dhchap_ctrl_key: host.dhchapCtrlKey,
      dhchap_hash: host.dhchapHash,
      dhchap_dhgroup: host.dhchapDhgroup,
    }),
    nqn: host.nqn,
  };
}

function writePort(port: PortConfig): Json {
  return {
    ...port.unknown,
    addr: { ...groupOf(port.unknown, 'addr'), ...writeAddress(port.address) },
    ana_groups: port.anaGroups.map((group) => ({
      ...group.unknown,
      ana: { ...groupOf(group.unknown, 'ana'), state: group.state },
      grpid: group.groupId,
    })),
    param: {
      ...groupOf(port.unknown, 'param'),
      inline_data_size: String(port.inlineDataSize),
      pi_enable: flag(port.isProtectionEnabled),
      ...present({ max_queue_size: port.maxQueueSize, mdts: port.mdts }),
    },
    portid: port.portId,
    referrals: port.referrals.map(writeReferral),
    subsystems: [...port.subsystems],
  };
}

function writeReferral(referral: ReferralConfig): Json {
  return {
    ...referral.unknown,
    addr: {
      ...groupOf(referral.unknown, 'addr'),
      ...writeAddress(referral.address),
      portid: String(referral.portId),
    },
    enable: referral.isEnabled ? 1 : 0,
    name: referral.name,
  };
}

function writeAddress(address: AddressConfig): Json {
  return {
    adrfam: address.addressFamily,
    traddr: address.transportAddress,
    treq: address.secureChannel,
    trsvcid: address.serviceId,
    trtype: address.transportType,
    ...present({ tsas: address.specific }),
  };
}

function writeSubsystem(subsystem: SubsystemConfig): Json {
  return {
    ...subsystem.unknown,
    allowed_hosts: [...subsystem.allowedHosts],
    attr: {
      ...groupOf(subsystem.unknown, 'attr'),
      allow_any_host: flag(subsystem.allowAnyHost),
      pi_enable: flag(subsystem.isProtectionEnabled),
      ...present({
        serial: subsystem.serial,
        version: subsystem.version,
        model: subsystem.model,
        firmware: subsystem.firmware,
        cntlid_min: subsystem.cntlidMin,
        cntlid_max: subsystem.cntlidMax,
        qid_max: subsystem.qidMax,
        controller_model: subsystem.controllerModel,
      }),
    },
    namespaces: subsystem.namespaces.map(writeNamespace),
    nqn: subsystem.nqn,
  };
}

function writeNamespace(namespace: NamespaceConfig): Json {
  const { device } = namespace;
  return {
    ...namespace.unknown,
    ana_grpid: namespace.anaGroupId,
    device: {
      ...groupOf(namespace.unknown, 'device'),
      path: device.path,
      ...present({ uuid: device.uuid, nguid: device.nguid }),
    },
    enable: namespace.isEnabled ? 1 : 0,
    nsid: namespace.nsid,
    resv: { ...groupOf(namespace.unknown, 'resv'), enable: flag(namespace.hasReservations) },
    ...present({ p2pmem: namespace.p2pmem }),
    ...(namespace.isBuffered === null ? {} : { buffered_io: flag(namespace.isBuffered) }),
  };
}

/** Attributes are text; those that are not set are not written. */
function present(values: Readonly<Record<string, string | number | null>>): Json {
  const kept: Json = {};
  for (const [name, value] of Object.entries(values)) {
    if (value !== null) {
      kept[name] = String(value);
    }
  }
  return kept;
}

function flag(value: boolean): string {
  return value ? '1' : '0';
}

/** Unknown keys within a group. */
function groupOf(unknown: UnknownKeys, name: string): Json {
  const group = unknown[name];
  return typeof group === 'object' && group !== null ? (group as Json) : {};
}

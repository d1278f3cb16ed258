/**
 * Reads a configuration as `nvmetcli saveconfig` writes it (the value, not the text: JSON and YAML are the caller's).
 *
 * Every problem is found, and none is guessed away: a configuration that is read is one that the target can be.
 */
import { TargetError } from '../../../base/index.ts';
import { CNTLID_MAX, DISCOVERY_NQN } from '../../../spec/nvmeof/index.ts';
import { isIdentifier, isNqn } from '../identifiers.ts';
import { ANA_GROUPS_MAX } from '../port.ts';
import { NSID_MAX } from '../subsystem.ts';
import { Fields, type Problems } from './fields.ts';
import type {
  AddressConfig,
  AnaGroupConfig,
  HostConfig,
  NamespaceConfig,
  PortConfig,
  ReferralConfig,
  SubsystemConfig,
  TargetConfig,
} from './model.ts';

/** Smallest and largest queue of a port: NVMET_MIN_QUEUE_SIZE and NVMET_MAX_QUEUE_SIZE of Linux 7.1.5. */
const QUEUE_SIZE_MIN = 16;
const QUEUE_SIZE_MAX = 1024;
const INLINE_DATA_MAX = 16 << 20;
const QUEUES_MAX = 1024;
const NO_IDENTIFIER = /^[0-]*$/;

/** @throws {TargetError} TARGET_CONFIG: all that is wrong is in `detail.problems` */
export function readConfig(value: unknown): TargetConfig {
  const problems: Problems = [];
  const root = new Fields('config', value, problems);
  const config: TargetConfig = {
    hosts: root.list('hosts').map((one, i) => readHost(new Fields(`hosts[${i}]`, one, problems))),
    ports: root.list('ports').map((one, i) => readPort(new Fields(`ports[${i}]`, one, problems))),
    subsystems: root
      .list('subsystems')
      .map((one, i) => readSubsystem(new Fields(`subsystems[${i}]`, one, problems))),
    unknown: root.unknown(),
  };
  checkNames(config, problems);
  if (problems.length > 0) {
    throw new TargetError('TARGET_CONFIG', {
      message: `the configuration cannot be used: ${problems[0]}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`,
      hint: 'the names are those of nvmetcli saveconfig; docs/nvmet.md has all of them',
      detail: { problems },
    });
  }
  return config;
}

function readHost(fields: Fields): HostConfig {
  const nqn = readNqn(fields, 'nqn');
  // nvmetcli groups attributes by what stands before the first underscore; both spellings are read.
  const group = fields.group('dhchap');
  const either = (name: string): string | null => fields.text(`dhchap_${name}`) ?? group.text(name);
  return {
    nqn,
    dhchapKey: either('key'),
    dhchapCtrlKey: either('ctrl_key'),
    dhchapHash: either('hash'),
    dhchapDhgroup: either('dhgroup'),
    unknown: fields.unknown(),
  };
}

function readPort(fields: Fields): PortConfig {
  const parameters = fields.group('param');
  const groups = fields
    .list('ana_groups')
    .map((one, i) => readAnaGroup(new Fields(`${fields.where}.ana_groups[${i}]`, one, fields.problems)));
  return {
    portId: readWhole(fields, 'portid', 0, 0xffff),
    address: readAddress(fields),
    anaGroups: groups.some((group) => group.groupId === 1)
      ? groups
      : [{ groupId: 1, state: 'optimized', unknown: {} }, ...groups],
    inlineDataSize: parameters.whole('inline_data_size', -1, INLINE_DATA_MAX) ?? -1,
    isProtectionEnabled: parameters.flag('pi_enable') ?? false,
    maxQueueSize: parameters.whole('max_queue_size', QUEUE_SIZE_MIN, QUEUE_SIZE_MAX),
    mdts: parameters.whole('mdts', 0, 8),
    referrals: fields
      .list('referrals')
      .map((one, i) => readReferral(new Fields(`${fields.where}.referrals[${i}]`, one, fields.problems))),
    subsystems: fields.texts('subsystems'),
    unknown: fields.unknown(),
  };
}

function readAddress(fields: Fields): AddressConfig {
  const address = fields.group('addr');
  const transportType = address.word('trtype', ['tcp', 'rdma', 'loop', 'fc'] as const, 'loop');
  const isLoop = transportType === 'loop';
  return {
    addressFamily: address.word(
      'adrfam',
      ['ipv4', 'ipv6', 'ib', 'fc', 'loop'] as const,
      isLoop ? 'loop' : 'ipv4',
    ),
    transportAddress: isLoop ? (address.text('traddr') ?? '') : address.required('traddr'),
    serviceId: address.text('trsvcid') ?? '',
    transportType,
    secureChannel: address.word(
      'treq',
      ['not specified', 'required', 'not required'] as const,
      'not specified',
    ),
    specific: address.text('tsas'),
  };
}

function readAnaGroup(fields: Fields): AnaGroupConfig {
  const state = fields
    .group('ana')
    .word(
      'state',
      ['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change'] as const,
      'optimized',
    );
  return { groupId: readWhole(fields, 'grpid', 1, ANA_GROUPS_MAX), state, unknown: fields.unknown() };
}

function readReferral(fields: Fields): ReferralConfig {
  return {
    name: fields.required('name'),
    portId: fields.group('addr').whole('portid', 0, 0xffff) ?? 0,
    isEnabled: fields.flag('enable') ?? true,
    address: readAddress(fields),
    unknown: fields.unknown(),
  };
}

function readSubsystem(fields: Fields): SubsystemConfig {
  const attributes = fields.group('attr');
  const version = attributes.text('version');
  if (version !== null && !/^[12]\.[0-9]{1,2}(\.[0-9]{1,2})?$/.test(version)) {
    attributes.wrong('version', `is "${version}", not a version such as 1.4 or 2.1`);
  }
  const min = attributes.whole('cntlid_min', 1, CNTLID_MAX);
  const max = attributes.whole('cntlid_max', 1, CNTLID_MAX);
  if ((min ?? 1) > (max ?? CNTLID_MAX)) {
    attributes.wrong('cntlid_min', 'is above cntlid_max');
  }
  const model = attributes.text('controller_model');
  if (model !== null && model !== 'dynamic' && model !== 'static') {
    attributes.wrong('controller_model', `is "${model}", not dynamic or static`);
  }
  return {
    nqn: readNqn(fields, 'nqn'),
    allowAnyHost: attributes.flag('allow_any_host') ?? false,
    allowedHosts: fields.texts('allowed_hosts'),
    serial: readIdentity(attributes, 'serial', 20),
    version,
    model: readIdentity(attributes, 'model', 40),
    firmware: readIdentity(attributes, 'firmware', 8),
    cntlidMin: min,
    cntlidMax: max,
    qidMax: attributes.whole('qid_max', 1, QUEUES_MAX),
    isProtectionEnabled: attributes.flag('pi_enable') ?? false,
    controllerModel: model === 'dynamic' || model === 'static' ? model : null,
    namespaces: fields
      .list('namespaces')
      .map((one, i) => readNamespace(new Fields(`${fields.where}.namespaces[${i}]`, one, fields.problems))),
    unknown: fields.unknown(),
  };
}

function readNamespace(fields: Fields): NamespaceConfig {
  const device = fields.group('device');
  const group =
    fields.whole('ana_grpid', 1, ANA_GROUPS_MAX) ?? fields.group('ana').whole('grpid', 1, ANA_GROUPS_MAX);
  return {
    nsid: readWhole(fields, 'nsid', 1, NSID_MAX),
    isEnabled: fields.flag('enable') ?? false,
    anaGroupId: group ?? 1,
    device: {
      path: device.required('path'),
      uuid: readIdentifier(device, 'uuid'),
      nguid: readIdentifier(device, 'nguid'),
    },
    isBuffered: fields.flag('buffered_io'),
    p2pmem: fields.text('p2pmem'),
    hasReservations: fields.group('resv').flag('enable') ?? false,
    unknown: fields.unknown(),
  };
}

/** A number that has to be there. */
function readWhole(fields: Fields, name: string, min: number, max: number): number {
  if (fields.text(name) === null) {
    fields.wrong(name, 'is missing');
  }
  return fields.whole(name, min, max) ?? min;
}

function readNqn(fields: Fields, name: string): string {
  const nqn = fields.required(name);
  if (nqn !== '' && !isNqn(nqn)) {
    fields.wrong(name, `is "${nqn}", not a name such as nqn.2014-08.org.nvmexpress:uuid:...`);
  }
  if (nqn === DISCOVERY_NQN) {
    fields.wrong(name, 'is the name of discovery, which is always there');
  }
  return nqn;
}

/** 16 bytes in hexadecimal digits; all zeroes say that there is none. */
function readIdentifier(fields: Fields, name: string): string | null {
  const text = fields.text(name);
  if (text === null || NO_IDENTIFIER.test(text)) {
    return null;
  }
  if (!isIdentifier(text)) {
    fields.wrong(name, `is "${text}", not 32 hexadecimal digits`);
  }
  return text;
}

function readIdentity(fields: Fields, name: string, lengthMax: number): string | null {
  const text = fields.text(name);
  if (text !== null && !(text.length <= lengthMax && /^[\x20-\x7e]*$/.test(text))) {
    fields.wrong(name, `is not ${lengthMax} printable characters at most`);
  }
  return text;
}

/** Names are used once, and what is named is there. */
function checkNames(config: TargetConfig, problems: Problems): void {
  const twice = (what: string, names: readonly (string | number)[]): void => {
    for (const name of new Set(names.filter((one, index) => names.indexOf(one) !== index))) {
      problems.push(`${what} ${name} is there twice`);
    }
  };
  const hosts = config.hosts.map((host) => host.nqn);
  const subsystems = config.subsystems.map((subsystem) => subsystem.nqn);
  twice('host', hosts);
  twice('subsystem', subsystems);
  twice(
    'port',
    config.ports.map((port) => port.portId),
  );
  for (const subsystem of config.subsystems) {
    twice(
      `namespace of ${subsystem.nqn}`,
      subsystem.namespaces.map((namespace) => namespace.nsid),
    );
    for (const host of subsystem.allowedHosts) {
      if (!hosts.includes(host)) {
        problems.push(`${subsystem.nqn} allows ${host}, which is not among the hosts`);
      }
    }
  }
  for (const port of config.ports) {
    twice(
      `ANA group of port ${port.portId}`,
      port.anaGroups.map((group) => group.groupId),
    );
    for (const nqn of port.subsystems) {
      if (!subsystems.includes(nqn)) {
        problems.push(`port ${port.portId} has ${nqn}, which is not among the subsystems`);
      }
    }
  }
}

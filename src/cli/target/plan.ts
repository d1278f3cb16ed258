/** What a configuration makes of this computer: ports that listen, namespaces and what is behind them. Opens nothing. */
import { dirname, resolve } from 'node:path';
import { PeerlaneError } from '../../base/index.ts';
import type { NamespaceConfig, PortConfig, TargetConfig } from '../../orchestrators/index.ts';
import { DhchapAuthenticator } from '../../serve/index.ts';
import { parseSize } from '../arguments.ts';
import type { TargetFile } from './config-file.ts';

export type Device =
  | { readonly kind: 'memory'; readonly sizeBytes: number }
  /** A block device or a regular file; `path` is absolute. */
  | { readonly kind: 'path'; readonly path: string };

export interface PlannedNamespace {
  readonly subsystemNqn: string;
  readonly config: NamespaceConfig;
  readonly device: Device;
}

export interface TargetPlan {
  readonly file: string;
  readonly config: TargetConfig;
  readonly ports: readonly PortConfig[];
  /** Those that are enabled. */
  readonly namespaces: readonly PlannedNamespace[];
  /** What is in the file and has no effect here, or another than people may think. */
  readonly notes: readonly string[];
}

const MEMORY = 'memory:';
const SERVICE = /^\d{1,5}$/;
const SERVICE_MAX = 65_535;

/**
 * @param hasKeys  TLS keys were given
 * @throws {TargetError} TARGET_CONFIG: what cannot be served, with its place
 */
export function planTarget(file: TargetFile, hasKeys: boolean): TargetPlan {
  const { config, path } = file;
  const problems: string[] = [];
  const notes: string[] = [];
  config.ports.forEach((port, index) => {
    checkPort(port, `ports[${index}]`, hasKeys, problems);
  });
  config.hosts.forEach((host, index) => {
    try {
      new DhchapAuthenticator([host]);
    } catch (error) {
      problems.push(`hosts[${index}] ${error instanceof PeerlaneError ? error.message : String(error)}`);
    }
  });
  if (config.ports.length === 0) {
    problems.push('config.ports has no port, so nobody could connect');
  }
  const namespaces = config.subsystems.flatMap((subsystem, s) =>
    subsystem.namespaces.flatMap((namespace, n): readonly PlannedNamespace[] => {
      const name = `namespace ${namespace.nsid} of ${subsystem.nqn}`;
      if (!namespace.isEnabled) {
        notes.push(`${name} is not enabled (enable: 1)`);
        return [];
      }
      const device = deviceOf(namespace, `subsystems[${s}].namespaces[${n}].device.path`, path, problems);
      if (namespace.p2pmem !== null && !/^(0|n|no|off)$/i.test(namespace.p2pmem)) {
        notes.push(`${name}: p2pmem is not used over TCP`);
      }
      if (namespace.isBuffered === true) {
        notes.push(`${name}: buffered_io has no effect, data go past the page cache`);
      }
      return device === null ? [] : [{ subsystemNqn: subsystem.nqn, config: namespace, device }];
    }),
  );
  for (const subsystem of config.subsystems) {
    if (!config.ports.some((port) => port.subsystems.includes(subsystem.nqn))) {
      notes.push(`${subsystem.nqn} is behind no port`);
    }
    if (!subsystem.allowAnyHost && subsystem.allowedHosts.length === 0) {
      notes.push(`${subsystem.nqn} allows no host`);
    }
    if (subsystem.isProtectionEnabled) {
      notes.push(`${subsystem.nqn}: protection information (pi_enable) is not there`);
    }
  }
  if (problems.length > 0) {
    throw file.refuse(problems);
  }
  return { file: path, config, ports: config.ports, namespaces, notes };
}

function checkPort(port: PortConfig, where: string, hasKeys: boolean, problems: string[]): void {
  const { transportType, serviceId, secureChannel, specific } = port.address;
  if (transportType !== 'tcp') {
    problems.push(`${where}.addr.trtype is ${transportType}; only tcp can be served here`);
    return;
  }
  if (!SERVICE.test(serviceId) || Number(serviceId) > SERVICE_MAX) {
    problems.push(`${where}.addr.trsvcid is no TCP port such as 4420 (0: any that is free)`);
  }
  if (specific === 'tls1.3' || secureChannel === 'required') {
    if (specific !== 'tls1.3') {
      problems.push(`${where}.addr.treq asks for a secure channel, and tsas is not tls1.3`);
    } else if (!hasKeys) {
      problems.push(`${where}.addr.tsas is tls1.3, and no keys were given with --tls-keys`);
    }
  }
}

function deviceOf(
  { device }: NamespaceConfig,
  where: string,
  file: string,
  problems: string[],
): Device | null {
  if (!device.path.startsWith(MEMORY)) {
    return { kind: 'path', path: resolve(dirname(file), device.path) };
  }
  const sizeBytes = sizeOf(device.path.slice(MEMORY.length));
  if (sizeBytes === null || sizeBytes < 4096 || sizeBytes % 4096 !== 0) {
    problems.push(`${where} is not memory:SIZE with blocks of 4 KiB, such as memory:1G`);
    return null;
  }
  return { kind: 'memory', sizeBytes };
}

function sizeOf(text: string): number | null {
  try {
    return parseSize(text);
  } catch {
    return null;
  }
}

/** A target for people and programs: what a file makes of it, and what happens meanwhile. Secrets of hosts are in none of it. */
import type { PortConfig } from '../../orchestrators/index.ts';
import type { ServedNamespace, TargetCounters } from '../target/counters.ts';
import type { TargetEvent } from '../target/events.ts';
import type { TargetPlan } from '../target/plan.ts';
import type { ListeningPort } from '../target/session.ts';
import { formatBytes, padEnd, printable, type Style } from './style.ts';

export function* planLines(plan: TargetPlan, style: Style): Generator<string> {
  for (const subsystem of plan.config.subsystems) {
    const { nqn, allowAnyHost, allowedHosts } = subsystem;
    const ports = plan.ports.filter((port) => port.subsystems.includes(nqn));
    yield `${style.bold(printable(nqn))}  ${ports.length === 0 ? 'no port' : ports.map(({ portId }) => `port ${portId}`).join(', ')}`;
    for (const { config, device, subsystemNqn } of plan.namespaces) {
      if (subsystemNqn === nqn) {
        const size = device.kind === 'memory' ? `  ${formatBytes(device.sizeBytes)}` : '';
        yield `  namespace ${config.nsid}  ${printable(device.kind === 'memory' ? 'memory' : device.path)}${size}`;
      }
    }
    yield allowAnyHost ? '  any host' : `  hosts: ${printable(allowedHosts.join(', ')) || 'none'}`;
  }
  for (const host of plan.config.hosts) {
    if (host.dhchapKey !== null) {
      yield `${printable(host.nqn)} must prove itself (DH-HMAC-CHAP)${host.dhchapCtrlKey === null ? '' : ', and so must the target'}`;
    }
  }
  for (const port of plan.ports) {
    yield `port ${port.portId}  ${placeOf(port)}${securityOf(port)}`;
  }
  for (const note of plan.notes) {
    yield `note: ${printable(note)}`;
  }
}

function placeOf({ address }: PortConfig): string {
  return `${printable(address.transportAddress)} port ${address.serviceId === '0' ? 'any that is free' : address.serviceId}`;
}

function securityOf({ address }: PortConfig): string {
  if (address.specific !== 'tls1.3') {
    return '';
  }
  return address.secureChannel === 'required' ? ', TLS only' : ', TLS or plain';
}

/** For JSON.stringify. */
export function planJson(plan: TargetPlan): Record<string, unknown> {
  return {
    file: plan.file,
    subsystems: plan.config.subsystems.map(({ nqn, allowAnyHost, allowedHosts }) => ({
      nqn,
      allowAnyHost,
      allowedHosts,
      namespaces: plan.namespaces
        .filter(({ subsystemNqn }) => subsystemNqn === nqn)
        .map(({ config, device }) => ({ nsid: config.nsid, ...device })),
    })),
    hosts: plan.config.hosts.map(({ nqn, dhchapKey, dhchapCtrlKey }) => ({
      nqn,
      mustProveItself: dhchapKey !== null,
      wantsProof: dhchapCtrlKey !== null,
    })),
    ports: plan.ports.map(({ portId, address, subsystems }) => ({
      portId,
      address: address.transportAddress,
      service: address.serviceId,
      tls: address.specific === 'tls1.3',
      tlsOnly: address.secureChannel === 'required',
      subsystems,
    })),
    notes: plan.notes,
  };
}

export function portLine({ portId, address, port }: ListeningPort): string {
  return `port ${portId} listens at ${printable(address)} port ${port}`;
}

const HEAD = ['namespace', 'size', 'reads', 'writes', 'read', 'written', 'others', 'failed'] as const;

/** @param before  a second or so earlier: then commands and bytes are those of a second */
export function counterLines(counters: TargetCounters, before: TargetCounters | null): readonly string[] {
  const seconds = before === null ? 0 : counters.atS - before.atS;
  const rows = counters.namespaces.map((namespace, index) =>
    rowOf(namespace, before?.namespaces[index], seconds),
  );
  const widths = HEAD.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => padEnd(cell, widths[column]!))
      .join('  ')
      .trimEnd();
  const { transport } = counters;
  const troubles = [
    ['turned away', transport.turnedAway],
    ['violations', transport.violations],
    ['damaged data', transport.dataDigestErrors],
    ['timeouts', transport.timeouts],
    ['TLS failures', transport.tlsFailures],
  ] as const;
  return [
    line(HEAD),
    ...rows.map(line),
    [
      `${counters.connections} connections, ${counters.controllers} controllers`,
      ...troubles.filter(([, count]) => count > 0).map(([what, count]) => `${what}: ${count}`),
    ].join(', '),
  ];
}

function rowOf(
  now: ServedNamespace,
  before: ServedNamespace | undefined,
  seconds: number,
): readonly string[] {
  const { counters } = now;
  const isRate = before !== undefined && seconds > 0;
  const count = (what: 'readCommands' | 'writeCommands' | 'otherCommands'): string =>
    isRate ? `${Math.round((counters[what] - before.counters[what]) / seconds)}/s` : String(counters[what]);
  const bytes = (what: 'readBytes' | 'writeBytes'): string =>
    isRate
      ? `${formatBytes(Math.round((counters[what] - before.counters[what]) / seconds))}/s`
      : formatBytes(counters[what]);
  return [
    `${printable(now.subsystem)}/${now.nsid} ${printable(now.path)}`,
    formatBytes(now.sizeBytes),
    count('readCommands'),
    count('writeCommands'),
    bytes('readBytes'),
    bytes('writeBytes'),
    count('otherCommands'),
    String(counters.failedCommands),
  ];
}

/** `[   12.345678] 192.0.2.7:49152 has connected`. */
export function eventLine(event: TargetEvent): string {
  const at = `[${event.atS.toFixed(6).padStart(12)}]`;
  switch (event.event) {
    case 'connected':
      return `${at} ${printable(event.host)} has connected${event.secure ? ' over TLS' : ''}`;
    case 'disconnected':
      return `${at} ${printable(event.host)} is gone: ${printable(event.why)}`;
    case 'violation':
      return `${at} ${printable(event.host)} breaks the rules: ${printable(event.what)}`;
    case 'turned-away':
      return `${at} ${printable(event.host)} was turned away: ${printable(event.why)}`;
    case 'log':
      return `${at} ${event.level === 'info' ? '' : `${event.level}: `}${printable(event.line)}`;
    case 'draining':
      return `${at} ends when ${event.connections} connections have their answers; another signal ends it at once`;
    case 'lost':
      return `${at} ${event.events} events are lost: nobody took them in time`;
  }
}

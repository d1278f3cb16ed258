/** The command line of QEMU for a lab. */
import type { LabFile, LabNamespace } from '../file/index.ts';
import { quoted } from './export-endpoint.ts';
import { type ExportedLab, exportLab } from './export-lab.ts';

export interface QemuOptions {
  /** Memory of the guest, shared evenly by its NUMA nodes. Default 2048. */
  readonly memoryMb?: number;
  /** Drives get their namespaces, each from an image file that has to be there. Default false: no namespaces. */
  readonly withDrives?: boolean;
  /**
   * Devices that Peerlane serves over vfio-user: paths of their sockets by name in the lab. They are what they are in the lab, where
   * QEMU has models of its own for the rest. Needs QEMU 10.1 or newer. Names that are no endpoint's have no effect.
   */
  readonly served?: ReadonlyMap<string, string>;
  /** The guest's memory can be mapped by others. Default: true when something is served, and then nothing else works. */
  readonly shareMemory?: boolean;
  /** How long QEMU waits for each answer of a served device. Default: QEMU's own, five seconds. */
  readonly messageTimeoutMs?: number;
}

export interface QemuCommand {
  /** Behind `qemu-system-x86_64`: the whole machine but for kernel, console and what they need. */
  readonly args: readonly string[];
  /** Everything that QEMU makes different, one line each. */
  readonly changes: readonly string[];
  /** QEMU's id of every device and named bridge of the lab. Those without one were left out. */
  readonly devices: ReadonlyMap<string, string>;
  /** Value of `-cpu`. */
  readonly cpu: string;
  readonly memoryMb: number;
  /** Value of `-M`. */
  readonly machine: string;
  /** The part of `args` behind `-M`, `-cpu` and `-m`. */
  readonly machineArguments: readonly string[];
  /** Words that the kernel has to be started with. */
  readonly append: readonly string[];
}

const MEMORY_MB = 2048;
/** With a character that no name of a lab has. */
const MEMORY_ID = 'guest.memory';

export function qemuCommand(lab: LabFile, options: QemuOptions = {}): QemuCommand {
  const served = options.served ?? new Map<string, string>();
  const exported = exportLab(lab, { served, messageTimeoutMs: options.messageTimeoutMs ?? 0 });
  const memoryMb = options.memoryMb ?? MEMORY_MB;
  const isShared = options.shareMemory ?? served.size > 0;
  const isOneShared = isShared && lab.memory.length === 1;
  const machine = isOneShared ? `q35,memory-backend=${MEMORY_ID}` : 'q35';
  const changes = [...exported.changes];
  const wantedMb = lab.memory.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 2 ** 20;
  if (wantedMb !== memoryMb) {
    changes.push(`the guest has ${memoryMb} MiB of memory instead of ${wantedMb}`);
  }
  const machineArguments = [
    ...socketArguments(exported.lab),
    ...(isOneShared ? ['-object', memoryBackend(MEMORY_ID, memoryMb, true)] : []),
    ...numaArguments(exported.lab, memoryMb, isShared),
    ...exported.options.flatMap(({ name, value }) => [name, value]),
    ...(options.withDrives === true ? driveArguments(exported, changes) : []),
  ];
  if (options.withDrives !== true && exported.controllers.length > 0) {
    changes.push('drives have no namespaces');
  }
  return {
    args: [
      ...['-M', machine, '-cpu', exported.cpu, '-m', String(memoryMb)],
      ...['-nodefaults', '-no-user-config', '-no-reboot'],
      ...machineArguments,
    ],
    changes,
    devices: exported.ids,
    cpu: exported.cpu,
    memoryMb,
    machine,
    machineArguments,
    append: exported.append,
  };
}

function socketArguments({ cpu, memory }: LabFile): string[] {
  const sockets = Math.max(cpu.sockets, memory.length);
  return sockets === 1 ? [] : ['-smp', `${sockets},sockets=${sockets}`];
}

/** One socket of processors a node; further sockets go to the nodes in turn. */
function numaArguments({ cpu, memory }: LabFile, memoryMb: number, isShared: boolean): string[] {
  if (memory.length === 1) {
    return [];
  }
  const shareMb = Math.floor(memoryMb / memory.length);
  const nodes = memory.flatMap((_, node) => {
    const sizeMb = node === 0 ? memoryMb - shareMb * (memory.length - 1) : shareMb;
    return [
      '-object',
      memoryBackend(`node-${node}`, sizeMb, isShared),
      '-numa',
      `node,nodeid=${node},memdev=node-${node}`,
    ];
  });
  const sockets = Math.max(cpu.sockets, memory.length);
  const processors = Array.from({ length: sockets }, (_, socket) => [
    '-numa',
    `cpu,node-id=${socket % memory.length},socket-id=${socket}`,
  ]);
  return [...nodes, ...processors.flat()];
}

/** Shared memory has a descriptor, which QEMU passes on to who serves a device. */
function memoryBackend(id: string, sizeMb: number, isShared: boolean): string {
  return isShared
    ? `memory-backend-memfd,id=${id},size=${sizeMb}M,share=on`
    : `memory-backend-ram,id=${id},size=${sizeMb}M`;
}

function driveArguments({ controllers }: ExportedLab, changes: string[]): string[] {
  const files: string[] = [];
  const args = controllers.flatMap(({ id, node }) =>
    node.namespaces.flatMap((namespace) => {
      const drive = `${id}-n${namespace.nsid}`;
      const file = namespace.image ?? `${drive}.img`;
      if (namespace.image === null) {
        files.push(`truncate -s ${namespace.sizeBytes} ${file}`);
      }
      return [
        '-drive',
        `id=${drive},if=none,format=raw,file=${quoted(file)}`,
        '-device',
        `nvme-ns,${namespaceOptions(namespace, drive, id)}`,
      ];
    }),
  );
  if (files.length > 0) {
    changes.push(`drives start empty; make their images first: ${files.join(' && ')}`);
  }
  return args;
}

function namespaceOptions(namespace: LabNamespace, drive: string, controller: string): string {
  const { nsid, blockBytes, metadataBytes, protection, isExtended } = namespace;
  return [
    `drive=${drive}`,
    `bus=${controller}`,
    `nsid=${nsid}`,
    `logical_block_size=${blockBytes}`,
    `physical_block_size=${blockBytes}`,
    ...(metadataBytes === 0 ? [] : [`ms=${metadataBytes}`, `mset=${isExtended ? 1 : 0}`]),
    ...(protection === 0 ? [] : [`pi=${protection}`]),
  ].join(',');
}

/** The command line of QEMU 7.2 for a lab. */
import type { LabFile, LabNamespace } from '../file/index.ts';
import { quoted } from './export-endpoint.ts';
import { type ExportedLab, exportLab } from './export-lab.ts';

export interface QemuOptions {
  /** Memory of the guest, shared evenly by its NUMA nodes. Default 2048. */
  readonly memoryMb?: number;
  /** Drives get their namespaces, each from an image file that has to be there. Default false: no namespaces. */
  readonly withDrives?: boolean;
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
  /** The part of `args` behind `-M`, `-cpu` and `-m`. */
  readonly machineArguments: readonly string[];
  /** Words that the kernel has to be started with. */
  readonly append: readonly string[];
}

const MEMORY_MB = 2048;

export function qemuCommand(lab: LabFile, options: QemuOptions = {}): QemuCommand {
  const exported = exportLab(lab);
  const memoryMb = options.memoryMb ?? MEMORY_MB;
  const changes = [...exported.changes];
  const wantedMb = lab.memory.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) / 2 ** 20;
  if (wantedMb !== memoryMb) {
    changes.push(`the guest has ${memoryMb} MiB of memory instead of ${wantedMb}`);
  }
  const machineArguments = [
    ...socketArguments(exported.lab),
    ...numaArguments(exported.lab, memoryMb),
    ...exported.options.flatMap(({ name, value }) => [name, value]),
    ...(options.withDrives === true ? driveArguments(exported, changes) : []),
  ];
  if (options.withDrives !== true && exported.controllers.length > 0) {
    changes.push('drives have no namespaces');
  }
  return {
    args: [
      ...['-M', 'q35', '-cpu', exported.cpu, '-m', String(memoryMb)],
      ...['-nodefaults', '-no-user-config', '-no-reboot'],
      ...machineArguments,
    ],
    changes,
    devices: exported.ids,
    cpu: exported.cpu,
    memoryMb,
    machineArguments,
    append: exported.append,
  };
}

function socketArguments({ cpu, memory }: LabFile): string[] {
  const sockets = Math.max(cpu.sockets, memory.length);
  return sockets === 1 ? [] : ['-smp', `${sockets},sockets=${sockets}`];
}

/** One socket of processors a node; further sockets go to the nodes in turn. */
function numaArguments({ cpu, memory }: LabFile, memoryMb: number): string[] {
  if (memory.length === 1) {
    return [];
  }
  const shareMb = Math.floor(memoryMb / memory.length);
  const nodes = memory.flatMap((_, node) => {
    const sizeMb = node === 0 ? memoryMb - shareMb * (memory.length - 1) : shareMb;
    return [
      '-object',
      `memory-backend-ram,id=node-${node},size=${sizeMb}M`,
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

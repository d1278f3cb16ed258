/** Devices of a lab that are served: their directory, the thread that serves, the control socket, and one clean end of all. */
import { closeSync, openSync, rmSync } from 'node:fs';
import { HostError, UsageError } from '../../base/index.ts';
import { type LabFile, type LabNode, parseLab } from '../../lab/index.ts';
import { type MachineOptions, openMachine } from '../machine-input.ts';
import type { ControlRequest } from './control-protocol.ts';
import { ControlServer } from './control-server.ts';
import { openServeFolder, type ServeFolder } from './folder.ts';
import { type LogLevel, parseLogLevels } from './log/levels.ts';
import type { ServerEvent } from './messages.ts';
import { type ServerEnd, type ServerThread, startServerThread } from './server-thread.ts';

/** Options of every command that serves. */
export interface ServeOptions extends MachineOptions {
  readonly dir?: string;
  /** Names with commas between. Default: all. */
  readonly devices?: string;
  readonly trap?: boolean;
  readonly writeImages?: boolean;
  readonly log?: string;
  readonly logFile?: string;
}

export interface LabToServe {
  readonly path: string;
  readonly text: string;
  readonly lab: LabFile;
  /** Devices that are served, in the order of the file. */
  readonly names: readonly string[];
}

/** @throws {UsageError} USAGE_LAB_ONLY, USAGE_DEVICE; {LabError} */
export async function labToServe(command: string, options: ServeOptions): Promise<LabToServe> {
  const source = await openMachine(options);
  if (source.kind !== 'lab') {
    throw new UsageError('USAGE_LAB_ONLY', {
      message: `${command} serves the devices of a lab, and ${source.kind === 'live' ? 'none was named' : `${source.path} is none`}`,
      hint: `peerlane lab FILE.yaml ${command}; \`peerlane import\` makes a lab of a snapshot`,
    });
  }
  const lab = parseLab(source.text, source.path);
  const all = endpointNames(lab.hostBridges.flatMap(({ below }) => below));
  const wanted = options.devices?.split(',').map((name) => name.trim());
  const unknown = wanted?.find((name) => !all.includes(name));
  if (unknown !== undefined || all.length === 0) {
    throw new UsageError('USAGE_DEVICE', {
      message:
        unknown === undefined
          ? `${source.path} has no devices that could be served`
          : `${source.path} has no device '${unknown}' that could be served`,
      hint:
        unknown === undefined
          ? 'every endpoint but a VMD is one, such as `- nvme: nvme0`'
          : `its devices: ${all.join(', ')}`,
    });
  }
  const names = wanted === undefined ? all : all.filter((name) => wanted.includes(name));
  return { path: source.path, text: source.text, lab, names };
}

function endpointNames(nodes: readonly LabNode[]): string[] {
  return nodes.flatMap((node) =>
    'below' in node ? endpointNames(node.below) : node.name === null ? [] : [node.name],
  );
}

export class ServeSession {
  readonly folder: ServeFolder;
  readonly sockets: ReadonlyMap<string, string>;
  /** Final counters, or why the server ended by itself. */
  readonly ended: Promise<ServerEnd>;
  readonly #thread: ServerThread;
  readonly #onExit: () => void;

  private constructor(
    folder: ServeFolder,
    sockets: ReadonlyMap<string, string>,
    thread: ServerThread,
    control: ControlServer,
    logFd: number | null,
  ) {
    this.folder = folder;
    this.sockets = sockets;
    this.#thread = thread;
    // The program would wait for ever for a thread that nobody wakes, and may be gone before that has cleaned up.
    this.#onExit = () => {
      thread.end();
      for (const path of [folder.controlPath, ...sockets.values()]) {
        rmSync(path, { force: true });
      }
      folder.close();
    };
    process.once('exit', this.#onExit);
    this.ended = thread.ended.then(async (end) => {
      process.removeListener('exit', this.#onExit);
      await control.close();
      folder.close();
      if (logFd !== null) {
        closeSync(logFd);
      }
      return end;
    });
  }

  /** The directory, before anything is served: QEMU's arguments name sockets in it. */
  static async folderFor({ names }: LabToServe, options: ServeOptions): Promise<ServeFolder> {
    return openServeFolder(options.dir, names);
  }

  /**
   * Every socket listens when it resolves. Takes the directory over, also when it throws.
   * @throws {UsageError} USAGE_LOG; {HostError}, {LabError} what keeps it from serving
   */
  static async open(
    { path, text, names }: LabToServe,
    folder: ServeFolder,
    options: ServeOptions,
    onEvents: (events: readonly ServerEvent[]) => Promise<void>,
  ): Promise<ServeSession> {
    const sockets = new Map(names.map((name) => [name, folder.socketPath(name)]));
    let logFd: number | null = null;
    let thread: ServerThread | undefined;
    try {
      const logs = logsOf(options);
      logFd = options.logFile === undefined ? null : openLog(options.logFile);
      thread = await startServerThread(
        {
          labPath: path,
          labText: text,
          sockets,
          isTrapped: options.trap === true,
          writesImages: options.writeImages === true,
          logs,
          logFd,
        },
        onEvents,
      );
      const serving = thread;
      const control = await ControlServer.open(folder.controlPath, async (request) => {
        if (request.do === 'quit') {
          // The answer goes out first.
          setImmediate(() => serving.end());
          return null;
        }
        return serving.ask(request);
      });
      return new ServeSession(folder, sockets, serving, control, logFd);
    } catch (error) {
      thread?.end();
      await thread?.ended;
      if (logFd !== null) {
        closeSync(logFd);
      }
      folder.close();
      throw error;
    }
  }

  ask(request: ControlRequest): Promise<unknown> {
    return this.#thread.ask(request);
  }

  end(): void {
    this.#thread.end();
  }
}

function logsOf({ log, logFile }: ServeOptions): readonly LogLevel[] {
  return log === undefined ? (logFile === undefined ? [] : parseLogLevels('all')) : parseLogLevels(log);
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).code;
    throw new HostError('HOST_WRITE_FAILED', {
      message: `${path}: cannot be written (${errno ?? String(error)})`,
      hint: 'choose a file that you may write to with --log-file',
      detail: { path, errno },
      cause: error,
    });
  }
}

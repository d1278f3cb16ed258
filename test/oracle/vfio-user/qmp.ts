/** QEMU's machine protocol, as far as these tests need it: one command after the other. QEMU docs/interop/qmp-spec.rst. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

interface Reply {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly data?: unknown;
}

export class Qmp {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  readonly #listeners = new Set<(reply: Reply) => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#take(JSON.parse(line) as Reply));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) {
        reject(new Error('QEMU has ended'));
      }
    });
  }

  static async open(path: string): Promise<Qmp> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.on('error', () => {});
    const qmp = new Qmp(socket);
    await qmp.command('qmp_capabilities');
    return qmp;
  }

  /** @throws {Error} with QEMU's words when it refuses */
  command(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    });
  }

  /** The next event of a name whose data are right; ask before the command that brings it. */
  event(name: string, isRight: (data: Record<string, unknown>) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const listener = ({ event, data }: Reply) => {
        if (event === name && isRight(data as Record<string, unknown>)) {
          this.#listeners.delete(listener);
          resolve();
        }
      };
      this.#listeners.add(listener);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(reply: Reply): void {
    if (reply.event !== undefined) {
      for (const listener of this.#listeners) {
        listener(reply);
      }
    } else if (reply.error !== undefined) {
      this.#waiting.shift()?.reject(new Error(`QEMU: ${reply.error.desc}`));
    } else if ('return' in reply) {
      this.#waiting.shift()?.resolve(reply.return);
    }
  }
}

/** The control socket of a server: whoever may open the file may watch and break devices. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { HostError, UsageError } from '../../base/index.ts';
import {
  type ControlAnswer,
  type ControlRequest,
  errorFacts,
  parseRequest,
  REQUEST_BYTES_MAX,
} from './control-protocol.ts';

const CLIENTS_MAX = 64;

/** Carries out what was asked. Rejects with the error that is the answer. */
export type ControlHandler = (request: ControlRequest) => Promise<unknown>;

export class ControlServer {
  readonly path: string;
  readonly #server: Server;
  readonly #clients = new Set<ControlClientSession>();

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  /** @throws {HostError} HOST_SOCKET when the socket cannot be made */
  static async open(path: string, handler: ControlHandler): Promise<ControlServer> {
    const server = createServer();
    const control = new ControlServer(path, server);
    server.on('connection', (socket) => control.#connected(socket, handler));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          new HostError('HOST_SOCKET', {
            message: `${path}: no socket could be made there (${error.code ?? error.message})`,
            hint: 'choose another directory with --dir',
            detail: { path, errno: error.code },
            cause: error,
          }),
        );
      });
      server.listen(path, resolve);
    });
    // Nobody else can come to it meanwhile: its directory is the user's own.
    chmodSync(path, 0o600);
    server.on('error', () => {});
    return control;
  }

  /** What was asked is still answered; then clients are let go, and the file is gone. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await Promise.all([...this.#clients].map((client) => client.end()));
    await closed;
    rmSync(this.path, { force: true });
  }

  #connected(socket: Socket, handler: ControlHandler): void {
    if (this.#clients.size >= CLIENTS_MAX) {
      socket.destroy();
      return;
    }
    const client = new ControlClientSession(socket, handler);
    this.#clients.add(client);
    socket.once('close', () => this.#clients.delete(client));
  }
}

/** One client. Its requests are carried out one after the other, and while one is, nothing more of it is read. */
class ControlClientSession {
  readonly #socket: Socket;
  readonly #handler: ControlHandler;
  #pending: Buffer = Buffer.alloc(0);
  #work: Promise<void> = Promise.resolve();
  #isEnding = false;

  constructor(socket: Socket, handler: ControlHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      socket.pause();
      this.#work = this.#work.then(() => this.#take(bytes));
    });
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#work;
    if (!this.#socket.destroyed) {
      await new Promise<void>((resolve) => this.#socket.end(resolve));
    }
    this.#socket.destroy();
  }

  async #take(bytes: Buffer): Promise<void> {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    for (;;) {
      const end = this.#pending.indexOf(0x0a);
      if (end < 0 || end >= REQUEST_BYTES_MAX) {
        break;
      }
      const line = this.#pending.toString('utf8', 0, end).trim();
      this.#pending = this.#pending.subarray(end + 1);
      if (line !== '') {
        await this.#answer(line);
      }
    }
    if (this.#pending.length >= REQUEST_BYTES_MAX) {
      this.#pending = Buffer.alloc(0);
      this.#isEnding = true;
      const error = new UsageError('USAGE_CONTROL', {
        message: `the control socket was sent a line of more than ${REQUEST_BYTES_MAX} bytes`,
        hint: 'one JSON object a line',
      });
      this.#socket.end(`${JSON.stringify({ id: null, ok: false, error: errorFacts(error) })}\n`);
    }
    if (!this.#isEnding) {
      this.#socket.resume();
    }
  }

  async #answer(line: string): Promise<void> {
    const { id, request } = parseRequest(line);
    let answer: ControlAnswer;
    try {
      if (request instanceof Error) {
        throw request;
      }
      answer = { id, ok: true, result: (await this.#handler(request)) ?? null };
    } catch (error) {
      answer = { id, ok: false, error: errorFacts(error) };
    }
    const isTaken = this.#socket.write(`${JSON.stringify(answer)}\n`);
    if (!isTaken && !this.#socket.destroyed) {
      // A client that does not read its answers gets no further ones.
      await new Promise<void>((resolve) => {
        this.#socket.once('drain', resolve);
        this.#socket.once('close', () => resolve());
      });
    }
  }
}

/** The other end of the control socket: one request, one answer. */
import { connect } from 'node:net';
import { join } from 'node:path';
import { HostError } from '../../base/index.ts';
import { type ControlAnswer, type ControlRequest, errorOf } from './control-protocol.ts';

export const CONTROL_SOCKET = 'control.sock';

/** A server that is stopped in a debugger does not answer; everything else does at once. */
const ANSWER_LIMIT_MS = 30_000;

/**
 * Asks the server of a directory.
 * @throws {HostError} HOST_NO_SERVER; and the error that is the answer
 */
export async function askServer(folder: string, request: ControlRequest): Promise<unknown> {
  const answer = await ask(join(folder, CONTROL_SOCKET), request);
  if (answer.ok) {
    return answer.result;
  }
  throw errorOf(answer.error);
}

/** Whether somebody listens. */
export async function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

function ask(path: string, request: ControlRequest): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(path);
    socket.setEncoding('utf8');
    const fail = (what: string, cause?: unknown): void => {
      socket.destroy();
      reject(
        new HostError('HOST_NO_SERVER', {
          message: `${path}: ${what}`,
          hint: 'DIR is what `peerlane lab FILE attach` printed, or was given with --dir',
          detail: { path },
          ...(cause === undefined ? {} : { cause }),
        }),
      );
    };
    socket.setTimeout(ANSWER_LIMIT_MS, () => fail(`no answer within ${ANSWER_LIMIT_MS / 1000} s`));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(`nobody serves there (${error.code ?? error.message})`, error),
    );
    socket.once('connect', () => socket.write(`${JSON.stringify({ id: 1, ...request })}\n`));
    socket.on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\n');
      if (end >= 0) {
        socket.destroy();
        resolve(JSON.parse(text.slice(0, end)) as ControlAnswer);
      }
    });
    socket.once('end', () => fail('the server went away without an answer'));
  });
}

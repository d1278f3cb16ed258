/** The file of `--tls-keys`: a line for each pair of host and subsystem, with the key that they share. */
import { readFileSync } from 'node:fs';
import { InputError, PeerlaneError, TargetError } from '../../base/index.ts';
import { PskTable, type SharedKey } from '../../serve/index.ts';

/**
 * Lines of `HOST-NQN SUBSYSTEM-NQN NVMeTLSkey-1:01:...:`; `#` starts a comment. Messages name lines, never keys.
 * @throws {InputError} INPUT_UNREADABLE; {TargetError} TARGET_TLS_KEYS
 */
export function readTlsKeys(path: string): PskTable {
  const keys = textOf(path)
    .split('\n')
    .flatMap((line, index): readonly SharedKey[] => {
      const words = line.replace(/#.*/, '').trim().split(/\s+/);
      if (words[0] === '') {
        return [];
      }
      const [hostNqn, subsystemNqn, psk] = words;
      if (hostNqn === undefined || subsystemNqn === undefined || psk === undefined || words.length !== 3) {
        throw wrong(`${path}:${index + 1}`, 'not a host, a subsystem and a key', undefined);
      }
      const key = { hostNqn, subsystemNqn, psk };
      try {
        new PskTable([key]);
      } catch (cause) {
        throw wrong(
          `${path}:${index + 1}`,
          cause instanceof PeerlaneError ? cause.message : 'unusable',
          cause,
        );
      }
      return [key];
    });
  return new PskTable(keys);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code;
    throw new InputError('INPUT_UNREADABLE', {
      message: `${path} cannot be read: ${errno ?? String(cause)}`,
      hint: 'name a file with TLS keys that you may read',
      detail: { path, errno },
      cause,
    });
  }
}

function wrong(where: string, what: string, cause: unknown): TargetError {
  return new TargetError('TARGET_TLS_KEYS', {
    message: `${where}: ${what}`,
    hint: 'a line is HOST-NQN SUBSYSTEM-NQN NVMeTLSkey-1:01:...: (nvme gen-tls-key --hmac=1)',
    detail: { where },
    cause,
  });
}

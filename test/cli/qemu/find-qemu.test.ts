import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { HostError } from '../../../src/base/index.ts';
import { type AskProgram, findQemu, qemuPaths } from '../../../src/cli/qemu/find-qemu.ts';

/** Programs by path: what each prints for its version, and for the device. */
function asking(programs: Record<string, readonly [version: string, device: string]>): AskProgram {
  return (path, args) => programs[path]?.[args[0] === '--version' ? 0 : 1];
}

const old = ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n', ''] as const;
const recent = [
  'QEMU emulator version 11.1.3 (Debian)\n',
  'vfio-user-pci options:\n  socket=<SocketAddress>\n',
] as const;

function errorOf(action: () => unknown): HostError {
  try {
    action();
  } catch (error) {
    if (error instanceof HostError) {
      return error;
    }
    throw error;
  }
  return expect.unreachable('nothing was thrown');
}

describe('findQemu', () => {
  it('takes the first that has vfio-user-pci, whatever its version says', () => {
    const ask = asking({ '/a': old, '/b': [old[0], recent[1]], '/c': recent });
    expect(findQemu(['/a', '/b', '/c'], ask)).toEqual({ path: '/b', version: '7.2.22' });
  });

  it('names what it found where none has it', () => {
    const error = errorOf(() => findQemu(['/a', '/none', '/b'], asking({ '/a': old, '/b': old })));
    expect(error.code).toBe('HOST_NO_VFIO_USER');
    expect(error.message).toBe(
      'QEMU 10.1 or newer with vfio-user-pci is needed; found 7.2.22 at /a, 7.2.22 at /b',
    );
    expect(error.hint).toContain('newer-qemu.sh');
    expect(errorOf(() => findQemu(['/none'], () => undefined)).message).toContain('no qemu-system-x86_64');
  });

  it('starts real programs, and passes over what is none', () => {
    const folder = mkdtempSync(join(tmpdir(), 'peerlane-qemu-'));
    try {
      const notExecutable = join(folder, 'plain');
      writeFileSync(notExecutable, recent.join(''));
      const broken = join(folder, 'broken');
      writeFileSync(broken, '#!/nowhere/at/all\n');
      const program = join(folder, 'qemu');
      writeFileSync(
        program,
        `#!/bin/sh\nif [ "$1" = --version ]; then echo '${recent[0].trim()}'; else echo '  socket=<SocketAddress>'; fi\n`,
      );
      chmodSync(broken, 0o755);
      chmodSync(program, 0o755);
      expect(findQemu([join(folder, 'absent'), notExecutable, broken, folder, program])).toEqual({
        path: program,
        version: '11.1.3',
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('qemuPaths', () => {
  it('are those of PATH and then the prepared one', () => {
    expect(qemuPaths({ PATH: '/usr/local/bin::/usr/bin', PEERLANE_CACHE: '/cache' })).toEqual([
      '/usr/local/bin/qemu-system-x86_64',
      '/usr/bin/qemu-system-x86_64',
      '/cache/bin/qemu-system-x86_64',
    ]);
    expect(qemuPaths({ XDG_CACHE_HOME: '/x' })).toEqual(['/x/peerlane/bin/qemu-system-x86_64']);
  });

  it('are only the one that is named', () => {
    expect(qemuPaths({ PATH: '/usr/bin', PEERLANE_QEMU: '/opt/qemu' })).toEqual(['/opt/qemu']);
  });
});

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openServeFolder } from '../../../src/cli/attach/folder.ts';

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'peerlane-folder-'));
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

describe('the directory of a server', () => {
  it('is fresh and the user’s own unless one is given, and goes away', async () => {
    const first = await openServeFolder(undefined, ['nvme0']);
    const second = await openServeFolder(undefined, ['nvme0']);
    expect(first.path).not.toBe(second.path);
    expect(statSync(first.path).mode & 0o777).toBe(0o700);
    expect(first.socketPath('nvme0')).toBe(join(first.path, 'nvme0.sock'));
    first.close();
    second.close();
    expect(existsSync(first.path)).toBe(false);
  });

  it('is made where one is given, and stays where it was there before or is not empty', async () => {
    const made = await openServeFolder(join(scratch, 'made/deeper'), ['nvme0']);
    expect(statSync(made.path).mode & 0o777).toBe(0o700);
    writeFileSync(join(made.path, 'mine'), '');
    made.close();
    expect(existsSync(join(scratch, 'made/deeper/mine'))).toBe(true);

    mkdirSync(join(scratch, 'old'));
    (await openServeFolder(join(scratch, 'old'), ['nvme0'])).close();
    expect(existsSync(join(scratch, 'old'))).toBe(true);
  });

  it('is refused while another server has its socket there, and taken over from a dead one', async () => {
    const path = join(scratch, 'control.sock');
    const other = createServer().listen(path);
    await new Promise((resolve) => other.once('listening', resolve));
    await expect(openServeFolder(scratch, ['nvme0'])).rejects.toMatchObject({ code: 'HOST_ALREADY_SERVED' });
    await new Promise((resolve) => other.close(resolve));

    // A server that is killed leaves its socket.
    const script = `require('net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', script]).signal).toBe('SIGKILL');
    expect(existsSync(path)).toBe(true);
    await openServeFolder(scratch, ['nvme0']);
    expect(existsSync(path)).toBe(false);
  });

  it('is refused where the name of a socket would be too long, or nothing can be written', async () => {
    const long = join(scratch, 'x'.repeat(100));
    await expect(openServeFolder(long, ['nvme0'])).rejects.toMatchObject({ code: 'USAGE_SOCKET_PATH' });
    expect(existsSync(long)).toBe(false);
    await expect(openServeFolder('/proc/peerlane/vm', ['nvme0'])).rejects.toMatchObject({
      code: 'HOST_WRITE_FAILED',
    });
    writeFileSync(join(scratch, 'file'), '');
    await expect(openServeFolder(join(scratch, 'file'), ['nvme0'])).rejects.toMatchObject({
      code: 'HOST_WRITE_FAILED',
    });
    mkdirSync(join(scratch, 'odd'));
    writeFileSync(join(scratch, 'odd/control.sock'), 'mine');
    await expect(openServeFolder(join(scratch, 'odd'), ['nvme0'])).rejects.toMatchObject({
      code: 'HOST_WRITE_FAILED',
    });
  });
});

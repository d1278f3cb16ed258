/**
 * Files that clients have passed as memory, each shown once however often its descriptor comes: QEMU passes the same file for
 * every range, device and page of a virtual IOMMU.
 *
 * A file is kept until no connection uses it any more, so that mapping and unmapping of pages costs no system call.
 */
import { Memory } from '../../fabric/index.ts';
import { MemoryWindow, type SharedFileFacts, WINDOW_BYTES } from '../../host/index.ts';

/** 256 GiB of all guests together. A new window takes some milliseconds, in which nobody is served. */
const WINDOWS_MAX = 256;

interface ShownWindow {
  readonly window: MemoryWindow;
  readonly memory: Memory;
}

export class GuestFile {
  readonly key: string;
  /** Connections that use it. */
  users = 0;
  /** By place in the file, in units of a window. */
  readonly windows = new Map<number, ShownWindow>();

  constructor(key: string) {
    this.key = key;
  }
}

export class GuestFiles {
  readonly #byKey = new Map<string, GuestFile>();
  #windowCount = 0;

  /** Whether no file is shown. */
  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  /** @param users files that the asking connection uses already; the file is added */
  use(facts: SharedFileFacts, users: Set<GuestFile>): GuestFile {
    let file = this.#byKey.get(facts.key);
    if (file === undefined) {
      file = new GuestFile(facts.key);
      this.#byKey.set(facts.key, file);
    }
    if (!users.has(file)) {
      users.add(file);
      file.users++;
    }
    return file;
  }

  /** A connection is over. Its address table is empty already. */
  release(users: Set<GuestFile>): void {
    for (const file of users) {
      file.users--;
      if (file.users === 0) {
        for (const { window } of file.windows.values()) {
          window.release();
        }
        this.#windowCount -= file.windows.size;
        this.#byKey.delete(file.key);
      }
    }
    users.clear();
  }

  /** Whether all windows from one to another can be there together with those that are. */
  hasRoom(file: GuestFile, firstIndex: number, lastIndex: number): boolean {
    const room = WINDOWS_MAX - this.#windowCount;
    if (lastIndex - firstIndex >= room + file.windows.size) {
      return false;
    }
    let wanted = 0;
    for (let index = firstIndex; index <= lastIndex; index++) {
      wanted += file.windows.has(index) ? 0 : 1;
    }
    return wanted <= room;
  }

  /**
   * The memory in which a part of a file is shown; the part lies within one window.
   * @param index    of the window: its first byte is at `index * WINDOW_BYTES` of the file
   * @param endBytes end of the part within the window
   * @param fileBytes size of the file, which the part does not exceed
   * @returns null when it cannot be shown
   */
  memoryOf(file: GuestFile, fd: number, index: number, endBytes: number, fileBytes: number): Memory | null {
    const known = file.windows.get(index);
    if (known !== undefined && known.window.shownBytes >= endBytes) {
      return known.memory;
    }
    const start = index * WINDOW_BYTES;
    const lengthBytes = Math.min(WINDOW_BYTES, fileBytes - start);
    if (known !== undefined) {
      // The file has grown since.
      return known.window.show(fd, start, lengthBytes) === 0 ? known.memory : null;
    }
    const window = MemoryWindow.take();
    if (window === undefined) {
      return null;
    }
    if (window.show(fd, start, lengthBytes) !== 0) {
      window.release();
      return null;
    }
    const memory = Memory.over(window.bytes);
    file.windows.set(index, { window, memory });
    this.#windowCount++;
    return memory;
  }
}

/**
 * Stream sockets of the AF_UNIX family that pass descriptors, and waiting for many of them.
 *
 * Node's own sockets drop descriptors. Nothing here waits except `PollSet.wait`, and nothing is allocated for a message. Of
 * what is received with descriptors the kernel ends the receive behind the bytes that they came with, so they belong to the
 * message whose bytes came last. Layouts: include/uapi/linux/socket.h and un.h, struct msghdr of 64-bit computers.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { assert, HostError } from '../base/index.ts';
import { callFailed, codeOf } from './errno.ts';
import { libc } from './ffi.ts';
import { NativeBuffer, putPointer } from './native-buffer.ts';

const AF_UNIX = 1;
const SOCK_STREAM = 1;
// O_CLOEXEC and O_NONBLOCK on the supported architectures.
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SO_TYPE = 3;
const MSG_CTRUNC = 0x08;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SHUT_RDWR = 2;

const PATH_BYTES_MAX = 107;
const SOCKET_MODE = 0o600;
const BACKLOG = 4;

export const EAGAIN = 11;
const EINTR = 4;
const ECONNREFUSED = 111;

/** Descriptors that one message can carry here. */
export const DESCRIPTORS_MAX = 16;

const MESSAGE = {
  vector: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  sizeBytes: 56,
} as const;
const VECTOR_BYTES = 16;
const CONTROL_HEADER_BYTES = 16;
const CONTROL_BYTES = CONTROL_HEADER_BYTES + 4 * DESCRIPTORS_MAX;

/** A socket that takes connections at a path; who owns it is who may connect. */
export class UnixListener {
  readonly path: string;
  readonly fd: number;
  readonly #inode: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
    this.#inode = lstatSync(path).ino;
  }

  /**
   * Takes connections from here on. A socket file that nobody listens on any more is replaced.
   * @throws {HostError} HOST_SOCKET_PATH, HOST_SOCKET_IN_USE, HOST_NOT_SOCKET, HOST_CALL_FAILED, HOST_NO_FFI
   */
  static open(path: string): UnixListener {
    const address = socketAddress(path);
    removeStale(path);
    const fd = newSocket();
    const c = libc();
    try {
      check('bind', c.bind(fd, address, address.length), path);
      // Before listen: until then nobody can connect.
      chmodSync(path, SOCKET_MODE);
      check('listen', c.listen(fd, BACKLOG), path);
      return new UnixListener(path, fd);
    } catch (error) {
      c.close(fd);
      throw error;
    }
  }

  /** The descriptor of the next connection, which does not wait; or a negative errno: -EAGAIN when there is none. */
  accept(): number {
    const fd = libc().accept4(this.fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 ? -libc().errno() : fd;
  }

  /** Ends it and removes its file, if that is still its own. */
  close(): void {
    libc().close(this.fd);
    try {
      if (lstatSync(this.path).ino === this.#inode) {
        unlinkSync(this.path);
      }
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        throw error;
      }
    }
  }
}

/**
 * Connects to a listener. @returns a descriptor that does not wait
 * @throws {HostError} HOST_SOCKET_PATH, HOST_CALL_FAILED
 */
export function connectUnix(path: string): number {
  const address = socketAddress(path);
  const fd = newSocket();
  if (libc().connect(fd, address, address.length) < 0) {
    const errno = libc().errno();
    libc().close(fd);
    throw callFailed('connect', errno, path);
  }
  return fd;
}

/** Sends and receives on any number of connections, one call at a time. */
export class SocketIo {
  /** What the last `receive` came with. They are the caller's to close. */
  readonly descriptors = new Int32Array(DESCRIPTORS_MAX);
  descriptorCount = 0;
  /** More descriptors were sent than fit, or than this process may open; the kernel has closed the others. */
  isTruncated = false;

  readonly #c = libc();
  readonly #message = new NativeBuffer(MESSAGE.sizeBytes);
  readonly #vector = new NativeBuffer(VECTOR_BYTES);
  readonly #control = new NativeBuffer(CONTROL_BYTES);
  /** The value of an option, then its length. */
  readonly #value = new Uint8Array(new ArrayBuffer(4));
  readonly #length = new Uint8Array(new ArrayBuffer(4));

  constructor() {
    const { view } = this.#message;
    putPointer(view, MESSAGE.vector, this.#vector.address);
    putPointer(view, MESSAGE.vectorCount, 1);
  }

  /** @returns bytes; 0 when the other side has ended; a negative errno: -EAGAIN when nothing is there */
  receive(fd: number, into: NativeBuffer, at: number, lengthMax: number): number {
    this.#aim(into, at, lengthMax);
    const message = this.#message.view;
    putPointer(message, MESSAGE.control, this.#control.address);
    putPointer(message, MESSAGE.controlLength, CONTROL_BYTES);
    const count = this.#c.recvmsg(fd, this.#message.address, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    this.descriptorCount = 0;
    this.isTruncated = false;
    if (count < 0) {
      return -this.#c.errno();
    }
    if (message.getUint32(MESSAGE.controlLength, true) >= CONTROL_HEADER_BYTES) {
      this.#takeDescriptors();
    }
    this.isTruncated = (message.getUint32(MESSAGE.flags, true) & MSG_CTRUNC) !== 0;
    return count;
  }

  /** @returns bytes sent, or a negative errno: -EAGAIN when there is no room, -EPIPE when the other side has gone */
  send(fd: number, from: NativeBuffer, at: number, lengthBytes: number): number {
    assert(at + lengthBytes <= from.sizeBytes, 'a send reaches outside its buffer', { at, lengthBytes });
    const count = this.#c.send(fd, from.address + at, lengthBytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    return count < 0 ? -this.#c.errno() : count;
  }

  /** As `send`; the descriptors go with the first byte and stay the caller's. At most DESCRIPTORS_MAX. */
  sendWith(
    fd: number,
    from: NativeBuffer,
    at: number,
    lengthBytes: number,
    descriptors: readonly number[],
  ): number {
    assert(descriptors.length <= DESCRIPTORS_MAX, 'a message with too many descriptors');
    this.#aim(from, at, lengthBytes);
    const control = this.#control.view;
    const controlLength = CONTROL_HEADER_BYTES + 4 * descriptors.length;
    putPointer(control, 0, controlLength);
    control.setInt32(8, SOL_SOCKET, true);
    control.setInt32(12, SCM_RIGHTS, true);
    descriptors.forEach((descriptor, i) => {
      control.setInt32(CONTROL_HEADER_BYTES + 4 * i, descriptor, true);
    });
    const message = this.#message.view;
    putPointer(message, MESSAGE.control, this.#control.address);
    putPointer(message, MESSAGE.controlLength, controlLength);
    const count = this.#c.sendmsg(fd, this.#message.address, MSG_DONTWAIT | MSG_NOSIGNAL);
    return count < 0 ? -this.#c.errno() : count;
  }

  /** Both directions end: whoever waits for the socket is woken. */
  shutdown(fd: number): void {
    this.#c.shutdown(fd, SHUT_RDWR);
  }

  close(fd: number): void {
    this.#c.close(fd);
  }

  /** Whether a descriptor is a socket. Asks no file system, which might take its time. */
  isSocket(fd: number): boolean {
    this.#length[0] = this.#value.length;
    return this.#c.getsockopt(fd, SOL_SOCKET, SO_TYPE, this.#value, this.#length) === 0;
  }

  #aim(buffer: NativeBuffer, at: number, lengthBytes: number): void {
    assert(
      at >= 0 && lengthBytes >= 0 && at + lengthBytes <= buffer.sizeBytes,
      'a message reaches outside its buffer',
      { at, lengthBytes },
    );
    putPointer(this.#vector.view, 0, buffer.address + at);
    putPointer(this.#vector.view, 8, lengthBytes);
  }

  #takeDescriptors(): void {
    const { view } = this.#control;
    if (view.getInt32(8, true) !== SOL_SOCKET || view.getInt32(12, true) !== SCM_RIGHTS) {
      return;
    }
    const count = Math.min((view.getUint32(0, true) - CONTROL_HEADER_BYTES) >> 2, DESCRIPTORS_MAX);
    for (let i = 0; i < count; i++) {
      this.descriptors[i] = view.getInt32(CONTROL_HEADER_BYTES + 4 * i, true);
    }
    this.descriptorCount = count;
  }
}

/** What `PollSet` waits for, and what it finds. include/uapi/asm-generic/poll.h. */
export const POLL_IN = 0x01;
export const POLL_OUT = 0x04;
/** Error, hang-up, or no such descriptor: found without being asked for. */
export const POLL_ENDED = 0x08 | 0x10 | 0x20;

const POLL_BYTES = 8;

/** Descriptors to wait for together. Filled anew before each wait: `clear`, `add`, `wait`, `found`. */
export class PollSet {
  count = 0;
  #buffer = new NativeBuffer(16 * POLL_BYTES);

  clear(): void {
    this.count = 0;
  }

  /** @returns its index for `found` */
  add(fd: number, events: number): number {
    if ((this.count + 1) * POLL_BYTES > this.#buffer.sizeBytes) {
      const larger = new NativeBuffer(this.#buffer.sizeBytes * 2);
      larger.bytes.set(this.#buffer.bytes);
      this.#buffer = larger;
    }
    const at = this.count * POLL_BYTES;
    this.#buffer.view.setInt32(at, fd, true);
    // `events`, and no `revents`.
    this.#buffer.view.setUint32(at + 4, events, true);
    return this.count++;
  }

  /**
   * Waits until something is found, and this thread does nothing else meanwhile.
   * @param timeoutMs  whole milliseconds; -1 without end
   * @returns descriptors with something found; 0 also when a signal came
   */
  wait(timeoutMs: number): number {
    const found = libc().pollFds(this.#buffer.address, this.count, timeoutMs);
    if (found >= 0) {
      return found;
    }
    const errno = libc().errno();
    if (errno !== EINTR && errno !== EAGAIN) {
      throw callFailed('poll', errno, 'waiting for sockets');
    }
    for (let i = 0; i < this.count; i++) {
      this.#buffer.view.setUint16(i * POLL_BYTES + 6, 0, true);
    }
    return 0;
  }

  /** What the last wait found of a descriptor: bits of POLL_IN, POLL_OUT and POLL_ENDED. */
  found(index: number): number {
    return this.#buffer.view.getUint16(index * POLL_BYTES + 6, true);
  }
}

function newSocket(): number {
  const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  check('socket', fd, 'a socket');
  return fd;
}

function check(call: string, result: number, about: string): void {
  if (result < 0) {
    throw callFailed(call, libc().errno(), about);
  }
}

/** struct sockaddr_un. */
function socketAddress(path: string): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > PATH_BYTES_MAX || bytes.length === 0 || bytes.includes(0)) {
    throw new HostError('HOST_SOCKET_PATH', {
      message: `${path}: the path of a socket has 1 to ${PATH_BYTES_MAX} bytes, this has ${bytes.length}`,
      hint: 'name a directory with a shorter path',
      detail: { path },
    });
  }
  const address = new Uint8Array(2 + bytes.length + 1);
  address[0] = AF_UNIX;
  address.set(bytes, 2);
  return address;
}

/** Takes a socket file away that a process left behind. */
function removeStale(path: string): void {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return;
    }
    throw new HostError('HOST_NO_PERMISSION', {
      message: `${path}: cannot be looked at (${codeOf(error)})`,
      hint: 'name a directory that you may write to',
      detail: { path },
      cause: error,
    });
  }
  if (!isSocket) {
    throw new HostError('HOST_NOT_SOCKET', {
      message: `${path} is there and is no socket`,
      hint: 'move it away, or name another directory',
      detail: { path },
    });
  }
  const address = socketAddress(path);
  const fd = newSocket();
  const result = libc().connect(fd, address, address.length);
  const errno = result < 0 ? libc().errno() : 0;
  libc().close(fd);
  if (errno !== ECONNREFUSED) {
    throw new HostError('HOST_SOCKET_IN_USE', {
      message: `${path}: another process serves there`,
      hint: 'end it, or name another directory',
      detail: { path },
    });
  }
  unlinkSync(path);
}

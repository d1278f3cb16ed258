/** The way of our own host to a queue: TCP, TLS where a key is given, ICReq. */
import { connect as netConnect, type Socket } from 'node:net';
import { NvmeTcpError } from '../errors.ts';
import type { TlsPsk } from '../tls/psk.ts';
import { secureClientSocket } from '../tls/secure-socket.ts';
import { HostQueue, type HostQueueOptions } from './host-queue.ts';

const RECEIVE_BYTES = 256 * 1024;

export interface HostAddress {
  readonly host: string;
  readonly port: number;
  /** Null: not encrypted. */
  readonly psk: TlsPsk | null;
}

/**
 * @returns a queue that capsules may be sent through; Connect is the first
 * @throws {NvmeTcpError} NVMETCP_CONNECT; NVMETCP_TERMINATED, NVMETCP_PROTOCOL or NVMETCP_CLOSED before ICResp
 */
export async function openHostQueue(
  address: HostAddress,
  options: Omit<HostQueueOptions, 'socket' | 'onReady'>,
): Promise<HostQueue> {
  const receiver: Receiver = { receive: null };
  const socket = await openSocket(address, receiver);
  return new Promise((resolve, reject) => {
    const queue: HostQueue = new HostQueue({
      ...options,
      socket,
      onReady: () => {
        resolve(queue);
      },
      onClosed: (error) => {
        reject(error);
        options.onClosed(error);
      },
    });
    receiver.receive = queue;
    if (address.psk !== null) {
      socket.on('data', (chunk) => {
        queue.receive(chunk);
      });
    }
  });
}

/** Who takes what comes over a plain socket. */
interface Receiver {
  receive: HostQueue | null;
}

function openSocket({ host, port, psk }: HostAddress, receiver: Receiver): Promise<Socket> {
  // One buffer for all that is received, instead of one each time (bench/nvme-tcp).
  const onread = {
    buffer: new Uint8Array(RECEIVE_BYTES),
    callback: (lengthBytes: number, buffer: Uint8Array): boolean => {
      receiver.receive?.receive(buffer.subarray(0, lengthBytes));
      return true;
    },
  };
  return new Promise((resolve, reject) => {
    const socket =
      psk === null ? netConnect({ host, port, noDelay: true, onread }) : secureClientSocket(host, port, psk);
    const failed = (error: Error): void => {
      reject(
        new NvmeTcpError('NVMETCP_CONNECT', {
          message: `no connection to ${host} port ${port}: ${error.message.trim()}`,
          hint: psk === null ? 'is a target there?' : 'does the target know this key, for these names?',
          detail: { host, port, isSecure: psk !== null },
          cause: error,
          exitStatus: 3,
        }),
      );
      socket.destroy();
    };
    socket.once('error', failed);
    socket.once(psk === null ? 'connect' : 'secureConnect', () => {
      socket.off('error', failed);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/**
 * TLS 1.3 with pre-shared keys over a socket, either end: TLS_AES_128_GCM_SHA256 and nothing else, no certificates, no
 * resumption.
 */
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls';
import type { SecureIdentity } from './identity.ts';
import { deriveTlsPsk, type LabelEncoding, parsePsk, type TlsPsk } from './psk.ts';

const RULES = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
} as const;

/** The first byte of a TLS connection: a handshake record. The first of NVMe/TCP is 0. */
export const TLS_FIRST_BYTE = 0x16;

/** A key that a host and a subsystem share. */
export interface SharedKey {
  readonly hostNqn: string;
  readonly subsystemNqn: string;
  /** `NVMeTLSkey-1:01:...:` */
  readonly psk: string;
}

interface KnownKey {
  readonly key: Uint8Array;
  readonly identity: SecureIdentity;
}

/** The keys that a target knows, by the identities that hosts offer. */
export class PskTable {
  readonly #keys = new Map<string, KnownKey>();

  /** @throws {NvmeTcpError} NVMETCP_PSK_FORMAT, NVMETCP_PSK_CRC, NVMETCP_PSK_SHA384 */
  constructor(keys: readonly SharedKey[], encoding: LabelEncoding = 'rfc8446') {
    for (const { hostNqn, subsystemNqn, psk } of keys) {
      const configured = parsePsk(psk);
      const identity = { hostNqn, subsystemNqn };
      for (const version of [0, 1] as const) {
        const derived = deriveTlsPsk(configured, hostNqn, subsystemNqn, version, encoding);
        this.#keys.set(derived.identity, { key: derived.key, identity });
      }
    }
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  find(offered: string): KnownKey | undefined {
    return this.#keys.get(offered);
  }
}

export interface SecureServerEvents {
  /** The handshake is over; the socket is the one to read from. */
  readonly onSecure: (socket: TLSSocket, identity: SecureIdentity) => void;
  readonly onFailure: (error: Error) => void;
}

/** The controller's side of a handshake. Bytes that were read already must have been put back. */
export function secureServerSocket(socket: Socket, keys: PskTable, events: SecureServerEvents): TLSSocket {
  let proven: SecureIdentity | null = null;
  let isOver = false;
  const options = {
    ...RULES,
    isServer: true,
    secureContext: createSecureContext(RULES),
    pskCallback: (_socket: TLSSocket, offered: string): Uint8Array | null => {
      const known = keys.find(offered);
      if (known !== undefined) {
        proven = known.identity;
      }
      return known?.key ?? null;
    },
  };
  const secure = new TLSSocket(socket, options);
  const fail = (error: Error): void => {
    if (!isOver) {
      isOver = true;
      events.onFailure(error);
      secure.destroy();
      socket.destroy();
    }
  };
  secure.on('error', fail);
  secure.once('close', () => {
    fail(new Error('the host went away during the TLS handshake'));
  });
  secure.once('secure', () => {
    if (isOver) {
      return;
    }
    if (proven === null) {
      fail(new Error('a TLS connection without a pre-shared key'));
      return;
    }
    isOver = true;
    secure.off('error', fail);
    events.onSecure(secure, proven);
  });
  return secure;
}

/** The host's side. The handshake is over at 'secureConnect'. */
export function secureClientSocket(host: string, port: number, psk: TlsPsk): TLSSocket {
  return tlsConnect({
    ...RULES,
    host,
    port,
    pskCallback: () => ({ psk: psk.key, identity: psk.identity }),
    // There is no certificate whose name could be checked: the key is the proof.
    checkServerIdentity: () => undefined,
  });
}

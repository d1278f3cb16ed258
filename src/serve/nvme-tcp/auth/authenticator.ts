/** Which hosts must prove themselves, from a target's configuration: those with a secret. */
import type {
  AuthenticationExchange,
  AuthenticationFacts,
  Authenticator,
  HostConfig,
} from '../../../orchestrators/index.ts';
import { DHCHAP_GROUP, DHCHAP_HASH } from '../../../spec/nvmeof/index.ts';
import { NvmeTcpError } from '../errors.ts';
import { ControllerExchange } from './controller-exchange.ts';
import { groupOfName } from './ffdhe.ts';
import { idOfHash } from './response.ts';
import { type HashName, parseSecret, type Secret } from './secret.ts';

/** The best first, where a host's entry names none. */
const HASHES: readonly number[] = [DHCHAP_HASH.SHA_512, DHCHAP_HASH.SHA_384, DHCHAP_HASH.SHA_256];
/** 3,072 bits are as strong as SHA-256; larger groups cost up to 12 ms of the only thread for each queue. */
const GROUPS: readonly number[] = [
  DHCHAP_GROUP.FFDHE3072,
  DHCHAP_GROUP.FFDHE4096,
  DHCHAP_GROUP.FFDHE6144,
  DHCHAP_GROUP.FFDHE8192,
  DHCHAP_GROUP.FFDHE2048,
  DHCHAP_GROUP.NULL,
];
const HASH_FORMAT = /^hmac\((sha256|sha384|sha512)\)$/;

interface HostProof {
  readonly secret: Secret;
  readonly controllerSecret: Secret | null;
  readonly hashes: readonly number[];
  readonly groups: readonly number[];
}

export class DhchapAuthenticator implements Authenticator {
  readonly #hosts = new Map<string, HostProof>();

  /**
   * @param hosts  those without `dhchapKey` need not prove themselves
   * @throws {NvmeTcpError} NVMETCP_SECRET_FORMAT, NVMETCP_SECRET_CRC, NVMETCP_AUTH_CONFIG
   */
  constructor(hosts: readonly HostConfig[]) {
    for (const host of hosts) {
      if (host.dhchapKey === null) {
        continue;
      }
      this.#hosts.set(host.nqn, {
        secret: parseSecret(host.dhchapKey),
        controllerSecret: host.dhchapCtrlKey === null ? null : parseSecret(host.dhchapCtrlKey),
        hashes: host.dhchapHash === null ? HASHES : [hashIdOf(host.dhchapHash)],
        groups: host.dhchapDhgroup === null ? GROUPS : [groupIdOf(host.dhchapDhgroup)],
      });
    }
  }

  begin(facts: AuthenticationFacts): AuthenticationExchange | null {
    const proof = this.#hosts.get(facts.hostNqn);
    if (proof === undefined) {
      return null;
    }
    const { hostNqn, subsystemNqn } = facts;
    const { secret, controllerSecret, hashes, groups } = proof;
    return new ControllerExchange({
      hostNqn,
      subsystemNqn,
      hostSecret: secret,
      controllerSecret,
      hashes,
      groups,
    });
  }
}

function hashIdOf(name: string): number {
  const hash = HASH_FORMAT.exec(name)?.[1];
  if (hash === undefined) {
    throw wrongName(`dhchap_hash ${name}`, 'hmac(sha256), hmac(sha384) and hmac(sha512)');
  }
  return idOfHash(hash as HashName);
}

function groupIdOf(name: string): number {
  const group = groupOfName(name);
  if (group === undefined) {
    throw wrongName(
      `dhchap_dhgroup ${name}`,
      'null, ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144 and ffdhe8192',
    );
  }
  return group;
}

function wrongName(what: string, names: string): NvmeTcpError {
  return new NvmeTcpError('NVMETCP_AUTH_CONFIG', {
    message: `${what} is not known`,
    hint: `there are ${names}`,
  });
}

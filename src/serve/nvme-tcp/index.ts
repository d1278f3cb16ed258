/**
 * NVMe/TCP on real sockets: the transport of the NVMe-oF target that stock initiators connect to, with digests, TLS 1.3 by pre-shared
 * keys and in-band authentication; and a host of our own, for tests and benchmarks.
 *
 * Leaves out on purpose: what commands mean (`orchestrators/nvmet`), where namespaces come from, key files and what is printed. Follows
 * NVMe over TCP Transport 1.1 and NVM Express Base 2.1, section 8.3.5. Read `server.ts` first, then `connection.ts`.
 */
export { DhchapAuthenticator } from './auth/authenticator.ts';
export { ControllerExchange, type ControllerSide } from './auth/controller-exchange.ts';
export { GroupExchange, groupOfName, groupPrime } from './auth/ffdhe.ts';
export { HostExchange, type HostSide } from './auth/host-exchange.ts';
export { formatSecret, parseSecret, type Secret } from './auth/secret.ts';
export { crc32c } from './crc32c.ts';
export { NvmeTcpError } from './errors.ts';
export { type HostAddress, openHostQueue } from './host/connect.ts';
export { HostController } from './host/host-controller.ts';
export { HostQueue } from './host/host-queue.ts';
export { HostSession, type SessionOptions } from './host/host-session.ts';
export { DEFAULT_LIMITS, type NvmeTcpLimits } from './limits.ts';
export { NvmeTcpCounters, type NvmeTcpListener } from './listener.ts';
export { NvmeTcpServer, type NvmeTcpServerOptions } from './server.ts';
export {
  type ConfiguredPsk,
  deriveTlsPsk,
  formatPsk,
  type LabelEncoding,
  parsePsk,
  type TlsPsk,
} from './tls/psk.ts';
export { PskTable, type SharedKey } from './tls/secure-socket.ts';
export { WallExecutor } from './wall-executor.ts';

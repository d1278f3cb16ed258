/**
 * What hosts may cost: bounds on connections, memory and time, so that peers that mean no good end with an error and not
 * with the server.
 */

export interface NvmeTcpLimits {
  /** Connections at once, all ports together; one more is turned away. */
  readonly connectionsMax: number;
  /** Of these, connections whose Connect has not been accepted: one more, and the oldest of them is ended. */
  readonly pendingMax: number;
  /** From the TCP connection to ICReq, a TLS handshake included, ms. */
  readonly handshakeMs: number;
  /** From ICResp to an accepted Connect, ms. */
  readonly connectMs: number;
  /** For the rest of a PDU, and for all data of one command that were asked for, ms. */
  readonly pduMs: number;
  /** Without the host taking anything of what is sent to it, ms. */
  readonly stallMs: number;
  /** From the last thing said to the end of the connection by force, ms. NVMe over TCP Transport 1.1, 3.5: 30 s. */
  readonly lingerMs: number;
  /** Memory for what waits to be sent, all connections together, bytes. */
  readonly sendBytesMax: number;
  /** The same for one connection, bytes. */
  readonly connectionSendBytesMax: number;
  /** MAXH2CDATA: data of one H2CData PDU, bytes; from 4,096 on, a multiple of 4. */
  readonly h2cDataBytesMax: number;
  /** Data that one R2T asks for, bytes; a multiple of 4. */
  readonly r2tBytesMax: number;
  /** CPDA: alignment of data from hosts, 0's based dwords, up to 31. */
  readonly cpda: number;
}

export const DEFAULT_LIMITS: NvmeTcpLimits = {
  connectionsMax: 1024,
  pendingMax: 128,
  handshakeMs: 5_000,
  connectMs: 10_000,
  pduMs: 30_000,
  stallMs: 30_000,
  lingerMs: 5_000,
  sendBytesMax: 128 << 20,
  connectionSendBytesMax: 1 << 20,
  h2cDataBytesMax: 1 << 20,
  r2tBytesMax: 1 << 20,
  cpda: 0,
};

/** Who wants to know what goes on at the port, and what is counted. */

/** Calls must not throw. Addresses are for people: `192.0.2.7:49152`. */
export interface NvmeTcpListener {
  onConnect?(hostAddress: string, isSecure: boolean): void;
  /** Once for each connection; `why` is for people. */
  onDisconnect?(hostAddress: string, why: string): void;
  /** A PDU that breaks the rules; the connection ends. */
  onViolation?(hostAddress: string, what: string): void;
  onTurnedAway?(hostAddress: string, why: string): void;
}

export class NvmeTcpCounters {
  /** Since the start. */
  connections = 0;
  turnedAway = 0;
  /** Connections that the operating system could not give us. */
  acceptFailures = 0;
  /** Half-open ones that were ended to make room. */
  evicted = 0;
  timeouts = 0;
  violations = 0;
  dataDigestErrors = 0;
  tlsFailures = 0;
  commands = 0;
  receivedBytes = 0;
}

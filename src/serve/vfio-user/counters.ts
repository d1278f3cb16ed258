/** What has happened to one device since the server was opened; it outlives connections. */
export class ServeCounters {
  connections = 0;
  /** Connections that were ended for what their client had sent. */
  violations = 0;
  messages = 0;
  /** Requests that were answered with an error, or would have been. */
  refusals = 0;
  receivedBytes = 0;
  sentBytes = 0;
  configReads = 0;
  configWrites = 0;
  barReads = 0;
  barWrites = 0;
  barBytes = 0;
  maps = 0;
  unmaps = 0;
  resets = 0;
  /** Interrupts signalled; those that nobody has asked for are not among them. */
  interrupts = 0;
  /** Messages of ours for memory that is not shared with us, and their data. */
  dmaReadMessages = 0;
  dmaWriteMessages = 0;
  dmaMessageBytes = 0;
}

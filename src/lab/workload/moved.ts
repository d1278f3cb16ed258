/**
 * How much a stream moved within a window of time, of which only the ends of its requests are seen.
 *
 * Requests of a stream are served one after the other: the service of one lasts from the end of the one before, or from its own
 * beginning where that came later, until its own end; those that end at one moment are served together. Of a service that reaches
 * over an edge of the window the part in it counts, by time. What is being served when the window closes is taken to go on as
 * fast as what was served before, and is never more than was ever served at once.
 */

export interface Moved {
  /** Whole. */
  readonly bytes: number;
  /** Requests, with their parts. */
  readonly requests: number;
}

export class MovedInWindow {
  #fromPs = Number.POSITIVE_INFINITY;
  #untilPs = Number.POSITIVE_INFINITY;
  #bytes = 0;
  #requests = 0;
  /** Of the services that ended in the window. */
  #servedPs = 0;
  #servedBytes = 0;
  #servedRequests = 0;
  /** The latest end, and when its service began. */
  #endPs = 0;
  #sincePs = 0;
  #togetherBytes = 0;
  #togetherBytesMax = 0;

  /** Requests that end between the two moments, both included, count from now on. */
  setWindow(fromPs: number, untilPs: number): void {
    this.#fromPs = fromPs;
    this.#untilPs = untilPs;
  }

  /** A request is over, now. Calls come in the order of time. */
  ended(nowPs: number, startedPs: number, lengthBytes: number): void {
    const isNext = nowPs > this.#endPs;
    if (isNext) {
      this.#sincePs = Math.max(this.#endPs, startedPs);
      this.#endPs = nowPs;
      this.#togetherBytes = 0;
    }
    if (nowPs < this.#fromPs || nowPs > this.#untilPs) {
      return;
    }
    const lastedPs = nowPs - this.#sincePs;
    const share = this.#sincePs >= this.#fromPs || lastedPs === 0 ? 1 : (nowPs - this.#fromPs) / lastedPs;
    this.#bytes += share * lengthBytes;
    this.#requests += share;
    this.#servedPs += isNext ? lastedPs : 0;
    this.#servedBytes += lengthBytes;
    this.#servedRequests++;
    this.#togetherBytes += lengthBytes;
    this.#togetherBytesMax = Math.max(this.#togetherBytesMax, this.#togetherBytes);
  }

  /**
   * Everything from the beginning of the window on.
   * @param untilPs        now, or when the window closed
   * @param oldestPs       when the oldest request under way began
   * @param inFlightBytes  of all of them; 0: none
   */
  until(untilPs: number, oldestPs: number, inFlightBytes: number): Moved {
    const servingPs = untilPs - Math.max(this.#endPs, oldestPs, this.#fromPs);
    const guessed =
      this.#servedPs === 0 || servingPs <= 0
        ? 0
        : Math.min(inFlightBytes, this.#togetherBytesMax, (servingPs * this.#servedBytes) / this.#servedPs);
    const each = this.#servedRequests === 0 ? 1 : this.#servedBytes / this.#servedRequests;
    return {
      bytes: Math.floor(this.#bytes + guessed),
      requests: this.#requests + guessed / each,
    };
  }
}

/**
 * A link (or a conventional bus) with what has travelled on it, each direction apart.
 *
 * Requests on hot paths are counted in their route, not here; a route folds its counts in when it is dropped or when
 * somebody reads (`counters.ts`).
 */

/** What has travelled in one direction. Bytes are payload, without headers and framing. */
export class LinkDirection {
  readonly link: Link;
  readonly isUp: boolean;
  dataBytes = 0;
  controlBytes = 0;
  /** Packets with and without payload, configuration and messages included. */
  packets = 0;

  constructor(link: Link, isUp: boolean) {
    this.link = link;
    this.isUp = isUp;
  }

  add(dataBytes: number, controlBytes: number, packets: number): void {
    this.dataBytes += dataBytes;
    this.controlBytes += controlBytes;
    this.packets += packets;
  }
}

export class Link {
  readonly up = new LinkDirection(this, true);
  readonly down = new LinkDirection(this, false);
}

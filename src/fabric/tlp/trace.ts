/**
 * The view of single packets: every request as the packets it would be on the wire, for who wants to see them.
 *
 * With nobody listening there is no cost; with a listener every packet is an object. In an untimed machine the packets of
 * one request come together, requests in the order in which they take effect.
 */
import type { Traffic } from '../model.ts';
import type { FabricFunction } from '../tree/fabric-function.ts';

export type TlpKind =
  | 'MWr'
  | 'MRd'
  | 'CplD'
  /** A completion without data; `completionStatus` says why. */
  | 'Cpl'
  | 'CfgRd0'
  | 'CfgWr0'
  | 'CfgRd1'
  | 'CfgWr1'
  | 'Msg';

export interface TlpEvent {
  readonly kind: TlpKind;
  readonly atPs: number;
  /** Who asked; of a completion, who is answered. */
  readonly requesterId: number;
  /** Counts up with each non-posted request of the fabric, modulo 1024; 0 for posted ones. */
  readonly tag: number;
  /** Of the first byte. Of a configuration request the register number. */
  readonly addr: number;
  readonly lengthDw: number;
  readonly firstEnables: number;
  readonly lastEnables: number;
  readonly traffic: Traffic;
  readonly isTranslated: boolean;
  /** 0 successful, 1 Unsupported Request, 4 Completer Abort. PCIe Base 6.0, 2.2.9. */
  readonly completionStatus: number;
  /** The functions it passes, its sender first. */
  readonly path: readonly FabricFunction[];
}

/** Receives packets. Called inside the request: do not make others from here. */
export interface TlpListener {
  onTlp(event: TlpEvent): void;
}

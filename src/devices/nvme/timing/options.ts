/**
 * The figures of a drive's media, as a data sheet has them, and what follows from them where nobody says.
 *
 * A missing figure costs nothing, so `{}` is a drive that answers at once. Times are picoseconds, rates GB/s (bytes a
 * nanosecond), IOPS commands a second; Infinity is no limit.
 */
import { DeviceError } from '../options.ts';

export interface MediaTimingOptions {
  /** Largest read and write rate of the media path; reads and writes share it. Default Infinity. */
  readonly readGBs?: number;
  readonly writeGBs?: number;
  /** Rate of the data of one write command, however idle the drive is. Default Infinity: it can use the whole drive. */
  readonly commandWriteGBs?: number;
  /** Commands a second that the controller can do, reads alone and writes alone. Default Infinity. */
  readonly readIops?: number;
  readonly writeIops?: number;
  /** A small read of an idle drive, from the controller taking it up to its first byte leaving the media; tR is in it. Default 0. */
  readonly readLatencyPs?: number;
  /** A small write of an idle drive, from its last byte arriving to its completion: into the cache where there is one. Default 0. */
  readonly writeLatencyPs?: number;
  /** Default 8. */
  readonly channels?: number;
  /** On each channel: units that work alone, so planes count where they do. Default 32. */
  readonly dies?: number;
  /** Write cache; 0: none, a write is on the media when it completes. Default 0. */
  readonly cacheBytes?: number;
  /** Share of the throughput that a load of half reads, half writes loses, 0 to below 1. Default 0. */
  readonly mixedPenalty?: number;

  /** From the cache to the media; default `writeGBs`. Less than that is a cache that fills under load. */
  readonly drainGBs?: number;
  /** What a die reads at once. Default 16 KiB. */
  readonly pageBytes?: number;
  /**
   * tR. Default: half of `readLatencyPs`, and never so long that the dies could not do twice `readIops`: the data sheet has
   * been measured with these dies.
   */
  readonly readPs?: number;
  /** tProg. Default: ten times `readPs` as in TLC, and never so long that the dies could not do 1.25 times the drain. */
  readonly programPs?: number;
  /** What a die programs at once. Default 4 pages. */
  readonly programBytes?: number;
  /** Each channel. Default: all together 1.5 times `readGBs`. */
  readonly channelGBs?: number;
  /** Longest that a read waits for a program of its die, which is suspended then. Default 0: in `mixedPenalty`. */
  readonly suspendPs?: number;
  /** An admin command. Default `writeLatencyPs`: no media are involved. */
  readonly adminPs?: number;
  /** Data of a read leave in so many pieces at most, each as soon as it is off the media, and none below a page. Default 8. */
  readonly piecesMax?: number;
}

/** Nothing missing, and as the model works with it: picoseconds a byte and picoseconds a command. */
export interface ResolvedMediaTiming {
  readonly readPsPerByte: number;
  readonly writePsPerByte: number;
  readonly commandWritePsPerByte: number;
  readonly readCommandPs: number;
  readonly writeCommandPs: number;
  readonly readLatencyPs: number;
  readonly writeLatencyPs: number;
  readonly channels: number;
  readonly dies: number;
  readonly cacheBytes: number;
  readonly mixedPenalty: number;
  /** The dies' own limit is in it. */
  readonly drainPsPerByte: number;
  readonly pageBytes: number;
  readonly readPs: number;
  readonly programPs: number;
  readonly programBytes: number;
  readonly channelPsPerByte: number;
  readonly suspendPs: number;
  readonly adminPs: number;
  readonly piecesMax: number;
}

const PS_PER_S = 1e12;
/** 1 GB/s is a byte a nanosecond. */
const PS_OF_GBS = 1000;

/** @throws {DeviceError} DEVICE_OPTIONS when no drive could be so */
export function resolveMediaTiming(options: MediaTimingOptions): ResolvedMediaTiming {
  const readGBs = rate('readGBs', options.readGBs ?? Number.POSITIVE_INFINITY);
  const writeGBs = rate('writeGBs', options.writeGBs ?? Number.POSITIVE_INFINITY);
  const commandWriteGBs = rate('commandWriteGBs', options.commandWriteGBs ?? Number.POSITIVE_INFINITY);
  const readIops = rate('readIops', options.readIops ?? Number.POSITIVE_INFINITY);
  const writeIops = rate('writeIops', options.writeIops ?? Number.POSITIVE_INFINITY);
  const drainGBs = rate('drainGBs', options.drainGBs ?? writeGBs);
  const readLatencyPs = time('readLatencyPs', options.readLatencyPs ?? 0);
  const writeLatencyPs = time('writeLatencyPs', options.writeLatencyPs ?? 0);
  const channels = count('channels', options.channels ?? 8, 1024);
  const dies = count('dies', options.dies ?? 32, 65_536);
  const units = channels * dies;
  const pageBytes = count('pageBytes', options.pageBytes ?? 16_384, 2 ** 24);
  const programBytes = count('programBytes', options.programBytes ?? 4 * pageBytes, 2 ** 30);
  const unlimited = Number.POSITIVE_INFINITY;
  const readPsMax = readIops === unlimited ? unlimited : (units * PS_PER_S) / (2 * readIops);
  const readPs = time('readPs', options.readPs ?? Math.min(readLatencyPs / 2, readPsMax));
  if (readPs > readLatencyPs) {
    refuse('readPs', readPs, `at most readLatencyPs (${readLatencyPs}), which it is part of`);
  }
  const programPsMax =
    drainGBs === unlimited ? unlimited : (units * programBytes * PS_OF_GBS) / (1.25 * drainGBs);
  const programPs = time('programPs', options.programPs ?? Math.min(10 * readPs, programPsMax));
  const channelGBs = rate('channelGBs', options.channelGBs ?? (1.5 * readGBs) / channels);
  const mixedPenalty = options.mixedPenalty ?? 0;
  if (!(mixedPenalty >= 0 && mixedPenalty < 1)) {
    refuse('mixedPenalty', mixedPenalty, 'a share from 0 to below 1');
  }
  const cacheBytes = options.cacheBytes ?? 0;
  if (!(cacheBytes >= 0)) {
    refuse('cacheBytes', cacheBytes, '0 or more bytes');
  }
  return {
    readPsPerByte: PS_OF_GBS / readGBs,
    writePsPerByte: PS_OF_GBS / writeGBs,
    commandWritePsPerByte: PS_OF_GBS / commandWriteGBs,
    readCommandPs: PS_PER_S / readIops,
    writeCommandPs: PS_PER_S / writeIops,
    readLatencyPs,
    writeLatencyPs,
    channels,
    dies,
    cacheBytes,
    mixedPenalty,
    drainPsPerByte: Math.max(PS_OF_GBS / drainGBs, programPs / (units * programBytes)),
    pageBytes,
    readPs,
    programPs,
    programBytes,
    channelPsPerByte: PS_OF_GBS / channelGBs,
    suspendPs: time('suspendPs', options.suspendPs ?? 0),
    adminPs: time('adminPs', options.adminPs ?? writeLatencyPs),
    piecesMax: count('piecesMax', options.piecesMax ?? 8, 1024),
  };
}

function rate(name: string, value: number): number {
  return value > 0 ? value : refuse(name, value, 'more than 0');
}

function time(name: string, value: number): number {
  return value >= 0 && value < Number.POSITIVE_INFINITY
    ? value
    : refuse(name, value, '0 or more picoseconds');
}

function count(name: string, value: number, max: number): number {
  return Number.isInteger(value) && value >= 1 && value <= max
    ? value
    : refuse(name, value, `a whole number from 1 to ${max}`);
}

function refuse(name: string, value: unknown, wanted: string): never {
  throw new DeviceError('DEVICE_OPTIONS', {
    message: `NVMe option timing.${name} is ${String(value)}, not ${wanted}`,
    detail: { option: `timing.${name}`, value, wanted },
    hint: 'see docs/lab-file.md for the media of a drive',
  });
}

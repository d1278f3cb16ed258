/**
 * What the media of a drive and its controller cost in time: channels with dies, the controller's pipeline, the bandwidth of
 * the media path, the write cache and its drain.
 *
 * It answers with moments and counts how busy each part was; nothing waits here (`io/media-clock.ts` does) and no byte is
 * moved. Leaves out garbage collection, wear and reads that the write cache could answer. Follows section 13 of the timing
 * model (docs/timing.md). Read `options.ts` first, then `media-timing.ts`.
 */
export { AdminDelay } from './admin-delay.ts';
export { MEDIA_PARTS, type MediaPart, MediaTiming, type MediaUtilisation } from './media-timing.ts';
export type { MediaTimingOptions } from './options.ts';

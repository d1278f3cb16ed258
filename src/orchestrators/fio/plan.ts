/** A job on a target whose size is known: areas in bytes, and whether it can be done at all. */
import type { BlockTarget } from '../../access/index.ts';
import type { FioJob } from './job-options.ts';
import { FioError } from './job-text.ts';
import type { JobPlan } from './job-work.ts';
import type { Extent } from './values.ts';

export function extentBytes(extent: Extent, wholeBytes: number): number {
  return 'bytes' in extent ? extent.bytes : Math.floor((wholeBytes * extent.percent) / 100);
}

/** How large a file has to be for a job; undefined when that follows from the file itself. */
export function neededBytes(job: FioJob): number | undefined {
  const { size, offset, offsetIncrement, numjobs } = job;
  return size === undefined || 'percent' in size || 'percent' in offset || 'percent' in offsetIncrement
    ? undefined
    : offset.bytes + offsetIncrement.bytes * (numjobs - 1) + size.bytes;
}

/**
 * @param index  of `numjobs`, from 0
 * @throws {FioError} FIO_SETUP
 */
export function planJob(job: FioJob, index: number, target: BlockTarget): JobPlan {
  const refuse = (what: string, hint: string): never => {
    throw new FioError('FIO_SETUP', {
      message: `job ${job.name} (line ${job.line}): ${what}`,
      hint,
      detail: { job: job.name, line: job.line },
    });
  };
  const { sizeBytes, blockBytes, label, maxTransferBytes } = target;
  const sizes = [...(job.reads ? [job.readBytes] : []), ...(job.writes ? [job.writeBytes] : [])];
  for (const size of sizes) {
    if (size % blockBytes !== 0) {
      refuse(
        `bs of ${size} bytes is no multiple of the ${blockBytes}-byte blocks of ${label}`,
        `use a multiple of ${blockBytes}`,
      );
    }
    if (size > maxTransferBytes) {
      refuse(`bs of ${size} bytes is more than ${label} takes at once`, `use at most ${maxTransferBytes}`);
    }
  }
  const start = extentBytes(job.offset, sizeBytes) + index * extentBytes(job.offsetIncrement, sizeBytes);
  // A percentage is rounded to whole blocks; bytes are taken as they are.
  const offsetBytes =
    'percent' in job.offset || 'percent' in job.offsetIncrement ? start - (start % blockBytes) : start;
  if (offsetBytes % blockBytes !== 0) {
    refuse(
      `an offset of ${offsetBytes} is no multiple of the ${blockBytes}-byte blocks of ${label}`,
      `use a multiple of ${blockBytes}`,
    );
  }
  const areaBytes = job.size === undefined ? sizeBytes - offsetBytes : extentBytes(job.size, sizeBytes);
  if (!(offsetBytes + areaBytes <= sizeBytes)) {
    refuse(
      `${areaBytes} bytes at ${offsetBytes} do not lie within ${label}, which has ${sizeBytes} bytes`,
      'use a smaller size or offset',
    );
  }
  if (areaBytes < Math.max(...sizes)) {
    refuse(`an area of ${areaBytes} bytes does not hold one block`, 'use a larger size, or a smaller bs');
  }
  if (job.writes && target.isReadOnly) {
    refuse(`${label} is not open for writing`, 'name something that can be written');
  }
  const smallest = Math.min(...sizes);
  const wanted = (job.ioBytes ?? areaBytes) * job.loops;
  const bytesMax = Math.max(smallest, wanted - (wanted % smallest));
  return {
    offsetBytes,
    areaBytes,
    readBytes: job.readBytes,
    writeBytes: job.writeBytes,
    isRandom: job.isRandom,
    isMapped: job.isMapped,
    readPercent: job.readPercent,
    bytesMax: job.isTimeBased ? undefined : bytesMax,
    iosMax: job.iosMax,
    durationNs: job.runtimeNs,
    // Each of numjobs goes its own way, the same one every time.
    seed: (job.seed + Math.imul(index, 0x9e37_79b1)) >>> 0,
  };
}

/** Jobs that run side by side, from one stonewall to the next, with the group that each is reported in. */
export function wavesOf(
  jobs: readonly FioJob[],
): readonly (readonly { readonly job: FioJob; readonly group: number }[])[] {
  const waves: { job: FioJob; group: number }[][] = [];
  let group = 0;
  for (const [i, job] of jobs.entries()) {
    if (i > 0 && (job.stonewall || job.newGroup)) {
      group++;
    }
    if (i === 0 || job.stonewall) {
      waves.push([]);
    }
    waves.at(-1)!.push({ job, group });
  }
  return waves;
}

/**
 * Commands of a namespace that move no block data through a span, as tasks: write zeroes, write uncorrectable, verify,
 * deallocate, copy; and any command as 64 bytes.
 *
 * Ranges of any length: they are cut to what the controller takes in one command, and sent one after the other, so that
 * after a failure everything below it is done (`detail.movedBytes`). Offsets and lengths are in bytes and whole blocks. Follows NVM Command Set
 * 1.1, section 3.3.
 */
import type { Span, Task } from '../../access/index.ts';
import { NvmeError } from '../../base/index.ts';
import {
  bytesOf,
  CDW0,
  COPY_CDW12,
  COPY_FORMATS,
  COPY_RANGE_ELBT_16B,
  COPY_RANGE_ELBT_WIDE,
  COPY_RANGE_NLB,
  COPY_RANGE_SLBA,
  COPY_RANGE_SNSID,
  DSM_CDW10,
  DSM_CDW11,
  DSM_RANGE_BYTES,
  DSM_RANGE_LLB,
  DSM_RANGE_SLBA,
  DSM_RANGES_MAX,
  GUARD_FORMAT,
  IO_CDW12,
  LBT_CDW3,
  LBT_CDW14,
  NSID,
  NVM_OPCODE,
  PRINFO,
  PROTECTION_TYPE,
  SLBA,
  WRITE_ZEROES_CDW12,
} from '../../spec/nvme/index.ts';
import { type CommandResult, checkResult, lostResult } from './command-result.ts';
import { Command, type MappedData } from './command-runner.ts';
import type { Engine } from './engine.ts';
import type { NamespaceIdentity } from './identify.ts';
import type { Loss, QueuePair } from './queue-pair.ts';

/** NLB has 16 bits and is 0's based. */
const COMMAND_BLOCKS_MAX = 65_536;
/** A range of Dataset Management has 32 bits. */
const RANGE_BLOCKS_MAX = 0xffff_ffff;

/** What these commands need of their namespace. */
export interface CommandSite {
  readonly label: string;
  readonly identity: NamespaceIdentity;
  /** Closing waits from here to `leave`. @returns why no command may begin; null when one may */
  enter(data: MappedData | null): Loss | null;
  leave(data: MappedData | null): void;
  mappedData(span: Span, spanOffset: number, lengthBytes: number): MappedData;
  pickQueue(): QueuePair | undefined;
}

export interface BlockRange {
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface CopySource extends BlockRange {
  /** Default the namespace that is copied to. */
  readonly nsid?: number;
}

/** A part of a span. */
export interface SpanRange {
  readonly span: Span;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export class NamespaceCommands {
  readonly #site: CommandSite;
  readonly #engine: Engine;

  constructor(site: CommandSite, engine: Engine) {
    this.#site = site;
    this.#engine = engine;
  }

  /**
   * Any I/O command. CID and, with `data`, the data pointer are the driver's; everything else goes out as it is, the NSID
   * included.
   * @param data a buffer (what the command takes, and where what it leaves is put), a part of a span, or null
   * @throws {PeerlaneError} when the span cannot be mapped; the outcome of the command is a value
   */
  *submit(sqe: Uint8Array, data: Uint8Array | SpanRange | null = null): Task<CommandResult> {
    const isRange = data !== null && 'span' in data;
    const mapped = isRange ? this.#site.mappedData(data.span, data.offsetBytes, data.lengthBytes) : null;
    const loss = this.#site.enter(mapped);
    if (loss !== null) {
      return lostResult(loss);
    }
    try {
      const queue = this.#site.pickQueue();
      if (queue === undefined) {
        return lostResult('failed');
      }
      const { runner } = this.#engine;
      return data === null || isRange
        ? yield* runner.run(queue, sqe, mapped)
        : yield* runner.runWithBuffer(queue, sqe, data);
    } finally {
      this.#site.leave(mapped);
    }
  }

  /**
   * @param options.deallocate  the controller may take the blocks' space back
   * @throws {NvmeError} NVME_RANGE, NVME_COMMAND (`detail.movedBytes`: done for certain), or the error of a loss
   */
  *writeZeroes(
    offsetBytes: number,
    lengthBytes: number,
    options: { readonly deallocate?: boolean; readonly isDurable?: boolean } = {},
  ): Task<void> {
    yield* this.#inPieces(
      NVM_OPCODE.WRITE_ZEROES,
      'Write Zeroes',
      { offsetBytes, lengthBytes },
      this.#engine.limits.writeZeroesBytesMax,
      (view) => {
        WRITE_ZEROES_CDW12.DEAC.write(view, options.deallocate === true ? 1 : 0);
        WRITE_ZEROES_CDW12.FUA.write(view, options.isDurable === true ? 1 : 0);
        WRITE_ZEROES_CDW12.PRINFO.write(view, this.#printInfo() & PRINFO.PRACT);
      },
    );
  }

  /** Makes blocks unreadable until they are written again. @throws as `writeZeroes` */
  *writeUncorrectable(offsetBytes: number, lengthBytes: number): Task<void> {
    yield* this.#inPieces(
      NVM_OPCODE.WRITE_UNCORRECTABLE,
      'Write Uncorrectable',
      { offsetBytes, lengthBytes },
      this.#engine.limits.writeUncorrectableBytesMax,
      () => {},
    );
  }

  /** Has the controller read the blocks without sending them. @throws as `writeZeroes` */
  *verify(offsetBytes: number, lengthBytes: number): Task<void> {
    const { transferBytesMax } = this.#engine.identity;
    yield* this.#inPieces(
      NVM_OPCODE.VERIFY,
      'Verify',
      { offsetBytes, lengthBytes },
      this.#engine.limits.verifyBytesMax ?? transferBytesMax,
      (view) => IO_CDW12.PRINFO.write(view, this.#printInfo()),
    );
  }

  /** Tells the controller that nobody needs these blocks. @throws as `writeZeroes` */
  *deallocate(ranges: readonly BlockRange[]): Task<void> {
    const { limits } = this.#engine;
    const blocksMax = Math.min(limits.deallocateBlocksMax ?? RANGE_BLOCKS_MAX, RANGE_BLOCKS_MAX);
    const countMax = Math.min(limits.deallocateRangesMax ?? DSM_RANGES_MAX, DSM_RANGES_MAX);
    const pieces = ranges.flatMap((range) => this.#cut(range, blocksMax));
    let movedBytes = 0;
    for (let at = 0; at < pieces.length; at += countMax) {
      const batch = pieces.slice(at, at + countMax);
      const bytes = new Uint8Array(batch.length * DSM_RANGE_BYTES);
      const view = new DataView(bytes.buffer);
      for (const [i, piece] of batch.entries()) {
        DSM_RANGE_LLB.setValue(view, piece.blocks, i * DSM_RANGE_BYTES);
        DSM_RANGE_SLBA.setValue(view, piece.lba, i * DSM_RANGE_BYTES);
      }
      const command = this.#command(NVM_OPCODE.DATASET_MANAGEMENT);
      DSM_CDW10.NR.write(command.view, batch.length - 1);
      DSM_CDW11.AD.write(command.view, 1);
      yield* this.#checked(command, 'Dataset Management', bytes, movedBytes);
      movedBytes += this.#bytesOf(batch);
    }
  }

  /**
   * Copies ranges, one after the other, to consecutive blocks of this namespace, inside the controller.
   *
   * @param sources           all of one block size, which is this namespace's
   * @param options.format    descriptor format; default 0 or 1 for sources of this namespace, 2 or 3 for others
   * @throws {NvmeError} NVME_UNSUPPORTED when the controller does not take the format; otherwise as `writeZeroes`
   */
  *copy(
    sources: readonly CopySource[],
    targetOffsetBytes: number,
    options: { readonly format?: number } = {},
  ): Task<void> {
    const { identity } = this.#site;
    const isCross = sources.some(({ nsid }) => nsid !== undefined && nsid !== identity.nsid);
    const isWide = (identity.protection?.format ?? GUARD_FORMAT.GUARD_16B) !== GUARD_FORMAT.GUARD_16B;
    const format = options.format ?? (isCross ? 2 : 0) + (isWide ? 1 : 0);
    const layout = COPY_FORMATS[format];
    if (layout === undefined || (this.#engine.identity.copyFormats & (1 << format)) === 0) {
      throw new NvmeError('NVME_UNSUPPORTED', {
        message: `${this.#site.label} does not take Copy descriptors of format ${format}`,
        hint: 'copy through memory instead',
        detail: { format, supported: this.#engine.identity.copyFormats },
        exitStatus: 3,
      });
    }
    const rangeMax = identity.copyRangeBlocksMax || COMMAND_BLOCKS_MAX;
    const pieces = sources.flatMap((source) =>
      this.#cut(source, Math.min(rangeMax, COMMAND_BLOCKS_MAX)).map((piece) => ({
        ...piece,
        nsid: source.nsid ?? identity.nsid,
      })),
    );
    const blocksMax = identity.copyBlocksMax || Number.POSITIVE_INFINITY;
    const countMax = Math.min(identity.copyRangesMax, 256);
    let movedBytes = 0;
    let at = 0;
    while (at < pieces.length) {
      const batch: (typeof pieces)[number][] = [];
      let blocks = 0;
      while (at < pieces.length && batch.length < countMax && blocks + pieces[at]!.blocks <= blocksMax) {
        blocks += pieces[at]!.blocks;
        batch.push(pieces[at++]!);
      }
      if (batch.length === 0) {
        throw this.#rangeError('a range is longer than all that one Copy takes (MSSRL above MCL)');
      }
      const bytes = new Uint8Array(batch.length * layout.rangeBytes);
      const view = new DataView(bytes.buffer);
      for (const [i, piece] of batch.entries()) {
        const base = i * layout.rangeBytes;
        COPY_RANGE_SLBA.setValue(view, piece.lba, base);
        COPY_RANGE_NLB.setValue(view, piece.blocks - 1, base);
        if (layout.crossNamespace) {
          COPY_RANGE_SNSID.setValue(view, piece.nsid, base);
        }
        this.#writeExpectedTag(view, base, piece.lba, layout.wideTags);
      }
      const command = this.#command(NVM_OPCODE.COPY);
      SLBA.setValue(command.view, this.#lba(targetOffsetBytes + movedBytes));
      COPY_CDW12.NR.write(command.view, batch.length - 1);
      COPY_CDW12.CDF.write(command.view, format);
      COPY_CDW12.PRINFOR.write(command.view, this.#printInfo());
      COPY_CDW12.PRINFOW.write(command.view, this.#printInfo());
      this.#writeTag(command.view, this.#lba(targetOffsetBytes + movedBytes));
      const result = yield* this.submit(command.bytes, bytes);
      // Dword 0 of a failed Copy is the number of ranges that were copied for certain.
      const certain = batch.slice(0, Math.min(result.dw0, batch.length));
      this.#check(result, 'Copy', movedBytes + this.#bytesOf(certain));
      movedBytes += this.#bytesOf(batch);
    }
  }

  *#inPieces(
    opcode: number,
    what: string,
    range: BlockRange,
    bytesMax: number | null,
    fill: (view: DataView) => void,
  ): Task<void> {
    const { blockBytes } = this.#site.identity;
    const byLimit = Math.max(1, Math.floor((bytesMax ?? Number.POSITIVE_INFINITY) / blockBytes));
    let movedBytes = 0;
    for (const piece of this.#cut(range, Math.min(byLimit, COMMAND_BLOCKS_MAX))) {
      const command = this.#command(opcode);
      SLBA.setValue(command.view, piece.lba);
      IO_CDW12.NLB.write(command.view, piece.blocks - 1);
      fill(command.view);
      this.#writeTag(command.view, piece.lba);
      yield* this.#checked(command, what, null, movedBytes);
      movedBytes += piece.blocks * blockBytes;
    }
  }

  #command(opcode: number): Command {
    const command = new Command(opcode);
    CDW0.OPC.write(command.view, opcode);
    NSID.setValue(command.view, this.#site.identity.nsid);
    return command;
  }

  *#checked(command: Command, what: string, data: Uint8Array | null, movedBytes: number): Task<void> {
    this.#check(yield* this.submit(command.bytes, data), what, movedBytes);
  }

  #check(result: CommandResult, what: string, movedBytes: number): void {
    checkResult(result, this.#site.label, what, { movedBytes });
  }

  /** Whole blocks, in pieces. @throws {NvmeError} NVME_RANGE */
  #cut(range: BlockRange, blocksMax: number): { readonly lba: number; readonly blocks: number }[] {
    let lba = this.#lba(range.offsetBytes);
    let left = range.lengthBytes / this.#site.identity.blockBytes;
    if (!Number.isSafeInteger(left) || left < 0) {
      throw this.#rangeError(`${range.lengthBytes} bytes are not whole blocks`);
    }
    const pieces: { lba: number; blocks: number }[] = [];
    while (left > 0) {
      const blocks = Math.min(left, blocksMax);
      pieces.push({ lba, blocks });
      lba += blocks;
      left -= blocks;
    }
    return pieces;
  }

  #lba(offsetBytes: number): number {
    const lba = offsetBytes / this.#site.identity.blockBytes;
    if (!Number.isSafeInteger(lba) || lba < 0) {
      throw this.#rangeError(`${offsetBytes} is not the start of a block`);
    }
    return lba;
  }

  #bytesOf(pieces: readonly { readonly blocks: number }[]): number {
    return pieces.reduce((sum, { blocks }) => sum + blocks, 0) * this.#site.identity.blockBytes;
  }

  #rangeError(why: string): NvmeError {
    return new NvmeError('NVME_RANGE', {
      message: `${this.#site.label}: ${why}`,
      hint: `use multiples of ${this.#site.identity.blockBytes}`,
    });
  }

  /** PRINFO where the controller keeps protection information by itself. */
  #printInfo(): number {
    const { protection } = this.#site.identity;
    if (protection?.isAll !== true) {
      return 0;
    }
    const byTag = protection.type === PROTECTION_TYPE.TYPE_3 ? 0 : PRINFO.PRCHK_REFERENCE_TAG;
    return PRINFO.PRACT | PRINFO.PRCHK_GUARD | byTag;
  }

  #referenceBits(): number {
    const { protection } = this.#site.identity;
    return protection?.isAll !== true || protection.type === PROTECTION_TYPE.TYPE_3
      ? 0
      : protection.referenceBits;
  }

  #writeTag(view: DataView, lba: number): void {
    const bits = this.#referenceBits();
    if (bits > 0) {
      LBT_CDW14.LBTL.write(view, lba % 2 ** Math.min(32, bits));
      LBT_CDW3.LBTU.write(view, bits > 32 ? Math.floor(lba / 2 ** 32) % 2 ** Math.min(32, bits - 32) : 0);
    }
  }

  /** The expected tag of a source range: a dword, or 80 bits with the most significant byte first. */
  #writeExpectedTag(view: DataView, base: number, lba: number, isWide: boolean): void {
    const bits = this.#referenceBits();
    if (bits === 0) {
      return;
    }
    if (!isWide) {
      COPY_RANGE_ELBT_16B.setValue(view, lba % 2 ** Math.min(32, bits), base);
      return;
    }
    const bytes = bytesOf(COPY_RANGE_ELBT_WIDE, view, base);
    let rest = bits >= 53 ? lba : lba % 2 ** bits;
    for (let i = bytes.length - 1; i >= 0; i--) {
      bytes[i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
}

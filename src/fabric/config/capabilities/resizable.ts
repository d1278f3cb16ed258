/** Resizable BAR. PCIe Base 6.0, 7.8.6. */
import { assert } from '../../../base/index.ts';
import {
  EXTENDED_ID,
  RESIZABLE_BAR_CAPABILITY,
  RESIZABLE_BAR_CONTROL,
  RESIZABLE_BAR_ENTRY,
  RESIZABLE_BAR_HEADER,
} from '../../../spec/pcie/index.ts';
import type { BarDescription } from '../../model.ts';
import type { ConfigDraft } from '../config-draft.ts';

const UNIT_BYTES = 2 ** 20;
/** 128 TiB: the largest size in the first register. */
const SIZE_CODE_MAX = 27;

function sizeCode(sizeBytes: number): number {
  const code = Math.log2(sizeBytes / UNIT_BYTES);
  assert(code % 1 === 0 && code >= 0 && code <= SIZE_CODE_MAX, 'a BAR cannot be resized to this', {
    sizeBytes,
  });
  return code;
}

/** Adds the capability when a BAR offers sizes. A size that is not offered is not taken over. */
export function addResizableBars(draft: ConfigDraft, bars: readonly BarDescription[]): void {
  const resizable = bars.filter((bar) => (bar.resizableTo?.length ?? 0) > 0);
  if (resizable.length === 0) {
    return;
  }
  const base = draft.extended(
    'rebar',
    EXTENDED_ID.RESIZABLE_BAR,
    1,
    RESIZABLE_BAR_HEADER,
    'rebar',
    RESIZABLE_BAR_HEADER.sizeBytes + RESIZABLE_BAR_ENTRY.sizeBytes * resizable.length,
  );
  resizable.forEach((description, position) => {
    const entry = base + RESIZABLE_BAR_HEADER.sizeBytes + RESIZABLE_BAR_ENTRY.sizeBytes * position;
    const sizes = new Set([...(description.resizableTo ?? []), description.sizeBytes].map(sizeCode));
    const supported = [...sizes].reduce((sum, code) => sum + 2 ** code, 0);
    draft
      .place(RESIZABLE_BAR_ENTRY, entry, 'rebar')
      .set(RESIZABLE_BAR_CAPABILITY.Supported_Sizes, supported, entry)
      .set(RESIZABLE_BAR_CONTROL.BAR_Index, description.index, entry)
      .set(RESIZABLE_BAR_CONTROL.BAR_Size, sizeCode(description.sizeBytes), entry)
      .set(RESIZABLE_BAR_CONTROL.Number_of_Resizable_BARs, position === 0 ? resizable.length : 0, entry)
      .rule(entry + RESIZABLE_BAR_CONTROL.offset, (space, before) => {
        const code = RESIZABLE_BAR_CONTROL.BAR_Size.read(space.view, entry);
        if (!sizes.has(code)) {
          space.set(RESIZABLE_BAR_CONTROL.BAR_Size, RESIZABLE_BAR_CONTROL.BAR_Size.of(before), entry);
        } else if (code !== RESIZABLE_BAR_CONTROL.BAR_Size.of(before)) {
          space.resizeBar(space.bar(description.index)!, UNIT_BYTES * 2 ** code);
        }
        return undefined;
      });
  });
}

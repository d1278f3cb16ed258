/** Tells a lab file from other text by its marker. */

/** The first key of a lab file. */
export const LAB_MARKER = 'peerlane';
export const LAB_VERSION = 'lab/1';

const MARKER_LINE = /^(?:\uFEFF)?["']?peerlane["']?[ \t]*:[ \t]*["']?lab\/\d/m;

/** The marker is looked for in so many characters; comments may stand before it. */
const HEAD_MAX = 65_536;

/** True for text that says `peerlane: lab/…` at the start of a line, of whatever version. */
export function looksLikeLab(text: string): boolean {
  return MARKER_LINE.test(text.slice(0, HEAD_MAX));
}

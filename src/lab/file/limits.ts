/** How much a lab file may ask for. A real machine is far below; a hostile file must not be able to do harm. */

/** Characters of text. */
export const TEXT_MAX = 1 << 20;
/** Levels of blocks and brackets, in the text and with aliases followed. */
export const DEPTH_MAX = 100;
/** Values after aliases were followed. */
export const VALUES_MAX = 100_000;
/** Functions of a machine, VFs not counted. */
export const LAB_FUNCTIONS_MAX = 4096;
/** Problems that one error tells. */
export const PROBLEMS_MAX = 20;

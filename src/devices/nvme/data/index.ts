/**
 * The payload of commands: data pointers (PRP and SGL), metadata pointers, and moving bytes between the controller's
 * memory and where they point.
 *
 * Leaves out what the bytes mean, and limits on their number. Follows NVM Express Base 2.1, sections 4.1.1 and 4.3. Read
 * `data-engine.ts` first.
 */
export { DataEngine, type DataServices, WINDOW } from './data-engine.ts';
export { DESCRIPTORS_MAX } from './sgl.ts';

/**
 * hwloc XML (`lstopo topology.xml`, formats 1, 2 and 3) to a `Machine`.
 *
 * Leaves out on purpose: caches, cores and memory. hwloc keeps only devices that do I/O and the bridges above them, and
 * nothing of their registers, so ACS, BARs and most link rates stay unknown. Follows the hwloc 2.11 reference, "Importing
 * and exporting topologies from/to XML files", and what its releases write. Read `read-hwloc.ts` first.
 */
export { readHwloc } from './read-hwloc.ts';

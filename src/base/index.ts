/**
 * Foundations: the error base, assertions, PCI addresses, the six kinds of memory address, layout tables, seeded
 * random numbers.
 *
 * Leaves out on purpose: anything that knows a specification, a machine or the host. Read `layout.ts` first; every
 * register table in `spec` is made with it.
 */
export * from './address.ts';
export * from './assert.ts';
export * from './bdf.ts';
export * from './errors.ts';
export * from './layout.ts';
export * from './random.ts';

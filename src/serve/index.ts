/**
 * What speaks to the outside: devices of the simulated machine for programs that nobody here wrote.
 *
 * Leaves out on purpose: where devices come from (whoever calls has a lab) and what is printed. Read `vfio-user/index.ts`.
 */
export * from './nvme-tcp/index.ts';
export * from './vfio-user/index.ts';

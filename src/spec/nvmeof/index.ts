/**
 * NVMe over Fabrics as tables: the fabrics commands, the discovery log page, status codes; the PDUs of NVMe/TCP and the messages
 * of in-band authentication.
 *
 * Leaves out on purpose: any behaviour, and whatever NVM Express over PCIe has as well (`spec/nvme`). Follows NVM Express Base 2.1,
 * NVMe over TCP Transport 1.1 and NVMe over RDMA Transport 1.1; section numbers stand beside each table. Read `commands.ts` first.
 */
export * from './auth-messages.ts';
export * from './commands.ts';
export * from './discovery.ts';
export * from './status.ts';
export * from './tcp-pdu.ts';

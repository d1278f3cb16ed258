/**
 * Device models that plug into the fabric: what they are to a machine is an `EndpointModel` each.
 *
 * `nvme/` is a drive with controller memory, `memory/` a function whose BARs are plain memory, `dma-engine/` the simplest
 * client of peer memory, `accelerator/` a drive that computes in its controller memory. A model knows its registers and does DMA through the port it is given; config space, routing and
 * interrupts are the fabric's. Leaves out drivers, which share spec tables with the models and nothing else. Read
 * `memory/memory-endpoint.ts` first, then `nvme/controller.ts`.
 */
export * from './accelerator/index.ts';
export * from './dma-engine/index.ts';
export * from './memory/index.ts';
export * from './nvme/index.ts';
export * from './rnic/index.ts';

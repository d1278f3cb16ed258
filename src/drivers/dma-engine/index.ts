/** Driver of the DMA engine. Registers: `spec/dma-engine`. Read `dma-engine-driver.ts`. */
export * from './dma-engine-driver.ts';

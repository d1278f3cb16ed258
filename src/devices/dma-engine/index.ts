/** The DMA engine, the simplest client of peer memory. Registers: `spec/dma-engine`. Read `dma-engine.ts`. */
export * from './dma-engine.ts';

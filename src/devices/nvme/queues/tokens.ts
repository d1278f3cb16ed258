/** DMA tokens of a controller: who gets `onDma`. Below TOKEN_QUEUES they are slots of commands. */
export const TOKEN_QUEUES = 0x1_0000;
/** Plus the id of a submission queue: its entries have arrived. */
export const TOKEN_FETCH = 0x1_0000;
/** Completion entries or EventIdx were taken: only counted. */
export const TOKEN_POSTED = 0x2_0000;
/** Plus the number of a doorbell: its shadow has arrived. */
export const TOKEN_SHADOW = 0x4_0000;

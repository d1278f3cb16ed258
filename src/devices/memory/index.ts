/** The plain memory endpoint. Read `memory-endpoint.ts`. */
export * from './memory-endpoint.ts';

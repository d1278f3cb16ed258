/** Driver of the accelerator. The command is `spec/accelerator`. Read `accelerator-driver.ts`. */
export * from './accelerator-driver.ts';

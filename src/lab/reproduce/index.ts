/** Headlines of the founding texts, run on the spot. Read `headlines.ts`; the machines are in `labs.ts`. */
export { HEADLINES, type Headline } from './headlines.ts';
export { type HeadlineResult, runHeadline } from './run.ts';

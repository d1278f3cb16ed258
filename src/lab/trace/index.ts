/**
 * Traces of a workload: what was busy when, for the Perfetto UI, and every packet of every link, for Wireshark.
 *
 * `Tracer` listens to a machine and a run and hands all it hears to sinks (`events.ts` lists what there is to hear); the two
 * sinks write bytes through a function of the caller and stop at a size. Nothing is spent on a run that nobody traces. What the
 * tracks mean is docs/tracing.md. Leaves out what `report` does: the formats.
 */
export type { TraceSink } from './events.ts';
export { LimitedOutput } from './limited-output.ts';
export { PerfettoRecorder } from './perfetto-recorder.ts';
export { TlpRecorder } from './tlp-recorder.ts';
export { Tracer } from './tracer.ts';

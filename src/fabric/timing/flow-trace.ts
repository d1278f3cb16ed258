/** Tells a listener of a request: its trains on every stage, from the first packet's start there to the end of its service. */
import { NO_REQUEST, type TimingListener } from './engine.ts';
import { classOf, type Shape, type Train } from './flow-shape.ts';
import type { TimedPath } from './path.ts';

export function traceRequest(
  listener: TimingListener,
  path: TimedPath,
  shape: Shape,
  request: number,
  addr: number,
  startPs: number,
  endPs: number,
): void {
  const tell = (train: Train, headStartsPs: Float64Array, laterPs: number): void => {
    const packetClass = classOf(path, train === shape.completion);
    for (let j = 0; j < headStartsPs.length; j++) {
      const afterPs = laterPs + headStartsPs[j]!;
      listener.onOccupied(
        train.leg.stages[j]!.id,
        startPs + afterPs,
        endPs + afterPs,
        train.wireBytes[j]!,
        request,
        packetClass,
        addr,
        shape.lengthBytes,
        NO_REQUEST,
      );
    }
  };
  tell(shape.request, shape.requestTimes.headStartsPs, 0);
  if (shape.completion !== null) {
    const back = shape.completionTimes!;
    tell(shape.completion, back.headStartsPs, shape.idlePs - back.arrivedPs);
  }
}

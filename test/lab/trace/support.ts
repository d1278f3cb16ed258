import { type FabricFunction, noTurn, type TlpEvent } from '../../../src/fabric/index.ts';
import {
  LabMachine,
  type LabTraffic,
  labTraffic,
  PerfettoRecorder,
  parseLab,
  TlpRecorder,
  Tracer,
  type TraceSink,
  WorkloadRun,
} from '../../../src/lab/index.ts';

export const P2P_COPY = `
peerlane: lab/1
cpu: intel
iommu: off
memory: 16G
below:
  - switch: sw0
    id: 11f8:8536
    link: gen3 x16
    port-link: gen3 x4
    below:
      - nvme: nvme0
        link: gen3 x4
        cmb: 128M
        namespaces: 8G
      - nvme: nvme1
        link: gen3 x4
        namespaces: 8G
workload:
  warm-up: 0ms
  streams:
    - copy: nvme0
      to: nvme1
      via: auto
      block: 16K
      depth: 4
      count: 40
      start: 1ms
      pattern: sequential
      area: 64M
`;

export interface Traced {
  readonly machine: LabMachine;
  readonly run: WorkloadRun;
  readonly traffic: LabTraffic;
  /** What answers to configuration reads added to the traffic of the link below a port. */
  readonly configBytesUp: (port: FabricFunction) => number;
  /** Packets that crossed links while it was traced. */
  readonly packets: number;
  readonly perfetto: Uint8Array;
  readonly pcap: Uint8Array;
  readonly tlps: TlpRecorder | null;
  readonly tracer: Tracer;
}

/** Runs the workload of a lab with all recorders, to its end and until nothing is in flight. */
export async function traceLab(
  text: string,
  engine: 'tlp' | 'flow' = 'tlp',
  limitBytes = 2 ** 28,
): Promise<Traced> {
  const lab = parseLab(text, 'trace.yaml');
  const machine = LabMachine.boot(lab, { label: 'trace.yaml', timing: { engine }, turn: noTurn });
  const run = new WorkloadRun(machine, lab.workload!);
  // Interrupts of the drivers' last commands are still on their way: nobody would know whose they are.
  while (machine.fabric.inFlight.count > 0) {
    machine.queue.runUntilIdle(1);
  }
  machine.fabric.counters.reset();
  machine.fabric.timing!.resetCounts();
  // A driver looks at config space now and then, which is counted and takes no time.
  const configReads: TlpEvent[] = [];
  machine.fabric.listener = {
    onTlp: (event) => {
      if (event.kind === 'CfgRd0') {
        configReads.push(event);
      }
    },
  };
  const perfetto: Uint8Array[] = [];
  const pcap: Uint8Array[] = [];
  const sinks: TraceSink[] = [new PerfettoRecorder(machine, (bytes) => perfetto.push(bytes), limitBytes)];
  const tlps = engine === 'tlp' ? new TlpRecorder(machine, (bytes) => pcap.push(bytes), limitBytes) : null;
  if (tlps !== null) {
    sinks.push(tlps);
  }
  const tracer = new Tracer(machine, run, sinks);
  while (!run.advance(1e6)) {}
  while (machine.fabric.inFlight.count > 0) {
    machine.queue.runUntilIdle(1);
  }
  const traffic = labTraffic(machine);
  const packets = machine.fabric
    .timing!.network.linkStages()
    .reduce((sum, { up, down }) => sum + up.packets + down.packets, 0);
  machine.fabric.listener = null;
  tracer.close();
  await run.close();
  const configBytesUp = (port: FabricFunction): number =>
    configReads
      .filter(({ path }) => path.includes(port))
      .reduce((sum, { firstEnables }) => sum + firstEnables.toString(2).replaceAll('0', '').length, 0);
  return {
    machine,
    run,
    traffic,
    configBytesUp,
    packets,
    perfetto: joined(perfetto),
    pcap: joined(pcap),
    tlps,
    tracer,
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

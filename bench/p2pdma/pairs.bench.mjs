// Distance and map type of all ordered pairs of a machine, into typed arrays: machines of 256 and of 4,096 functions.
//
// Prints medians beside their floor and goal, and what the largest run adds to resident memory. Each size is measured in a
// process of its own, because memory is only told apart that way. Exit status 1 when a floor is missed.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { judge, judgeAll, rulesFor } from '../../dist/p2pdma/index.js';
import { MachineIndex } from '../../dist/topology/index.js';

/** Floor and goal in ms, memory bound in MB (DESIGN.md, "Speed"; issue 2, section 5). */
const SIZES = [
  { functions: 256, floorMs: 50, goalMs: 10, boundMb: 300, repeats: 60 },
  { functions: 4096, floorMs: 2000, goalMs: 2000, boundMb: 300, repeats: 5 },
];

const size = SIZES.find((entry) => String(entry.functions) === process.argv[2]);
if (size === undefined) {
  let failed = 0;
  for (const { functions } of SIZES) {
    const self = fileURLToPath(import.meta.url);
    const result = spawnSync(process.execPath, ['--expose-gc', self, String(functions)], {
      stdio: 'inherit',
    });
    failed += result.status === 0 ? 0 : 1;
  }
  process.exit(failed === 0 ? 0 : 1);
}

const machine = bigMachine(size.functions);
const rules = rulesFor('7.2.12');
globalThis.gc?.();
const residentBefore = process.memoryUsage().rss;
const times = [];
let table;
for (let i = 0; i < size.repeats; i++) {
  table = undefined;
  // Only where the tables are large: a forced collection also throws away the compiled code that is being measured.
  if (size.functions > 1000) globalThis.gc?.();
  // A fresh index each time: what is worked out once a machine belongs to the figure.
  const index = new MachineIndex(machine);
  const start = process.hrtime.bigint();
  table = judgeAll(index, rules);
  times.push(Number(process.hrtime.bigint() - start) / 1e6);
}
const peakMb = (process.resourceUsage().maxRSS * 1024 - residentBefore) / 1e6;
const sorted = [...times].sort((a, b) => a - b);
const median = sorted[sorted.length >> 1];

const index = new MachineIndex(machine);
const { bdf: provider } = machine.functions[size.functions - 1];
judge(index, rules, provider, provider);
const perPairStart = process.hrtime.bigint();
const asked = Math.min(size.functions, 2000);
for (let i = 0; i < asked; i++) {
  judge(index, rules, provider, machine.functions[i].bdf);
}
const perPairUs = Number(process.hrtime.bigint() - perPairStart) / 1e3 / asked;

const kinds = new Map();
for (const code of table.mapType) kinds.set(code, (kinds.get(code) ?? 0) + 1);
const spread = [...kinds].sort().map(([code, count]) => `${code}:${count}`);
const pairs = size.functions ** 2;
console.log(
  `${size.functions} functions, ${pairs} pairs: ${median.toFixed(2)} ms median of ${times.length} ` +
    `(best ${sorted[0].toFixed(2)}, first ${times[0].toFixed(2)}; floor ${size.floorMs}, goal ${size.goalMs}), ` +
    `${((median * 1e6) / pairs).toFixed(1)} ns a pair, peak +${peakMb.toFixed(0)} MB (bound ${size.boundMb}); ` +
    `judge with reasons ${perPairUs.toFixed(1)} us a pair; map types ${spread.join(' ')}`,
);
process.exit(median <= size.floorMs && peakMb <= size.boundMb ? 0 : 1);

/** Host bridges with root ports, two levels of switches and endpoints; some ports redirect. */
function bigMachine(count) {
  const functions = [];
  let bridgeNumber = 0;
  while (functions.length < count) {
    const hostBridge = `pci${hex(bridgeNumber++, 4)}:00`;
    const domain = bridgeNumber - 1;
    let bus = 1;
    const add = (busNumber, device, fn, more) => {
      if (functions.length < count)
        functions.push(makeFunction(domain, busNumber, device, fn, hostBridge, more));
      return address(domain, busNumber, device, fn);
    };
    add(0, 0, 0, { deviceId: domain % 2 === 0 ? 0x2030 : 0x9999, pcieType: null });
    for (let portAt = 1; portAt <= 4; portAt++) {
      const root = add(0, portAt, 0, { pcieType: 'root-port', headerType: 1 });
      const upstreamBus = bus++;
      const upstream = add(upstreamBus, 0, 0, { parent: root, pcieType: 'switch-upstream', headerType: 1 });
      const downstreamBus = bus++;
      for (let down = 0; down < 8; down++) {
        const acs =
          down % 3 === 0 ? { offset: 256, capability: 0x5f, control: 0x1d, egressVector: null } : null;
        const downstream = add(downstreamBus, down, 0, {
          parent: upstream,
          pcieType: 'switch-downstream',
          headerType: 1,
          acs,
        });
        const endpointBus = bus++;
        add(endpointBus, 0, 0, { parent: downstream });
        add(endpointBus, 0, 1, { parent: downstream });
      }
    }
  }
  return {
    source: { kind: 'lab', label: 'bench', privileged: true },
    functions,
    hostBridges: [],
    cpu: { vendor: 'intel', family: 6, model: 85, name: undefined, architecture: 'x86', sockets: 2 },
    kernel: { release: '7.2.12', commandLine: '', config: undefined, moduleParameters: {} },
    iommu: { mode: 'off', driver: undefined },
    isVirtual: false,
    gaps: [],
    findings: [],
  };
}

function makeFunction(domain, bus, device, fn, hostBridge, more) {
  return {
    bdf: address(domain, bus, device, fn),
    hostBridge,
    parent: null,
    hiddenAbove: false,
    physicalFunction: null,
    vendorId: 0x8086,
    deviceId: 0x1234,
    headerType: 0,
    pcieType: 'endpoint',
    isGone: false,
    acs: null,
    ...more,
  };
}

function address(domain, bus, device, fn) {
  return `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${fn}`;
}

function hex(value, digits) {
  return value.toString(16).padStart(digits, '0');
}

/**
 * A machine comes up: what a BIOS and then Linux do to config space before drivers see it, by config cycles alone.
 *
 * In order: find functions and number buses, size base address registers, place them and the windows of bridges, payload
 * and tags, ACS, virtual functions. Memory decoding and bus mastering of endpoints are left to their drivers; bridges get
 * both. What does not fit is reported, never thrown. The same machine gives the same result.
 */
import { type BdfParts, formatBdf } from '../../base/index.ts';
import { SECONDARY_BUS_NUMBER, SUBORDINATE_BUS_NUMBER } from '../../spec/pci/index.ts';
import { DEVICE_CONTROL } from '../../spec/pcie/index.ts';
import { acsWithIommu, setUpAcs } from './acs-setup.ts';
import { AddressPool } from './address-pool.ts';
import { type AssignContext, assignBus, forEachBelow, type Ranges, rootRanges } from './assign.ts';
import type { ConfigCycles, FunctionCycles } from './config-cycles.ts';
import { type BridgeWindows, readWindows, windowFor } from './demand.ts';
import { setUpDevices } from './device-setup.ts';
import type {
  AssignedBar,
  FirmwareFunction,
  FirmwareMachine,
  FirmwareOptions,
  FirmwareProblem,
  FirmwareReport,
  UnassignedBar,
} from './report.ts';
import { probePort, type ScanContext, type ScannedFunction, scanBus } from './scan.ts';
import { sizeFunction } from './size-bars.ts';
import { enableVirtualFunctions } from './virtual-setup.ts';

const SPARE_BUSES = 1;
const SPARE_BYTES = 2 * 2 ** 20;

class Session {
  readonly functions: FirmwareFunction[] = [];
  readonly assigned: AssignedBar[] = [];
  readonly unassigned: UnassignedBar[] = [];
  readonly problems: FirmwareProblem[] = [];
  readonly log: string[] = [];
  readonly #machine: ConfigCycles;
  readonly #options: FirmwareOptions;

  constructor(machine: ConfigCycles, options: FirmwareOptions) {
    this.#machine = machine;
    this.#options = options;
  }

  scan(
    domain: number,
    bus: number,
    nextBus: number,
    lastBus: number,
    bridge: ScannedFunction | null,
  ): { readonly context: ScanContext; readonly top: readonly ScannedFunction[] } {
    const context: ScanContext = {
      machine: this.#machine,
      domain,
      nextBus,
      lastBus,
      spareBuses: this.#options.spareBuses ?? SPARE_BUSES,
      functions: [],
      problems: this.problems,
      log: this.log,
    };
    return { context, top: scanBus(context, bus, bridge) };
  }

  /** Addresses for what a scan found. */
  assign(context: ScanContext, top: readonly ScannedFunction[], ranges: Ranges): void {
    for (const fn of context.functions) {
      sizeFunction(fn, this.#options, this.problems);
    }
    const assignContext: AssignContext = {
      spare: {
        memoryBytes: this.#options.spareMemoryBytes ?? SPARE_BYTES,
        prefetchableBytes: this.#options.sparePrefetchableBytes ?? SPARE_BYTES,
      },
      problems: this.problems,
      unassigned: this.unassigned,
      log: this.log,
    };
    assignBus(top, ranges, assignContext);
    for (const { bdf, bars } of context.functions) {
      for (const bar of bars) {
        if (bar.address !== null) {
          this.assigned.push({
            bdf,
            barIndex: bar.index,
            isVirtualFunctionBar: bar.isVirtual,
            kind: bar.kind,
            is64Bit: bar.is64Bit,
            isPrefetchable: bar.isPrefetchable,
            address: bar.address,
            sizeBytes: bar.sizeBytes,
          });
        }
      }
    }
  }

  /** Everything that is not an address. @param above payload code of the port above; null on a root bus */
  setUp(context: ScanContext, top: readonly ScannedFunction[], above: number | null): void {
    for (const { bdf } of setUpDevices(top, this.#options, above)) {
      const text = 'takes less payload than its port sends';
      this.problems.push({ bdf, code: 'payload-too-large', text });
      this.log.push(`${bdf}: ${text}`);
    }
    const acsFor = this.#options.acsFor ?? acsWithIommu;
    const virtual: FirmwareFunction[] = [];
    forEachBelow(top, (fn) => {
      setUpAcs(plainFunction(fn), fn.cycles, acsFor, this.log);
      for (const vf of enableVirtualFunctions(context, fn, this.#options)) {
        virtual.push(vf.fn);
        setUpAcs(vf.fn, vf.cycles, acsFor, this.log);
      }
    });
    this.functions.push(...context.functions.map(plainFunction), ...virtual);
  }

  report(): FirmwareReport {
    const { functions, assigned, unassigned, problems, log } = this;
    return { functions, assigned, unassigned, problems, log };
  }
}

function plainFunction(fn: ScannedFunction): FirmwareFunction {
  const { bdf, address, vendorId, deviceId, classCode, isBridge, portType, physicalFunction, parent } = fn;
  return { bdf, address, vendorId, deviceId, classCode, isBridge, portType, physicalFunction, parent };
}

/** Brings a machine up after power on: every host bridge, in the order given. */
export function enumerate(machine: FirmwareMachine, options: FirmwareOptions = {}): FirmwareReport {
  const session = new Session(machine, options);
  for (const bridge of machine.hostBridges) {
    const { context, top } = session.scan(
      bridge.domain,
      bridge.rootBus,
      bridge.rootBus + 1,
      bridge.lastBus,
      null,
    );
    session.assign(context, top, rootRanges(bridge));
    session.setUp(context, top, null);
  }
  return session.report();
}

/**
 * Brings up what was plugged in below a port, with the buses and the room that were kept there: nothing outside of the
 * port's windows changes.
 */
export function assignHotAdded(
  machine: ConfigCycles,
  portAddress: BdfParts,
  options: FirmwareOptions = {},
): FirmwareReport {
  const session = new Session(machine, options);
  const port = probePort(machine, portAddress);
  const secondary = port?.cycles.get(SECONDARY_BUS_NUMBER) ?? 0;
  if (port === null || port.windows === null || secondary === 0) {
    session.problems.push({
      bdf: formatBdf(portAddress),
      code: 'not-a-port',
      text: 'no bridge with a bus behind it',
    });
    return session.report();
  }
  const { cycles, windows } = port;
  const lastBus = cycles.get(SUBORDINATE_BUS_NUMBER);
  const { context, top } = session.scan(portAddress.domain, secondary, secondary + 1, lastBus, port);
  session.assign(context, top, portRanges(cycles, windows));
  const above =
    port.express === 0 ? null : DEVICE_CONTROL.Max_Payload_Size.of(cycles.get(DEVICE_CONTROL, port.express));
  session.setUp(context, top, above);
  return session.report();
}

/** What a port passes on now. */
function portRanges(cycles: FunctionCycles, windows: BridgeWindows): Ranges {
  const ranges = readWindows(cycles, windows);
  return {
    pools: () => {
      const pools = {
        io: new AddressPool(ranges.io),
        memory: new AddressPool(ranges.memory),
        prefetchable: new AddressPool(ranges.prefetchable),
      };
      return {
        poolsFor: (demand) => {
          const kind = windowFor(windows, demand);
          return kind === null || pools[kind].isEmpty ? [] : [pools[kind]];
        },
      };
    },
  };
}

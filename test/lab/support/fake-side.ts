// The processor's side of a machine of config spaces only: nothing behind them does anything.
import { formatBdf, toBdf } from '../../../src/base/index.ts';
import {
  type ConfigSpace,
  EventQueue,
  type FunctionDescription,
  functionConfig,
  type HostBridgeFacts,
  hostBridgeConfig,
  type MachineSide,
  type PortDescription,
  portConfig,
} from '../../../src/fabric/index.ts';

export class FakeSide implements MachineSide {
  readonly queue = new EventQueue();
  readonly hostBridges: readonly HostBridgeFacts[];
  readonly #spaces = new Map<string, ConfigSpace>();

  constructor(
    hostBridges: readonly Partial<HostBridgeFacts>[],
    spaces: Readonly<Record<string, ConfigSpace>>,
  ) {
    this.hostBridges = hostBridges.map((bridge) => ({
      domain: 0,
      rootBusNumber: 0,
      lastBus: 255,
      numaNode: 0,
      addressOffset: 0,
      windows: [],
      ...bridge,
    }));
    for (const [at, space] of Object.entries(spaces)) {
      this.#spaces.set(toBdf(at)!, space);
    }
  }

  at(address: string): ConfigSpace {
    return this.#spaces.get(toBdf(address)!)!;
  }

  configRead(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    length: number,
  ): number {
    const space = this.#spaces.get(formatBdf({ domain, bus, device, function: fn }));
    return space === undefined || offset >= space.sizeBytes
      ? 2 ** (8 * length) - 1
      : space.read(offset, length as 1 | 2 | 4);
  }

  configWrite(
    domain: number,
    bus: number,
    device: number,
    fn: number,
    offset: number,
    length: number,
    value: number,
  ): void {
    this.#spaces
      .get(formatBdf({ domain, bus, device, function: fn }))
      ?.write(offset, length as 1 | 2 | 4, value);
  }

  cpuRead(): number {
    return 0xffff_ffff;
  }
  cpuWrite(): void {}
  cpuWriteBytes(): void {}

  cpuReadBytes(): void {
    throw new Error('no memory here');
  }
}

export const hostBridge = () => hostBridgeConfig({ vendorId: 0x8086, deviceId: 0x2020 });

/** With its bus numbers. */
export function port(
  kind: PortDescription['kind'],
  secondary: number,
  subordinate: number,
  more: Partial<PortDescription> = {},
): ConfigSpace {
  const space = portConfig({
    kind,
    vendorId: 0x8086,
    deviceId: 0x2030,
    subsystem: { vendorId: 0x8086, deviceId: 0x0101 },
    portNumber: 1,
    slot: null,
    acs: null,
    linkSpeedGTs: 16,
    linkWidth: 16,
    maxPayloadBytes: 512,
    hasAer: true,
    isMultiFunction: false,
    ...more,
  });
  space.write(0x19, 1, secondary);
  space.write(0x1a, 1, subordinate);
  return space;
}

export function endpoint(
  more: Partial<FunctionDescription> = {},
  isRootComplexIntegrated = false,
): ConfigSpace {
  return functionConfig(
    {
      vendorId: 0x144d,
      deviceId: 0xa80a,
      subsystemVendorId: 0x144d,
      subsystemDeviceId: 0xa801,
      revision: 2,
      classCode: 0x010802,
      bars: [],
      interruptPin: 0,
      msix: null,
      msiVectorCount: 0,
      express: {
        maxPayloadBytes: 512,
        canExtendTags: true,
        canResetFunction: true,
        hasAer: true,
        hasAts: false,
        hasPri: false,
        acs: null,
        linkSpeedGTs: 8,
        linkWidth: 4,
      },
      sriov: null,
      serialNumber: null,
      ...more,
    },
    { isRootComplexIntegrated },
  );
}

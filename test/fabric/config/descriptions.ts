// Random functions and ports, as a lab could describe them.
import fc from 'fast-check';
import type { PortDescription } from '../../../src/fabric/config/index.ts';
import type {
  BarDescription,
  EndpointModel,
  ExpressDescription,
  FunctionDescription,
} from '../../../src/fabric/model.ts';

/** Zero and ffff mean nobody. */
const word = fc.integer({ min: 1, max: 0xfffe });

/** A set of BARs at places that fit, a 64-bit one taking two. */
export const barsArbitrary = (indicesMax = 6): fc.Arbitrary<BarDescription[]> =>
  fc
    .array(
      fc.record({
        type: fc.constantFrom('absent', 'io', 'm32', 'm64'),
        sizeLog: fc.integer({ min: 4, max: 43 }),
        isPrefetchable: fc.boolean(),
        rebar: fc.array(fc.integer({ min: 20, max: 40 }), { maxLength: 4 }),
      }),
      { minLength: 6, maxLength: 6 },
    )
    .map((choices) => {
      const bars: BarDescription[] = [];
      let index = 0;
      for (const choice of choices) {
        const is64Bit = choice.type === 'm64';
        if (index + (is64Bit ? 2 : 1) > indicesMax) {
          break;
        }
        if (choice.type !== 'absent') {
          const sizeLog =
            choice.type === 'io' ? 2 + (choice.sizeLog % 7) : Math.min(choice.sizeLog, is64Bit ? 43 : 31);
          const isResizable = is64Bit && sizeLog >= 20 && choice.rebar.length > 0;
          bars.push({
            index,
            kind: choice.type === 'io' ? 'io' : 'memory',
            sizeBytes: 2 ** sizeLog,
            is64Bit,
            isPrefetchable: choice.type !== 'io' && choice.isPrefetchable,
            regions: [],
            ...(isResizable ? { resizableTo: choice.rebar.map((log) => 2 ** log) } : {}),
          });
        }
        index += is64Bit ? 2 : 1;
      }
      return bars;
    });

export const neverCreated = (): EndpointModel => {
  throw new Error('config space makes no virtual functions');
};

const expressArbitrary: fc.Arbitrary<ExpressDescription> = fc.record({
  maxPayloadBytes: fc.constantFrom(128, 256, 512, 1024, 2048, 4096),
  canExtendTags: fc.boolean(),
  canResetFunction: fc.boolean(),
  hasAer: fc.boolean(),
  hasAts: fc.boolean(),
  hasPri: fc.boolean(),
  acs: fc.option(fc.nat(0x7f), { nil: null }),
  linkSpeedGTs: fc.constantFrom(2.5, 5, 8, 16, 32, 64),
  linkWidth: fc.constantFrom(1, 2, 4, 8, 16),
});

export const functionArbitrary: fc.Arbitrary<FunctionDescription> = fc.record({
  vendorId: word,
  deviceId: word,
  subsystemVendorId: word,
  subsystemDeviceId: word,
  revision: fc.nat(0xff),
  classCode: fc.constantFrom(0x010802, 0x020000, 0x030200, 0x120000, 0x058000),
  bars: barsArbitrary(),
  interruptPin: fc.nat(4),
  msix: fc.option(
    fc.record({
      vectorCount: fc.integer({ min: 1, max: 2048 }),
      tableBar: fc.nat(5),
      tableOffsetBytes: fc.nat(0xffff).map((n) => n * 8),
      pendingBar: fc.nat(5),
      pendingOffsetBytes: fc.nat(0xffff).map((n) => n * 8),
    }),
    { nil: null },
  ),
  msiVectorCount: fc.constantFrom(0, 1, 2, 4, 8, 16, 32),
  express: fc.option(expressArbitrary, { nil: null, freq: 8 }),
  sriov: fc.option(
    fc.record({
      totalVfs: fc.integer({ min: 1, max: 256 }),
      firstVfOffset: fc.integer({ min: 1, max: 300 }),
      vfStride: fc.integer({ min: 1, max: 4 }),
      vfDeviceId: word,
      bars: barsArbitrary().map((bars) => bars.filter((bar) => bar.kind === 'memory')),
      createVf: fc.constant(neverCreated),
    }),
    { nil: null },
  ),
  serialNumber: fc.option(fc.record({ low: fc.nat(0xffff_ffff), high: fc.nat(0xffff_ffff) }), { nil: null }),
});

const flag = fc.boolean();

export const portArbitrary: fc.Arbitrary<PortDescription> = fc.record({
  kind: fc.constantFrom(
    'root-port',
    'switch-upstream',
    'switch-downstream',
    'pcie-to-pci-bridge',
    'pci-bridge',
  ),
  vendorId: word,
  deviceId: word,
  revision: fc.nat(0xff),
  subsystem: fc.option(fc.record({ vendorId: word, deviceId: word }), { nil: null }),
  portNumber: fc.nat(255),
  slot: fc.option(
    fc.record({
      physicalNumber: fc.nat(0x1fff),
      isHotPlugCapable: flag,
      isSurpriseCapable: flag,
      hasPowerController: flag,
      hasAttentionButton: flag,
      hasIndicators: flag,
    }),
    { nil: null },
  ),
  acs: fc.option(
    fc.record({
      capability: fc.nat(0x7f),
      firmwareControl: fc.nat(0xffff),
      egressVectorBits: fc.integer({ min: 1, max: 256 }),
    }),
    { nil: null },
  ),
  linkSpeedGTs: fc.constantFrom(2.5, 5, 8, 16, 32, 64),
  linkWidth: fc.constantFrom(1, 2, 4, 8, 16),
  maxPayloadBytes: fc.constantFrom(128, 256, 512, 1024, 2048, 4096),
  hasAer: flag,
  isMultiFunction: flag,
  ioWindow: fc.constantFrom('16-bit', '32-bit', 'none'),
  prefetchableWindow: fc.constantFrom('32-bit', '64-bit', 'none'),
  bars: barsArbitrary(2),
  msiVectorCount: fc.constantFrom(0, 1, 32),
  interruptPin: fc.nat(4),
  hasVirtualChannel: flag,
  serialNumber: fc.record({ low: fc.nat(0xffff_ffff), high: fc.nat(0xffff_ffff) }),
});

/**
 * Whether the packets of one end are small enough for everything they pass. Linux sets Max_Payload_Size to suit a device
 * and the bridge above it, not two devices to each other; a packet that is larger than its receiver's is malformed (PCIe
 * Base 6.0, 2.2.2 and 7.5.3.4; Linux drivers/pci/probe.c, pci_configure_mps).
 */
import type { PhysicalRoute } from '../../p2pdma/index.ts';
import type { MachineFunction } from '../../topology/index.ts';
import { nameOf, type PairContext } from '../pair-context.ts';
import { physicalOf } from '../path-links.ts';
import { makeReason, type Reason } from '../reason-codes.ts';
import { hex16, maxPayloadBytes } from '../registers.ts';

/** Through the root complex packets may be cut anew, so only what turns round below it is judged. */
export function payloadReasons(context: PairContext): Reason[] {
  const { client, provider, physical } = context;
  return [
    ...tooLarge(context, client, physical.write, 'writes'),
    ...tooLarge(context, provider, physical.read, 'read completions'),
  ];
}

function tooLarge(
  context: PairContext,
  sender: MachineFunction,
  route: PhysicalRoute,
  what: string,
): Reason[] {
  // Functions of one device reach each other without a link.
  const crossesLinks = route.outcome === 'direct' && route.hops.length > 2;
  const sent = payloadOf(context, sender);
  if (!crossesLinks || sent === undefined) {
    return [];
  }
  const receivers = route.hops.flatMap((hop) =>
    hop === sender.bdf ? [] : context.path.filter((fn) => fn.bdf === hop),
  );
  const tightest = receivers
    .map((fn) => ({ fn, takes: payloadOf(context, fn) ?? Number.POSITIVE_INFINITY }))
    .sort((a, b) => a.takes - b.takes)[0];
  if (tightest === undefined || tightest.takes >= sent) {
    return [];
  }
  const { fn, takes } = tightest;
  return [
    makeReason('PAYLOAD_SIZE_MISMATCH', {
      at: fn.bdf,
      evidence: {
        register: 'Device Control',
        value: hex16(physicalOf(context.index, fn).deviceControl!),
      },
      detail: `${nameOf(sender)} may send ${what} of ${sent} bytes, and ${fn.bdf} takes ${takes}: a larger packet is malformed to it and ends as a fatal error`,
      hint: 'boot with pci=pcie_bus_safe (one size below each root port) or pci=pcie_bus_peer2peer (128 bytes everywhere); the kernel does not look at this',
    }),
  ];
}

/** Max_Payload_Size as set; a VF's fields are reserved, its PF's count. */
function payloadOf(context: PairContext, fn: MachineFunction): number | undefined {
  return maxPayloadBytes(physicalOf(context.index, fn).deviceControl);
}

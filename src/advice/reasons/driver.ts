/** What drivers offer and need: peer memory at the provider, a client that takes it (Linux drivers/nvme/host, block, mm/gup.c). */
import type { MachineFunction } from '../../topology/index.ts';
import { isAtLeast, isHeldForOthers, nameOf, type PairContext } from '../pair-context.ts';
import { physicalOf } from '../path-links.ts';
import { makeReason, type Reason } from '../reason-codes.ts';
import { DEVICE_CONTROL_RELAXED_ORDERING, hex16, sizeText } from '../registers.ts';

export function driverReasons(context: PairContext): Reason[] {
  return [
    ...offerReasons(context),
    ...allocateReasons(context),
    ...multipathReasons(context),
    ...passedThroughReasons(context),
    ...orderingReasons(context),
  ];
}

function offerReasons(context: PairContext): Reason[] {
  const { provider } = context;
  const memory = provider.p2pmem;
  if (memory === undefined) {
    return [];
  }
  if (memory === null) {
    // Where there is no memory BAR, that is said already.
    if (provider.bars?.every((bar) => bar.kind !== 'memory' || bar.index > 5) === true) {
      return [];
    }
    return [
      makeReason('DRIVER_NOT_PROVIDER', {
        at: provider.bdf,
        evidence: { register: 'driver', value: provider.driver ?? 'none' },
        detail: `${nameOf(provider)} offers no peer memory to the kernel (no p2pmem folder)${notOffered(provider)}`,
        hint: offerHint(provider),
      }),
    ];
  }
  const reasons: Reason[] = [];
  if (memory.published === false) {
    reasons.push(
      makeReason('NOT_PUBLISHED', {
        at: provider.bdf,
        evidence: { register: 'p2pmem/published', value: '0' },
        detail: `the peer memory of ${nameOf(provider)} is not published: the kernel does not offer it to others, though p2pmem/allocate works`,
        hint:
          provider.driver === 'nvme'
            ? 'the NVMe driver publishes a buffer only when it supports both read and write data (CMBSZ.RDS and WDS); name this provider explicitly'
            : 'its driver decides; name this provider explicitly',
      }),
    );
  }
  if (memory.availableBytes === 0 && memory.sizeBytes !== 0) {
    reasons.push(
      makeReason('PEER_MEMORY_FULL', {
        at: provider.bdf,
        evidence: { register: 'p2pmem/available', value: '0' },
        detail: `all ${memory.sizeBytes === undefined ? '' : `${sizeText(memory.sizeBytes)} of `}peer memory of ${nameOf(provider)} is in use`,
        hint: 'end the programs that hold it; with nvme, use_cmb_sqs=N keeps submission queues out of it',
      }),
    );
  }
  return reasons;
}

function notOffered(provider: MachineFunction): string {
  if (provider.driver === null) {
    return ': no driver is bound';
  }
  return provider.driver === 'nvme'
    ? ': it found no controller memory buffer that it could use, or could not register it (then the kernel log says why)'
    : provider.driver === undefined
      ? ''
      : `: its driver ${provider.driver} registers none`;
}

function offerHint(provider: MachineFunction): string {
  if (provider.driver === null) {
    return 'bind its driver first';
  }
  return provider.driver === 'nvme'
    ? 'check `nvme show-regs`: a buffer needs 2 MiB and 2 MiB alignment; some drives enable it in firmware only'
    : 'drivers that share device memory in their own way (GPUs with DMA-BUF, RDMA with PeerDirect) need no p2pmem: the verdict still tells whether the way is there';
}

/** User space gets peer memory by `p2pmem/allocate`, from 6.2 on. */
function allocateReasons(context: PairContext): Reason[] {
  const { provider, rules, machine } = context;
  if (provider.p2pmem == null || provider.p2pmem.hasAllocate !== false) {
    return [];
  }
  const isOld = isAtLeast(rules.version, '6.2') === false;
  // A snapshot may have left the file out, which cannot be read.
  if (!isOld && machine.source.kind !== 'live') {
    return [];
  }
  return [
    makeReason('ALLOCATE_MISSING', {
      at: provider.bdf,
      evidence: { register: 'p2pmem/allocate', value: 'absent' },
      detail: `user space cannot get peer memory of ${nameOf(provider)}: there is no p2pmem/allocate${isOld ? ` before Linux 6.2 (this is ${machine.kernel.release ?? rules.id})` : ''}`,
      hint: isOld ? 'boot a kernel from 6.2 on' : 'its driver is being removed',
    }),
  ];
}

/** `nvme0c1n1` is a path that only exists below a multipath head. */
const PATH_DEVICE = /^nvme\d+c\d+n\d+$/;

function multipathReasons(context: PairContext): Reason[] {
  const { client, rules } = context;
  const path = client.classNames.find((known) => PATH_DEVICE.test(known.name));
  if (path === undefined) {
    return [];
  }
  const isNew = isAtLeast(rules.version, '7.2');
  return [
    makeReason('NVME_MULTIPATH', {
      at: client.bdf,
      evidence: { register: 'block device', value: path.name },
      detail:
        isNew === true
          ? `the namespaces of ${nameOf(client)} stand behind a multipath head, which takes peer memory only when every path does`
          : `the namespaces of ${nameOf(client)} stand behind a multipath head, which takes no peer memory before Linux 7.2: O_DIRECT ends with EREMOTEIO`,
      hint:
        isNew === true
          ? 'check that every path reaches the provider'
          : 'boot with nvme_core.multipath=N, or a kernel from 7.2 on',
    }),
  ];
}

function passedThroughReasons(context: PairContext): Reason[] {
  return [...new Set([context.provider, context.client])].filter(isHeldForOthers).map((fn) =>
    makeReason('PASSED_THROUGH', {
      at: fn.bdf,
      evidence: { register: 'driver', value: fn.driver! },
      detail: `${fn.bdf} is held by ${fn.driver} for a guest or a user space driver; this kernel does no DMA with it`,
      hint: 'ask inside the guest, or bind the device to its own driver',
    }),
  );
}

/** Strict ordering cost two thirds of the bandwidth at 400 Gb/s where a measurement is known; below a switch it does not matter. */
function orderingReasons(context: PairContext): Reason[] {
  const { client, verdict } = context;
  const control = physicalOf(context.index, client).deviceControl;
  // Bridges send no writes of their own.
  if (
    client.headerType !== 0 ||
    verdict.mapType !== 'thru-host-bridge' ||
    control == null ||
    (control & DEVICE_CONTROL_RELAXED_ORDERING) !== 0
  ) {
    return [];
  }
  return [
    makeReason('RELAXED_ORDERING_OFF', {
      at: client.bdf,
      evidence: { register: 'Device Control', value: hex16(control) },
      detail: `${nameOf(client)} may not use relaxed ordering, which can cost much of the rate through a host bridge`,
      hint: 'enable relaxed ordering in the firmware setup and in the driver (mlx5: PCI_WR_ORDERING); the kernel clears it on root ports known to mishandle it',
    }),
  ];
}

/** What the kernel's version and build decide, and how sure that is. */
import { lacksOption, type RouteOutcome } from '../../p2pdma/index.ts';
import type { PairContext } from '../pair-context.ts';
import { makeReason, type Reason } from '../reason-codes.ts';

export function kernelReasons(context: PairContext): Reason[] {
  return [...absenceReasons(context), ...doubtReasons(context), ...differenceReasons(context)];
}

function absenceReasons(context: PairContext): Reason[] {
  const { machine, rules } = context;
  const reasons: Reason[] = [];
  if (rules.intervals.every((interval) => !interval.hasP2pdma)) {
    reasons.push(
      makeReason('KERNEL_TOO_OLD', {
        blocks: true,
        evidence: { register: 'kernel release', value: rules.release ?? rules.id },
        detail: `Linux ${rules.release ?? ''} has no peer-to-peer DMA framework: it came with 4.20`,
        hint: 'boot a kernel from 6.2 on to copy from user space, from 4.20 on for nvmet',
      }),
    );
  }
  if (lacksOption(machine, rules) === true) {
    const value = machine.kernel.config?.CONFIG_PCI_P2PDMA ?? 'n';
    reasons.push(
      makeReason('KCONFIG_MISSING', {
        blocks: true,
        evidence: { register: 'CONFIG_PCI_P2PDMA', value },
        detail:
          'this kernel is built without CONFIG_PCI_P2PDMA: every question about peer memory is answered with no',
        hint: 'use a kernel built with CONFIG_PCI_P2PDMA=y (Debian: 7.2 and later; its 6.1 and 6.12 lack it)',
      }),
    );
  }
  return reasons;
}

function doubtReasons(context: PairContext): Reason[] {
  const { rules } = context;
  if (rules.unverified === null) {
    return [];
  }
  return [
    makeReason('UNVERIFIED', {
      evidence: { register: 'kernel release', value: rules.release ?? 'unknown' },
      detail: rules.note,
      hint:
        rules.unverified === 'no-version'
          ? 'name the kernel with --kernel'
          : 'the running kernel has the last word: its log tells when a mapping is refused',
    }),
  ];
}

/** Both answers stand beside each other; this says when they are not the same. */
function differenceReasons(context: PairContext): Reason[] {
  const { verdict, physical } = context;
  const outcomes = [physical.write.outcome, physical.read.outcome];
  const carried = (['write', 'read'] as const).filter((kind) => isCarried(physical[kind].outcome));
  const hasFramework = verdict.rule !== 'kernel-without-p2pdma';
  if (hasFramework && verdict.usable === false && carried.length > 0) {
    const ways = carried.map((kind) => `${kind}: ${physical[kind].detail}`).join('; ');
    const what = carried.length === 2 ? 'it' : `${carried[0]}s`;
    return [
      makeReason('KERNEL_STRICTER', {
        at: verdict.decidedBy,
        detail: `the hardware would carry ${what} (${ways}), the kernel refuses by its rules`,
        hint: 'a driver that does not ask the kernel (vendor GPU drivers, VFIO with user space drivers) may use the way nevertheless',
      }),
    ];
  }
  if (verdict.usable === true && outcomes.includes('blocked')) {
    const blocked = physical.write.outcome === 'blocked' ? physical.write : physical.read;
    return [
      makeReason('HARDWARE_STRICTER', {
        blocks: true,
        at: blocked.at,
        detail: `the kernel accepts the pair, the hardware does not carry it: ${blocked.detail}`,
        hint: 'check with data: `peerlane copy --verify`',
      }),
    ];
  }
  return [];
}

function isCarried(outcome: RouteOutcome): boolean {
  return outcome === 'direct' || outcome === 'redirected' || outcome === 'root-complex';
}

/**
 * Drives that misbehave, below a real kernel: each rule leads to what Linux documents for it (drivers/nvme/host/pci.c, nvme_timeout()
 * and nvme_handle_cqe()), the drive works again afterwards where it can, and neither QEMU nor the server dies of it.
 *
 * One drive for each trial, so that what one leaves behind is no other's. Rules come and go through the control socket.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { vfioUserLabAvailable } from '../cache.ts';
import type { BootResult } from '../vm.ts';
import { expectCleanEnd, type FaultRule, ServedLab } from './served-lab.ts';
import { bootServed, kept } from './served-vm.ts';

type Rule = Omit<FaultRule, 'device'> & { readonly do: string };

interface Trial {
  /** Of the drive, too. */
  readonly name: string;
  readonly rule: Rule;
  /** What is tried while the rule holds, in the guest's shell. Default: a read of 4 KiB. */
  readonly command?: string;
  /** Whether that succeeds in the end. */
  readonly succeeds: boolean;
  /** What the kernel says, each somewhere. */
  readonly says: readonly RegExp[];
  /** The drive is gone for the kernel; otherwise it works afterwards. */
  readonly isGone?: boolean;
}

const TIMED_OUT = /timeout, aborting/;
const RESET = /timeout, (reset|disable) controller/;
const UNKNOWN_COMMAND = /invalid id \d+ completed|genctr mismatch|could not locate request/;

const trials: readonly Trial[] = [
  {
    name: 'slow',
    rule: { do: 'delay', opcode: 'read', delay: '60s' },
    succeeds: true,
    says: [TIMED_OUT, /Abort status: 0x0/],
  },
  {
    name: 'bad',
    rule: { do: 'status', opcode: 'read', status: 'unrecovered-read-error', count: 'forever' },
    succeeds: false,
    says: [/critical medium error/],
  },
  {
    name: 'damaged',
    rule: { do: 'media', lba: '0..7' },
    succeeds: false,
    says: [/critical medium error/],
  },
  {
    name: 'busy',
    rule: { do: 'status', opcode: 'read', status: 'namespace-not-ready', count: 2 },
    succeeds: true,
    says: [],
  },
  { name: 'lost', rule: { do: 'drop', opcode: 'read' }, succeeds: true, says: [TIMED_OUT, RESET] },
  { name: 'phase', rule: { do: 'wrong-phase', opcode: 'read' }, succeeds: true, says: [TIMED_OUT, RESET] },
  {
    name: 'stranger',
    rule: { do: 'wrong-cid', opcode: 'read' },
    succeeds: true,
    says: [UNKNOWN_COMMAND, TIMED_OUT],
  },
  // The driver counts a request's completions in its identifier (nvme_try_complete_req(), nvme_find_rq()).
  { name: 'double', rule: { do: 'twice', opcode: 'read' }, succeeds: true, says: [/genctr mismatch/] },
  {
    name: 'stopped',
    rule: { do: 'fatal', opcode: 'read' },
    succeeds: true,
    says: [/controller is down; will reset: CSTS=0x3/],
  },
  {
    name: 'bits',
    rule: { do: 'flip', direction: 'write', bit: 5 },
    command:
      'read_one bits && mv /tmp/read-bits /tmp/spoilt && read_one bits && cmp -l /tmp/spoilt /tmp/read-bits',
    // Different files are a failure for cmp.
    succeeds: false,
    says: [],
  },
  {
    name: 'pulled',
    rule: { do: 'remove' },
    succeeds: false,
    says: [/controller is down; will reset: CSTS=0xffffffff/],
    isGone: true,
  },
  {
    name: 'down',
    rule: { do: 'link-down' },
    succeeds: false,
    says: [/controller is down; will reset: CSTS=0xffffffff/],
    isGone: true,
  },
];

const lab = `
peerlane: lab/1
memory: 2G
below:
  - switch: sw0
    below:
      - nvme: [${trials.map(({ name }) => name).join(', ')}]
        namespaces: 16M
`;

const script = `
drives="${trials.map(({ name }) => name).join(' ')}"
where=/sys/bus/pci/drivers/nvme
# Seconds, for queues that are made from now on.
echo 2 > /sys/module/nvme_core/parameters/io_timeout
echo 2 > /sys/module/nvme_core/parameters/admin_timeout
for name in $drives; do
  at=$(address $name)
  echo $at > $where/unbind
  echo $at > $where/bind
  wait_for "drive $name"
done

# A dead drive has no size: a read of it ends at once, and well.
read_one() {
  dd if=$(drive $1) of=/tmp/read-$1 bs=4k count=1 iflag=direct status=none && [ $(stat -c %s /tmp/read-$1) = 4096 ]
}
trial() {
  local name=$1 rule=$2
  shift 2
  wait_for "drive $name"
  local node=$(controller $name)
  echo "trial of $name begins" > /dev/kmsg
  host add $name $rule
  keep try-$name eval "$*"
  host remove $name
  echo "trial of $name ends" > /dev/kmsg
  keep again-$name read_one $name
  keep state-$name cat /sys/class/nvme/$node/state
}
${trials
  .map(({ name, rule, command }) => {
    const json = JSON.stringify({ device: name, ...rule });
    return `trial ${name} '${json}' '${command ?? `read_one ${name}`}'`;
  })
  .join('\n')}
# A drive that was pulled out and is back in its slot is found again when the kernel looks.
for name in ${trials
  .filter(({ isGone }) => isGone)
  .map(({ name }) => name)
  .join(' ')}; do
  echo 1 > /sys/bus/pci/devices/$(address $name)/remove
  echo 1 > /sys/bus/pci/rescan
  wait_for "drive $name"
  keep back-$name read_one $name
done
dmesg > $LAB/out/dmesg
`;

const found = vfioUserLabAvailable();
describe.skipIf(!found.ok)(`served drives that fail, and Linux${found.ok ? '' : `: ${found.why}`}`, () => {
  const ids = new Map<string, string>();
  const acted = new Map<string, number>();
  let served: ServedLab | undefined;
  let result: BootResult;
  beforeAll(async () => {
    const server = await ServedLab.start(lab);
    served = server;
    result = await bootServed({
      lab: found.ok ? found.lab : expect.unreachable(),
      served: server,
      calls: {
        add: async ([name = '', ...rule]) => {
          ids.set(name, await server.addFault(JSON.parse(rule.join(' ')) as FaultRule));
          return '';
        },
        remove: async ([name = '']) => {
          const id = ids.get(name)!;
          const entry = (await server.faults()).find((each) => String(each.id) === id);
          acted.set(name, entry?.acted ?? Number.NaN);
          await server.removeFault(id);
          return '';
        },
      },
      script,
      hangLimitMs: 600_000,
    });
    expect(result.status, result.stderr).toBe(0);
  }, 900_000);
  afterAll(() => expectCleanEnd(served));

  /** What the kernel said from the beginning of a trial to its end. */
  function messagesOf(name: string): string {
    const text = result.files.get('dmesg')!.toString();
    const begin = text.indexOf(`trial of ${name} begins`);
    const end = text.indexOf('begins', begin + name.length + 20);
    return text.slice(begin, end === -1 ? undefined : end);
  }

  describe.each(trials.map((trial) => [`${trial.name} (${trial.rule.do})`, trial] as const))(
    '%s',
    (_, { name, succeeds, says, isGone = false }) => {
      it('leads to what Linux documents', () => {
        const { status, err } = kept(result, `try-${name}`);
        expect(status === 0, `${err}\n${messagesOf(name)}`).toBe(succeeds);
        for (const pattern of says) {
          expect(messagesOf(name)).toMatch(pattern);
        }
        expect(acted.get(name)).toBeGreaterThan(0);
      });

      it(
        isGone
          ? 'and the drive is gone, until it is put back and looked for'
          : 'and the drive works afterwards',
        () => {
          const again = kept(result, `again-${name}`);
          if (isGone) {
            expect(again.status).not.toBe(0);
            expect(kept(result, `state-${name}`).out).toBe('dead\n');
            expect(kept(result, `back-${name}`)).toMatchObject({ status: 0, err: '' });
          } else {
            expect(again.status, again.err).toBe(0);
            expect(kept(result, `state-${name}`).out).toBe('live\n');
          }
        },
      );
    },
  );

  it('turns one bit, and no other', () => {
    // cmp -l: place from 1 on, then both bytes in octal.
    const lines = kept(result, 'try-bits').out.trim().split('\n');
    expect(lines).toHaveLength(1);
    const [place, spoilt, whole] = lines[0]!.trim().split(/\s+/);
    expect(place).toBe('1');
    expect(Number.parseInt(spoilt!, 8) ^ Number.parseInt(whole!, 8)).toBe(1 << 5);
  });

  it('shows no fault of the kernel itself', () => {
    expect(result.files.get('dmesg')!.toString()).not.toMatch(/BUG:|Oops|general protection|Call Trace/);
  });
});

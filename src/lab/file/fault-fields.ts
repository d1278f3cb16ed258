/** `faults:` from its fields to `LabFault`s, and back. */
import type * as z from 'zod';
import { LabError } from '../../base/index.ts';
import { ADMIN_OPCODE, NVM_OPCODE, NVME_STATUS } from '../../spec/index.ts';
import { walkNodes } from './checks.ts';
import { block, choice, count, NOT_TAKEN, nameText, scalar } from './field.ts';
import { readFields } from './kind.ts';
import type { LabEndpoint, LabNode } from './lab-device.ts';
import {
  FAULT_ACTIONS,
  FAULT_DIRECTIONS,
  FAULT_TRAFFIC,
  type LabFault,
  type LabFaultAction,
} from './lab-fault.ts';
import type { LabFile } from './lab-file.ts';
import { didYouMean, type LabErrorCode, oneLine } from './problems.ts';
import { duration, printDuration, share } from './quantity.ts';
import type { Report } from './report.ts';
import { isBlock, type LabBlock, type LabPath, type LabValue } from './values.ts';

export const FAULTS_MAX = 256;
const COUNT_MAX = 1e9;

/** `READ` and `read`, `GET_LOG_PAGE` and `get-log-page`. */
const word = (key: string): string => key.toLowerCase().replaceAll('_', '-');

export interface FaultOpcode {
  readonly opcode: number;
  /** Where a name means commands of one kind of queue alone. */
  readonly queue: 'admin' | 'io' | null;
}

const OPCODES: ReadonlyMap<string, FaultOpcode> = new Map<string, FaultOpcode>([
  ...Object.entries(ADMIN_OPCODE).map(
    ([key, opcode]) => [word(key), { opcode, queue: 'admin' as const }] as const,
  ),
  ...Object.entries(NVM_OPCODE).map(
    ([key, opcode]) => [word(key), { opcode, queue: 'io' as const }] as const,
  ),
]);
const STATUSES: ReadonlyMap<string, number> = new Map(
  Object.entries(NVME_STATUS).map(([key, status]) => [word(key), status]),
);

function readNumber(text: string, max: number): number | typeof NOT_TAKEN {
  const value = /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(text) ? Number(text) : -1;
  return value >= 0 && value <= max ? value : NOT_TAKEN;
}

const NUMBER_OR_WORD = { type: ['string', 'integer'] };

const queue = () =>
  scalar(
    'queue; admin, io or the number of one',
    (text): LabFault['queue'] | typeof NOT_TAKEN => {
      if (text === 'admin' || text === 'io') {
        return text;
      }
      const value = readNumber(text, 65_535);
      return value === 0 ? 'admin' : value;
    },
    { ...NUMBER_OR_WORD, examples: ['admin', 'io', 1] },
  );
const opcode = () =>
  scalar(
    'opcode; 0x00 to 0xff or a name such as read, write, flush, identify, get-log-page',
    (text): FaultOpcode | typeof NOT_TAKEN => {
      const named = OPCODES.get(word(text));
      const value = readNumber(text, 0xff);
      return named ?? (value === NOT_TAKEN ? value : { opcode: value, queue: null });
    },
    { ...NUMBER_OR_WORD, examples: ['read', '0x02'] },
  );
const status = () =>
  scalar(
    'status; type and code as 0x001 to 0x7ff, or a name such as unrecovered-read-error, internal-error',
    (text) => STATUSES.get(word(text)) ?? readNumber(text, 0x7ff),
    { ...NUMBER_OR_WORD, examples: ['unrecovered-read-error', '0x281'] },
  );
const LBA_PATTERN = '^[0-9]+([.][.][0-9]+)?$';
const blocks = () =>
  scalar(
    'block or run of blocks like 8 or 0..1023',
    (text) => {
      const match = /^(\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(text);
      const first = Number(match?.[1]);
      const last = Number(match?.[2] ?? match?.[1]);
      return match === null || last < first ? NOT_TAKEN : { first, last };
    },
    { ...NUMBER_OR_WORD, pattern: LBA_PATTERN, examples: ['0..1023'] },
  );
const times = () =>
  scalar(
    `whole number from 1 to ${COUNT_MAX}, or forever`,
    (text) => {
      const value = text === 'forever' ? Number.POSITIVE_INFINITY : readNumber(text, COUNT_MAX);
      return value === 0 ? NOT_TAKEN : value;
    },
    { ...NUMBER_OR_WORD, pattern: '^([0-9]+|forever)$' },
  );

export const faultFields = {
  device: nameText().meta({ description: 'Who does it: the name of a device. Required.' }),
  do: choice(FAULT_ACTIONS).meta({ description: 'What it does. Required.' }),
  queue: queue().optional().meta({
    description: 'Only commands of the admin queue, of I/O queues, or of one queue. Default: of all.',
  }),
  opcode: opcode().optional().meta({
    description: 'Only commands with this opcode; a name means its queue, too. Default: all.',
  }),
  nsid: count(0, 2 ** 32 - 1)
    .optional()
    .meta({ description: 'Only commands to this namespace. Default: to all; of `media` 1.' }),
  lba: blocks().optional().meta({ description: 'Blocks of `media`. Required there.' }),
  skip: count(0, COUNT_MAX).optional().meta({
    description: 'Commands, or transfers of `flip`, that match and pass first. Default: 0.',
  }),
  count: times().optional().meta({ description: 'Times that it happens. Default: 1; of `media` forever.' }),
  probability: share(0.001, 1)
    .optional()
    .meta({ description: 'That it happens, each time it could; drawn from the seed. Default: 1.' }),
  after: duration(0).optional().meta({
    description: 'Not before this time since the machine runs, or since devices are served. Default: 0.',
  }),
  delay: duration(1)
    .optional()
    .meta({ description: 'How long `delay` keeps a command back. Required there.' }),
  status: status().optional().meta({
    description:
      'What commands end with: of `status`, where it is required, and of `media`. Default there: as the media would say.',
  }),
  direction: choice(FAULT_DIRECTIONS).optional().meta({
    description:
      'Of `media`: only what the host reads or writes. Of `flip`: only where the device reads or writes memory. Default: both.',
  }),
  traffic: choice(FAULT_TRAFFIC).optional().meta({
    description: 'Of `flip`: data of commands, or queue entries and lists. Default: data.',
  }),
  bit: count(0, 2 ** 32 - 1)
    .optional()
    .meta({
      description:
        'Which bit `flip` turns, from the first byte of a transfer on; behind its end it goes on at the start. Default: any, drawn from the seed.',
    }),
};
export const faultSchema = block(faultFields);
export type FaultRaw = z.output<typeof faultSchema>;

type FaultKey = keyof typeof faultFields;

const MATCH = ['queue', 'opcode', 'nsid', 'skip', 'probability'] as const;
const COMMAND = [...MATCH, 'count'] as const;

/** What each action takes besides `device`, `do` and `after`, which it must have, and which devices can do it. */
const ACTIONS: Readonly<
  Record<
    LabFaultAction,
    { readonly takes: readonly FaultKey[]; readonly needs: readonly FaultKey[]; readonly of: DeviceNeed }
  >
> = {
  delay: { takes: [...COMMAND, 'delay'], needs: ['delay'], of: 'commands' },
  status: { takes: [...COMMAND, 'status'], needs: ['status'], of: 'commands' },
  drop: { takes: COMMAND, needs: [], of: 'commands' },
  'wrong-phase': { takes: COMMAND, needs: [], of: 'commands' },
  'wrong-cid': { takes: COMMAND, needs: [], of: 'commands' },
  twice: { takes: COMMAND, needs: [], of: 'commands' },
  fatal: { takes: COMMAND, needs: [], of: 'commands' },
  media: { takes: ['nsid', 'lba', 'direction', 'status', 'count'], needs: ['lba'], of: 'commands' },
  flip: {
    takes: ['direction', 'traffic', 'bit', 'skip', 'count', 'probability'],
    needs: [],
    of: 'dma',
  },
  remove: { takes: MATCH, needs: [], of: 'slot' },
  'link-down': { takes: MATCH, needs: [], of: 'slot' },
  'cmb-gone': { takes: MATCH, needs: [], of: 'cmb' },
};

type DeviceNeed = 'commands' | 'dma' | 'slot' | 'cmb';

export interface FaultDevice {
  readonly node: LabEndpoint;
  /** It has a link of its own, which a card is pulled from. */
  readonly isInSlot: boolean;
}

/** Endpoints of a lab by name. */
export function faultDevices(lab: Pick<LabFile, 'hostBridges'>): ReadonlyMap<string, FaultDevice> {
  const devices = new Map<string, FaultDevice>();
  const visit = (nodes: readonly LabNode[], isInSlot: boolean): void => {
    for (const node of nodes) {
      if ('bars' in node) {
        devices.set(node.name, { node, isInSlot });
      } else {
        visit(node.below, node.kind === 'root-port' || node.kind === 'port');
      }
    }
  };
  for (const { below } of lab.hostBridges) {
    visit(below, false);
  }
  return devices;
}

/** What a fault means on these devices; undefined when something was reported. */
export function resolveFault(
  raw: FaultRaw,
  devices: ReadonlyMap<string, FaultDevice>,
  bridges: ReadonlySet<string>,
  report: Report,
): LabFault | undefined {
  let isBad = false;
  const complain = (code: LabErrorCode, path: LabPath, message: string): void => {
    isBad = true;
    report(code, path, message);
  };
  const { takes, needs, of } = ACTIONS[raw.do];
  for (const key of Object.keys(raw) as FaultKey[]) {
    if (raw[key] !== undefined && !takes.includes(key) && !['device', 'do', 'after'].includes(key)) {
      complain(
        'LAB_FAULT',
        [key],
        `${key}: \`do: ${raw.do}\` has none; it may have ${[...takes, 'after'].join(', ')}`,
      );
    }
  }
  for (const key of needs) {
    if (raw[key] === undefined) {
      complain('LAB_FAULT', [], `\`do: ${raw.do}\` needs ${key}, ${EXAMPLES[key]}`);
    }
  }
  const device = devices.get(raw.device);
  if (device === undefined) {
    const isBridge = bridges.has(raw.device);
    complain(
      isBridge ? 'LAB_FAULT' : 'LAB_REFERENCE',
      ['device'],
      isBridge
        ? `device: ${raw.device} is no endpoint; faults are of devices`
        : `device: no device has the name '${raw.device}'${didYouMean(raw.device, [...devices.keys()])}`,
    );
    return undefined;
  }
  const isTriggered = MATCH.some((key) => raw[key] !== undefined);
  const why = inability(device, of) ?? (isTriggered && of !== 'dma' ? inability(device, 'commands') : null);
  if (why !== null) {
    complain('LAB_FAULT', ['do'], `do: ${raw.device} ${why}, so it cannot do \`${raw.do}\``);
  } else {
    checkNumbers(raw, device.node, complain);
  }
  return isBad ? undefined : filled(raw);
}

const EXAMPLES: Readonly<Partial<Record<FaultKey, string>>> = {
  delay: '`delay: 2s`',
  status: '`status: unrecovered-read-error`',
  lba: '`lba: 0..7`',
};

/** Why a device cannot; null: it can. */
function inability({ node, isInSlot }: FaultDevice, need: DeviceNeed): string | null {
  const isController = 'namespaces' in node;
  switch (need) {
    case 'commands':
      return isController ? null : `is of kind ${node.kind} and takes no commands of NVMe`;
    case 'dma':
      return isController || node.kind === 'dma-engine' || node.kind === 'rnic'
        ? null
        : `is of kind ${node.kind} and does no DMA of its own`;
    case 'slot':
      return isInSlot ? null : 'is not below a port, where a card could be pulled';
    case 'cmb':
      return isController && node.cmb !== null ? null : 'has no controller memory buffer';
  }
}

function checkNumbers(
  raw: FaultRaw,
  node: LabEndpoint,
  complain: (code: LabErrorCode, path: LabPath, message: string) => void,
): void {
  if (!('namespaces' in node)) {
    return;
  }
  if (typeof raw.queue === 'number' && raw.queue > node.queues) {
    complain('LAB_FAULT', ['queue'], `queue: ${node.name} has I/O queues 1 to ${node.queues}`);
  }
  if (raw.opcode?.queue != null && raw.queue !== undefined) {
    const isAdmin = raw.queue === 'admin';
    if (isAdmin !== (raw.opcode.queue === 'admin')) {
      complain('LAB_FAULT', ['opcode'], `opcode: a command of ${isAdmin ? 'I/O queues' : 'the admin queue'}`);
    }
  }
  if (raw.status === 0) {
    complain('LAB_FAULT', ['status'], 'status: 0 is success');
  }
  if (raw.do === 'media' && raw.lba !== undefined) {
    const nsid = raw.nsid ?? 1;
    const namespace = node.namespaces.find((each) => each.nsid === nsid);
    const blocks = namespace === undefined ? 0 : Math.floor(namespace.sizeBytes / namespace.blockBytes);
    if (namespace === undefined) {
      complain('LAB_FAULT', ['nsid'], `nsid: ${node.name} has no namespace ${nsid}`);
    } else if (raw.lba.last >= blocks) {
      complain('LAB_FAULT', ['lba'], `lba: namespace ${nsid} of ${node.name} has blocks 0 to ${blocks - 1}`);
    }
  }
}

function filled(raw: FaultRaw): LabFault {
  return {
    device: raw.device,
    action: raw.do,
    queue: raw.queue ?? raw.opcode?.queue ?? null,
    opcode: raw.opcode?.opcode ?? null,
    nsid: raw.nsid ?? (raw.do === 'media' ? 1 : null),
    firstLba: raw.lba?.first ?? null,
    lastLba: raw.lba?.last ?? null,
    skip: raw.skip ?? 0,
    count: raw.count ?? (raw.do === 'media' ? Number.POSITIVE_INFINITY : 1),
    probability: raw.probability ?? 1,
    afterPs: raw.after ?? 0,
    delayPs: raw.delay ?? null,
    status: raw.status ?? null,
    direction: raw.direction ?? null,
    traffic: raw.do === 'flip' ? (raw.traffic ?? 'data') : null,
    bit: raw.bit ?? null,
  };
}

/** As a lab file has it, without what is a default. */
export function printFault(fault: LabFault): LabBlock {
  const isMedia = fault.action === 'media';
  const { firstLba, lastLba } = fault;
  return {
    device: fault.device,
    do: fault.action,
    ...(fault.queue === null ? {} : { queue: String(fault.queue) }),
    ...(fault.opcode === null ? {} : { opcode: `0x${fault.opcode.toString(16).padStart(2, '0')}` }),
    ...(fault.nsid === null || (isMedia && fault.nsid === 1) ? {} : { nsid: String(fault.nsid) }),
    ...(firstLba === null ? {} : { lba: firstLba === lastLba ? `${firstLba}` : `${firstLba}..${lastLba}` }),
    ...(fault.skip === 0 ? {} : { skip: String(fault.skip) }),
    ...(fault.count === (isMedia ? Number.POSITIVE_INFINITY : 1)
      ? {}
      : { count: fault.count === Number.POSITIVE_INFINITY ? 'forever' : String(fault.count) }),
    ...(fault.probability === 1 ? {} : { probability: String(fault.probability) }),
    ...(fault.afterPs === 0 ? {} : { after: printDuration(fault.afterPs) }),
    ...(fault.delayPs === null ? {} : { delay: printDuration(fault.delayPs) }),
    ...(fault.status === null ? {} : { status: `0x${fault.status.toString(16).padStart(3, '0')}` }),
    ...(fault.direction === null ? {} : { direction: fault.direction }),
    ...(fault.traffic === null || fault.traffic === 'data' ? {} : { traffic: fault.traffic }),
    ...(fault.bit === null ? {} : { bit: String(fault.bit) }),
  };
}

/** Names of a lab that are no endpoints. */
export function bridgeNames(lab: Pick<LabFile, 'hostBridges'>): ReadonlySet<string> {
  const names = lab.hostBridges.flatMap(({ below }) =>
    [...walkNodes(below)].flatMap((node) => ('below' in node && node.name !== null ? [node.name] : [])),
  );
  return new Set(names);
}

/**
 * One fault that did not come with the file: an object with the keys of `faults:`, values as text, numbers or booleans.
 * @throws {LabError} what the same lines in the file would be refused for
 */
export function readFault(value: unknown, lab: Pick<LabFile, 'hostBridges'>): LabFault {
  const problems: { readonly code: LabErrorCode; readonly message: string }[] = [];
  const report: Report = (code, _path, message) => problems.push({ code, message: oneLine(message) });
  const raw = readFields(faultSchema, asText(value), report);
  const fault = raw && resolveFault(raw, faultDevices(lab), bridgeNames(lab), report);
  if (fault === undefined) {
    const first = problems[0]!;
    throw new LabError(first.code, {
      message: `fault: ${first.message}${problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`}`,
      hint: 'faults are described in docs/lab-file.md',
      detail: { problems },
    });
  }
  return fault;
}

/** JSON has numbers where the file has text. */
function asText(value: unknown): LabValue {
  if (!isBlock(value)) {
    return null;
  }
  return Object.fromEntries(
    Object.entries(value as Record<string, unknown>).map(([key, item]) => [
      key,
      typeof item === 'number' || typeof item === 'boolean' ? String(item) : (item as LabValue),
    ]),
  );
}

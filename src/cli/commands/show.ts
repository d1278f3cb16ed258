/** `peerlane show`: one function, everything that is known, register by register. */
import {
  type DecodedConfig,
  type DecodedField,
  type DecodedRegister,
  decodeConfig,
  type MachineFunction,
  MachineIndex,
} from '../../topology/index.ts';
import type { Io } from '../io.ts';
import { loadMachine, type MachineOptions } from '../machine-input.ts';
import { acsBits, hexId, kindOf, linkText, peerMemoryText, productText } from '../render/describe.ts';
import { formatBytes, printable, type Style, styleFor } from '../render/style.ts';

export async function show(
  device: string,
  options: MachineOptions & { readonly json?: boolean },
  io: Io,
): Promise<number> {
  const machine = await loadMachine(options, io);
  const fn = new MachineIndex(machine).resolve(device);
  const decoded = fn.config === undefined ? null : decodeConfig(fn.config, { isWhole: isWhole(fn) });
  if (options.json === true) {
    const { config, ...facts } = fn;
    const gaps = machine.gaps.filter((gap) => gap.at === fn.bdf);
    await io.out(
      `${JSON.stringify({ schema: 'peerlane/function/1', ...facts, configBytes: config?.length ?? null, config: decoded, gaps })}\n`,
    );
    return 0;
  }
  const style = styleFor(io);
  for (const line of summary(fn, style)) {
    await io.out(`${line}\n`);
  }
  if (decoded === null) {
    await io.out(`\n${style.warn('config space')}: not in this input\n`);
  } else {
    for (const line of registers(decoded, style)) {
      await io.out(`${line}\n`);
    }
  }
  for (const gap of machine.gaps) {
    if (gap.at === fn.bdf) {
      await io.out(`${style.warn('unknown')}: ${printable(gap.detail)}\n`);
    }
  }
  return 0;
}

/** The reader knows whether the kernel itself sees more than these bytes; ACS known to be absent tells that it does not. */
function isWhole(fn: MachineFunction): boolean {
  return fn.config !== undefined && (fn.config.length >= 4096 || fn.acs === null);
}

function* summary(fn: MachineFunction, style: Style): Generator<string> {
  const rows: [string, string | undefined][] = [
    ['product', productText(fn)],
    ['subsystem', idPair(fn.subsystemVendorId, fn.subsystemDeviceId)],
    [
      'class',
      fn.classCode === undefined
        ? undefined
        : `0x${fn.classCode.toString(16).padStart(6, '0')} (${kindOf(fn)})`,
    ],
    ['revision', fn.revision === undefined ? undefined : `0x${fn.revision.toString(16).padStart(2, '0')}`],
    ['PCIe type', fn.pcieType === null ? 'conventional PCI' : fn.pcieType],
    ['below', fn.parent === null ? `${fn.hostBridge} (root bus)` : fn.parent],
    ['host bridge', fn.hostBridge],
    ['VF of', fn.physicalFunction ?? undefined],
    ['driver', fn.driver === null ? 'none' : fn.driver],
    [
      'names',
      fn.classNames.length === 0
        ? undefined
        : fn.classNames.map((c) => `${c.name} (${c.subsystem})`).join(', '),
    ],
    ['link', fn.link === null ? 'none' : linkText(fn.link)],
    ['NUMA node', fn.numaNode == null ? undefined : String(fn.numaNode)],
    ['IOMMU group', fn.iommuGroup === null ? 'none' : fn.iommuGroup],
    [
      'ACS',
      fn.acs === null
        ? 'no capability'
        : fn.acs === undefined
          ? undefined
          : `${acsBits(fn.acs.control)} (control 0x${fn.acs.control.toString(16).padStart(4, '0')}, can ${acsBits(fn.acs.capability & 0x7f)})`,
    ],
    ['peer memory', fn.p2pmem === null ? 'none offered' : peerMemoryText(fn)],
    ['DMA mask', fn.dmaMaskBits === undefined ? undefined : `${fn.dmaMaskBits} bits`],
    ['power', fn.powerState],
  ];
  yield style.bold(`${fn.bdf}  ${hexId(fn)}`) + (fn.isGone ? style.bad('  GONE: config reads all ones') : '');
  for (const [name, value] of rows) {
    yield `  ${name.padEnd(12)} ${value === undefined ? style.warn('unknown') : printable(value)}`;
  }
  for (const bar of fn.bars ?? []) {
    const size = bar.sizeBytes === undefined ? 'size unknown' : formatBytes(bar.sizeBytes);
    const where =
      bar.start == null ? (bar.start === null ? 'not assigned' : 'unknown') : `0x${bar.start.toString(16)}`;
    const kind = `${bar.kind}${bar.is64Bit ? ', 64-bit' : ''}${bar.isPrefetchable ? ', prefetchable' : ''}`;
    yield `  ${barName(bar.index).padEnd(12)} ${where}, ${size}, ${kind}`;
  }
  for (const window of fn.windows ?? []) {
    yield `  ${'window'.padEnd(12)} ${window.kind} 0x${window.first.toString(16)} - 0x${window.last.toString(16)}`;
  }
}

function barName(index: number): string {
  return index === 6 ? 'ROM' : index > 6 ? `VF BAR ${index - 7}` : `BAR ${index}`;
}

function idPair(vendor: number | null | undefined, device: number | null | undefined): string | undefined {
  if (vendor === null || device === null) {
    return 'none';
  }
  const part = (value: number): string => value.toString(16).padStart(4, '0');
  return vendor === undefined || device === undefined ? undefined : `${part(vendor)}:${part(device)}`;
}

function* registers(decoded: DecodedConfig, style: Style): Generator<string> {
  yield '';
  yield style.dim(`config space: ${decoded.lengthBytes} bytes read`);
  for (const structure of decoded.structures) {
    const id =
      structure.id === null
        ? ''
        : ` id 0x${structure.id.toString(16).padStart(structure.kind === 'capability' ? 2 : 4, '0')}`;
    const version = structure.version === null ? '' : ` v${structure.version}`;
    const source = structure.source === null ? '' : style.dim(`  ${structure.source}`);
    yield '';
    yield `${style.bold(`[${offsetText(structure.offset)}] ${structure.name}`)}${id}${version}${source}`;
    for (const register of structure.registers) {
      yield* registerLines(register, style);
    }
    if (structure.bytes.hex !== '') {
      yield `  ${offsetText(structure.bytes.offset)}  bytes  ${structure.bytes.hex.replace(/(..)(?=.)/g, '$1 ')}`;
    }
  }
  for (const [name, end] of [
    ['capability list', decoded.capabilitiesEnd],
    ['extended capability list', decoded.extendedCapabilitiesEnd],
  ] as const) {
    if (end === 'cut' || end === 'unknown' || end === 'broken') {
      yield style.warn(`${name}: ${end}`);
    }
  }
  for (const finding of decoded.findings) {
    yield style.warn(`${finding.code}: ${printable(finding.detail)}`);
  }
}

function* registerLines(register: DecodedRegister, style: Style): Generator<string> {
  const instance = register.instance === null ? '' : `[${register.instance}]`;
  const meaning = register.meaning === null ? '' : `  ${printable(register.meaning)}`;
  yield `  ${offsetText(register.offset)}  ${register.value.padEnd(10)}  ${register.name}${instance}${style.dim(meaning)}`;
  for (const field of register.fields) {
    yield `                     ${style.dim(bitsText(field).padEnd(7))} ${field.name.padEnd(34)} ${fieldValue(field)}`;
  }
}

function offsetText(offset: number): string {
  return `0x${offset.toString(16).padStart(3, '0')}`;
}

function bitsText(field: DecodedField): string {
  return field.high === field.low ? `[${field.low}]` : `[${field.high}:${field.low}]`;
}

function fieldValue(field: DecodedField): string {
  const value =
    field.high === field.low || field.value < 10
      ? String(field.value)
      : `0x${field.value.toString(16)} (${field.value})`;
  return field.meaning === null ? value : `${value}  ${printable(field.meaning)}`;
}

/**
 * The indented lines below a headline (`-v`, `-vv`, `-vvv`, `-k`), one function at a time.
 *
 * Lines are told apart by their labels, not by their depth: text that went through mail or a web page often has its
 * leading blanks changed. What a line means may depend on the capability it stands in, so that one is remembered.
 */
import type { Bar, BridgeWindow } from '../machine.ts';
import {
  ACS_FLAGS,
  COMMAND_FLAGS,
  DEVICE_CONTROL_FLAGS,
  hasNoLink,
  parseLinkRate,
  parseSupportedSpeed,
  portTypeOf,
  readFlags,
  readTransferSizes,
} from './express-lines.ts';
import type { FunctionFacts } from './facts.ts';
import { numaNodeOf, readSubsystem } from './headline.ts';
import { parseRegion, parseVfRegion, parseWindow, type RegionText } from './regions.ts';

type Section = 'none' | 'express' | 'acs' | 'sr-iov' | 'power' | 'other';

/** Labels that only lspci prints: enough to believe a line that lost its indentation. */
const KNOWN_LABEL =
  /^(?:Subsystem|Control|Status|Flags|Capabilities|Region \d|Bus|NUMA node|IOMMU group|Physical Slot|Kernel driver in use|Kernel modules|LnkCap|LnkSta|LnkCtl|DevCap|DevCtl|DevSta|ACSCap|ACSCtl|Latency|Interrupt|BridgeCtl|Secondary status|(?:I\/O|Memory|Prefetchable memory) behind bridge):/;

const LABEL = /^([A-Za-z][A-Za-z0-9 ]{0,30}):(?:\s|$)/;

/** A terminal may have broken the line in the middle of the name; the rest then stands on the next one. */
function isNamed(text: string, name: string): boolean {
  return text.startsWith(name) || (text.length >= 3 && name.startsWith(text));
}

/** Six BARs and a ROM; more are from lines that were cut and pasted. */
const REGIONS_MAX = 16;

/** A CardBus bridge has its ranges in other registers. */
const CARDBUS_SUBCLASS = 0x0607;

export class DetailReader {
  readonly #facts: FunctionFacts;
  #section: Section = 'none';
  #label = '';
  #regions: RegionText[] = [];
  #vfBars: Bar[] = [];
  #windows = new Map<BridgeWindow['kind'], BridgeWindow | null>();
  #deviceControl: number | undefined;
  #acs: { offset: number | null; capability: number | undefined; control: number | undefined } | undefined;
  #sriov: { enabled?: boolean; count?: number; offset?: number; stride?: number } = {};
  #hasRegisters = false;
  #hasFlagsLine = false;
  #hasCapabilities = false;
  #hasExtendedCapabilities = false;
  /** Access was denied, or the chain ends in a complaint of lspci: what was not printed may still exist. */
  #isCut = false;
  #hasUnknownWindows = false;
  #isFullExpress = false;
  /** Capabilities or kernel lines came: BARs and windows, which stand before them, are all there. */
  #isHeaderDone = false;
  #hasSubsystem = false;

  constructor(facts: FunctionFacts) {
    this.#facts = facts;
  }

  /** True when the line is one that lspci prints below a headline, indented or not. */
  static knows(text: string): boolean {
    return KNOWN_LABEL.test(text);
  }

  /** @param text without the blanks around it */
  read(text: string): void {
    if (text.startsWith('Capabilities:')) {
      this.#readCapability(text.slice('Capabilities:'.length).trim());
      return;
    }
    if (text.startsWith('!!!')) {
      this.#readComplaint(text);
      return;
    }
    const label = LABEL.exec(text)?.[1];
    if (label !== undefined) {
      this.#label = label;
    }
    const value = label === undefined ? text : text.slice(label.length + 1).trim();
    if (label === 'Kernel driver in use' || label === 'Kernel modules') {
      this.#section = 'none';
      this.#isHeaderDone = true;
    }
    switch (this.#section) {
      case 'none':
        this.#readPlain(text, label, value);
        break;
      case 'express':
        this.#readExpress(text, label, value);
        break;
      case 'acs':
        this.#readAcs(label, value);
        break;
      case 'sr-iov':
        this.#readSriov(text, label, value);
        break;
      case 'power':
        if (label === 'Status') {
          const state = /^(D[0-3])\b/.exec(value)?.[1];
          if (state !== undefined) {
            this.#facts.powerState = state === 'D3' ? 'D3hot' : state;
          }
        }
        break;
      default:
    }
  }

  #readPlain(text: string, label: string | undefined, value: string): void {
    const facts = this.#facts;
    const region = parseRegion(text);
    if (region !== undefined) {
      const isRepeated =
        region.index !== undefined && this.#regions.some((known) => known.index === region.index);
      if (!isRepeated && this.#regions.length < REGIONS_MAX) {
        this.#regions.push(region);
      }
      return;
    }
    const window = parseWindow(text);
    if (window !== undefined) {
      this.#windows.set(window.kind, window.window);
      return;
    }
    switch (label) {
      case 'Subsystem':
        this.#hasSubsystem = true;
        readSubsystem(value, facts);
        break;
      case 'Control': {
        const flags = readFlags(value, COMMAND_FLAGS);
        // A line that was cut in the middle would read as flags that are off. DisINTx came with lspci 2.2.10.
        if (flags.count >= 10) {
          facts.command = flags.value;
        }
        this.#hasRegisters = true;
        break;
      }
      case 'Flags':
        this.#hasFlagsLine = true;
        // With one `-v` these two stand among the flags.
        this.#readNumaNode(/\bNUMA node (\d+)/.exec(value)?.[1] ?? '');
        this.#readIommuGroup(/\bIOMMU group ([\w.-]+)/.exec(value)?.[1] ?? '');
        break;
      case 'Bus':
        this.#readBusNumbers(value);
        break;
      case 'NUMA node':
        this.#readNumaNode(value);
        break;
      case 'IOMMU group':
        this.#readIommuGroup(value);
        break;
      case 'Kernel driver in use':
        if (value !== '') {
          facts.driver = value;
        }
        break;
      case 'Kernel modules':
        facts.hasModulesOnly = facts.driver === undefined;
        break;
      default:
    }
  }

  #readNumaNode(value: string): void {
    const node = numaNodeOf(value);
    if (node !== undefined) {
      this.#facts.numaNode = node;
    }
  }

  #readIommuGroup(value: string): void {
    if (/^[\w.-]{1,32}$/.test(value)) {
      this.#facts.iommuGroup = value;
    }
  }

  #readBusNumbers(value: string): void {
    const match = /primary=([0-9a-f]{2}), secondary=([0-9a-f]{2}), subordinate=([0-9a-f]{2})/i.exec(value);
    if (match === null) {
      return;
    }
    this.#facts.secondaryBus = Number.parseInt(match[2]!, 16);
    this.#facts.subordinateBus = Number.parseInt(match[3]!, 16);
    this.#facts.headerType = this.#facts.classAndSubclass === CARDBUS_SUBCLASS ? 2 : 1;
  }

  /** `[40] Express (v2) Root Port`, `[100 v1] Advanced Error Reporting`, `<access denied>`. */
  #readCapability(text: string): void {
    this.#section = 'other';
    this.#isHeaderDone = true;
    this.#label = '';
    const match = /^\[([0-9a-f]{2,3})(?: v\d+)?\] (.*)$/i.exec(text);
    if (match === null || /^<|<chain|<unreadable/.test(match[2]!)) {
      this.#isCut = true;
      return;
    }
    const offset = Number.parseInt(match[1]!, 16);
    const name = match[2]!;
    this.#hasCapabilities = true;
    if (offset >= 0x100) {
      this.#hasExtendedCapabilities = true;
      if (isNamed(name, 'Access Control Services')) {
        this.#section = 'acs';
        this.#acs = { offset, capability: undefined, control: undefined };
      } else if (isNamed(name, 'Single Root I/O Virtualization')) {
        this.#section = 'sr-iov';
      }
    } else if (name.startsWith('Express')) {
      this.#section = 'express';
      const type = portTypeOf(name);
      if (type !== undefined) {
        this.#facts.pcieType = type;
      } else {
        this.#isCut = true;
      }
    } else if (name.startsWith('Power Management')) {
      this.#section = 'power';
    } else if (name.startsWith('Subsystem:')) {
      this.#hasSubsystem = true;
      readSubsystem(name.slice('Subsystem:'.length), this.#facts);
    }
  }

  #readExpress(text: string, label: string | undefined, value: string): void {
    const facts = this.#facts;
    if (this.#label === 'DevCtl') {
      const sizes = readTransferSizes(text);
      this.#deviceControl = (this.#deviceControl ?? 0) | readFlags(value, DEVICE_CONTROL_FLAGS).value;
      if (sizes !== undefined) {
        facts.deviceControl = this.#deviceControl | sizes;
      }
    }
    if (label === 'DevCap') {
      this.#isFullExpress = true;
    } else if (label === 'LnkCap') {
      const rate = parseLinkRate(value);
      facts.hasLink = true;
      if (rate !== undefined) {
        facts.linkMax = rate;
      }
    } else if (label === 'LnkSta') {
      const rate = parseLinkRate(value);
      if (rate !== undefined) {
        facts.linkCurrent = rate;
      }
    } else if (label === 'LnkCap2') {
      const speedGTs = parseSupportedSpeed(value);
      if (speedGTs !== undefined && facts.linkMax !== undefined) {
        facts.linkMax = { speedGTs, width: facts.linkMax.width };
      }
    }
  }

  #readAcs(label: string | undefined, value: string): void {
    const acs = this.#acs;
    const flags = readFlags(value, ACS_FLAGS);
    if (acs === undefined || flags.count < 7) {
      return;
    }
    if (label === 'ACSCap') {
      acs.capability = flags.value;
    } else if (label === 'ACSCtl') {
      acs.control = flags.value;
    }
  }

  #readSriov(text: string, label: string | undefined, value: string): void {
    const bar = parseVfRegion(text);
    if (bar !== undefined) {
      if (!this.#vfBars.some((known) => known.index === bar.index)) {
        this.#vfBars.push(bar);
      }
      return;
    }
    if (label === 'IOVCtl') {
      this.#sriov.enabled = /\bEnable\+/.test(value);
    } else if (label === 'Initial VFs') {
      const count = /Number of VFs: (\d{1,5})/.exec(text);
      this.#sriov.count = Number(count?.[1] ?? 0);
    } else if (label === 'VF offset') {
      const match = /VF offset: (\d{1,5}), stride: (\d{1,5})/.exec(text);
      if (match !== null) {
        this.#sriov.offset = Number(match[1]);
        this.#sriov.stride = Number(match[2]);
      }
    }
  }

  /** `!!! Unknown header type 7f`: every byte of the header read as ones. */
  #readComplaint(text: string): void {
    if (/Unknown header type 7f/i.test(text)) {
      this.#facts.isGone = true;
    } else if (/range types/i.test(text)) {
      this.#hasUnknownWindows = true;
    } else {
      this.#isCut = true;
    }
  }

  /**
   * Draws the conclusions that need the whole block.
   *
   * @param isWhole a blank line or the next headline followed: nothing was cut off at the end
   */
  finish(isWhole: boolean): void {
    const facts = this.#facts;
    if (facts.isGone === true) {
      return;
    }
    const isVerbose = this.#hasRegisters || this.#hasFlagsLine;
    if (isVerbose) {
      facts.isVerbose = true;
      // lspci leaves an interface of 0 out unless it has a name for it.
      facts.programmingInterface ??= 0;
    }
    this.#concludeCapabilities(isWhole && isVerbose);
    this.#concludeAcs();
    this.#concludeRanges(isVerbose && (isWhole || this.#isHeaderDone));
    // An endpoint's subsystem stands in its header, a bridge's in a capability; lspci prints it where there is one.
    if (isWhole && isVerbose && !this.#hasSubsystem && (facts.headerType === undefined || !this.#isCut)) {
      facts.subsystemVendorId = null;
      facts.subsystemDeviceId = null;
    }
    const { enabled, count, offset, stride } = this.#sriov;
    if (enabled !== undefined && count !== undefined && offset !== undefined && stride !== undefined) {
      facts.sriov = { isEnabled: enabled, numVfs: count, firstVfOffset: offset, vfStride: stride };
    }
    if (this.#isFullExpress && facts.hasLink === undefined && isWhole) {
      facts.hasLink = false;
    }
    if (hasNoLink(facts.pcieType)) {
      facts.hasLink = false;
    }
  }

  /**
   * A whole list without PCI Express is that of a conventional function, and so is no list at all: where lspci may not
   * read one that exists, it says so.
   */
  #concludeCapabilities(isWhole: boolean): void {
    const facts = this.#facts;
    if (facts.pcieType === undefined && !this.#isCut && isWhole) {
      facts.pcieType = null;
    }
    if (this.#hasExtendedCapabilities) {
      facts.hasExtendedCapabilities = true;
    } else if (this.#hasCapabilities && !this.#isCut && isWhole) {
      facts.hasOnlyConventionalCapabilities = true;
    }
  }

  /**
   * When is it known that a function has no ACS? When its list of capabilities is whole, and extended config space was
   * readable: then ACS would stand in the list.
   *
   * - Any capability at 0x100 or above in the list proves that this function's extended space was read.
   * - A list without one proves it only together with another function of the same input that has some: lspci reads
   *   all functions in the same way. That is concluded where all functions are known (`read-lspci.ts`).
   * - `<access denied>`, a chain that breaks off, or a block that was cut off proves nothing.
   *
   * With one `-v` an ACS capability is named without its registers: it is there, its state unknown.
   */
  #concludeAcs(): void {
    const facts = this.#facts;
    if (this.#acs !== undefined) {
      const { offset, capability, control } = this.#acs;
      if (capability !== undefined && control !== undefined) {
        facts.acs = { offset, capability, control, egressVector: null };
      }
    } else if (facts.pcieType === null || (this.#hasExtendedCapabilities && !this.#isCut)) {
      facts.acs = null;
    }
  }

  #concludeRanges(isHeaderWhole: boolean): void {
    const facts = this.#facts;
    const bars: Bar[] = [];
    for (const { index, ...region } of this.#regions) {
      if (index !== undefined) {
        bars.push({ index, ...region });
      }
    }
    // One `-v` prints BARs without their numbers, which cannot be guessed: which BARs a device leaves out is its own.
    if (isHeaderWhole && bars.length === this.#regions.length) {
      facts.bars = [...bars, ...this.#vfBars];
    }
    if (isHeaderWhole && facts.headerType === 1 && !this.#hasUnknownWindows) {
      const kinds = ['memory', 'prefetchable', 'io'] as const;
      facts.windows = kinds
        .map((kind) => this.#windows.get(kind) ?? null)
        .filter((window) => window !== null);
    }
  }
}

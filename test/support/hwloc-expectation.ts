/** What hwloc itself shows of a machine, from its own expected outputs: the tree, ids, classes and link speeds. */

export interface ExpectedFunction {
  readonly bdf: string;
  /** Nearest PCI function above; null below a host bridge. */
  readonly parent: string | null;
  /** `8086:2030`. */
  readonly id: string;
  /** `0604`: base class and subclass. */
  readonly classText: string;
  /** GB/s of the running link as hwloc rounds it; 0 where it does not know. */
  readonly linkGBps: number;
}

/** The console form: indentation is depth. */
export function expectedFromConsole(text: string): ExpectedFunction[] {
  const expected: ExpectedFunction[] = [];
  const above: { readonly depth: number; readonly bdf: string }[] = [];
  for (const line of text.split('\n')) {
    const match =
      /^( *)PCI(?:Bridge)? L#\d+ \(busid=(\S+) id=([0-9a-f:]+) class=([0-9a-f]{4})[^)]*\)(?: link=([\d.]+)GB\/s)?/.exec(
        line,
      );
    if (match === null) {
      continue;
    }
    const depth = match[1]!.length;
    while (above.length > 0 && above.at(-1)!.depth >= depth) {
      above.pop();
    }
    expected.push({
      bdf: match[2]!,
      parent: above.at(-1)?.bdf ?? null,
      id: match[3]!,
      classText: match[4]!,
      linkGBps: Number(match[5] ?? 0),
    });
    above.push({ depth, bdf: match[2]! });
  }
  return expected;
}

/** The XML form: nesting is depth. Only as much of XML as hwloc writes. */
export function expectedFromXml(text: string): ExpectedFunction[] {
  const expected: ExpectedFunction[] = [];
  const open: (string | null)[] = [];
  for (const [, closing, attributes, selfClosing] of text.matchAll(
    /<(\/?)object((?:\s+[\w-]+="[^"]*")*)\s*(\/?)>/g,
  )) {
    if (closing === '/') {
      open.pop();
      continue;
    }
    const bdf = /pci_busid="([^"]+)"/.exec(attributes!)?.[1];
    const type = /pci_type="([0-9a-f]{4}) \[([0-9a-f:]+)\]/.exec(attributes!);
    if (bdf !== undefined && type !== null) {
      expected.push({
        bdf,
        parent: open.findLast((entry) => entry !== null) ?? null,
        id: type[2]!,
        classText: type[1]!,
        linkGBps: Number(/pci_link_speed="([\d.]+)"/.exec(attributes!)?.[1] ?? 0),
      });
    }
    if (selfClosing !== '/') {
      open.push(bdf ?? null);
    }
  }
  return expected;
}

/** The same figure from a rate: payload bits of the line code (8b/10b up to 5 GT/s, then 128b/130b). */
export function linkGBps(speedGTs: number, width: number): number {
  return (speedGTs * width * (speedGTs <= 5 ? 8 / 10 : 128 / 130)) / 8;
}

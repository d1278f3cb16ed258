import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

function sources(): string {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
    .join('\n');
}

/** Codes in the first column of a page's tables; a cell may hold several. */
function documented(page: string, pattern: RegExp): string[] {
  const cells = readFileSync(join(root, 'docs', page), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|')[1]!);
  return [...new Set(cells.flatMap((cell) => [...cell.matchAll(pattern)].map((match) => match[1]!)))].sort();
}

describe('codes that scripts depend on', () => {
  const text = sources();

  it('has every error code of the source in docs/errors.md, and no other', () => {
    const used = [
      ...text.matchAll(
        /'((?:INPUT|FIO|LAB|NVMETCP|TOPO|P2P|COPY|BENCH|HOST|FABRIC|SERVE|USAGE)_[A-Z0-9_]+)'/g,
      ),
    ].map((match) => match[1]!);
    // Prefixes that other names share: only where an error is made of them.
    const thrown = [
      ...text.matchAll(/new \w+Error\(\s*'((?:DMA|NVME|DEVICE|IOPMEM|RDMA|TARGET)_[A-Z0-9_]+)'/g),
    ].map((match) => match[1]!);
    used.push(...thrown);
    expect([...new Set(used)].sort()).toEqual(documented('errors.md', /`([A-Z0-9]+_[A-Z0-9_]+)`/g));
  });

  it('has every finding of the readers in docs/findings.md, and no other', () => {
    const topology = readdirSync(join(root, 'src/topology'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join(root, 'src/topology', path), 'utf8'))
      .join('\n');
    const pattern =
      /'((?:BAR|BUS|CAP|CONFIG|CPU|DUPLICATE|HEADER|IDS|IOMMU|LSPCI|NCCL|PARENT|PCIE|PHYSICAL|VMD)_[A-Z_]+)'/g;
    // Options of the kernel's build start with CONFIG_ too.
    const used = [...topology.matchAll(pattern)]
      .map((match) => match[1]!)
      .filter((code) => !code.startsWith('CONFIG_') || /^CONFIG_(ALL|EXTENDED|SHORT)/.test(code));
    expect([...new Set(used)].sort()).toEqual(documented('findings.md', /`([A-Z]+_[A-Z_]+)`/g));
  });
});

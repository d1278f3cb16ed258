/** Which kernel runs, how it was started and built, and what its modules were told. */
import type { Gunzip } from '../archive/archive-tree.ts';
import type { FileTree } from '../file-tree.ts';
import type { KernelState, ModprobeLine } from '../machine.ts';
import {
  COMMAND_LINE_FILE,
  KERNEL_CONFIG_GZ_FILE,
  KERNEL_OPTIONS,
  kernelConfigFiles,
  MODPROBE_FOLDERS,
  MODPROBE_MODULES,
  MODULE_PARAMETERS,
  OSRELEASE_FILE,
  TEXT_BYTES_MAX,
  VERSION_FILE,
} from './names.ts';
import { textOf } from './text.ts';

export function readKernelState(tree: FileTree, gunzip: Gunzip | undefined): KernelState {
  const release = readRelease(tree);
  return {
    release,
    commandLine: textOf(tree, COMMAND_LINE_FILE, TEXT_BYTES_MAX.commandLine),
    config: release === undefined ? undefined : readKernelConfig(tree, release, gunzip),
    moduleParameters: readModuleParameters(tree),
    modprobeOptions: readModprobeLines(tree),
  };
}

/** `Linux version RELEASE (builder) ...`. */
function readRelease(tree: FileTree): string | undefined {
  const version = textOf(tree, VERSION_FILE, TEXT_BYTES_MAX.version);
  const match = /^Linux version ([^\s]{1,128})/.exec(version ?? '');
  const release = match?.[1] ?? textOf(tree, OSRELEASE_FILE);
  return release === undefined || release === '' || /[\s/]/.test(release) ? undefined : release;
}

/** The options of interest, `y`, `m` or `n` (or a quoted text); undefined when the build's options are not to be had. */
function readKernelConfig(
  tree: FileTree,
  release: string,
  gunzip: Gunzip | undefined,
): Readonly<Record<string, string>> | undefined {
  for (const file of kernelConfigFiles(release)) {
    const text = textOf(tree, file, TEXT_BYTES_MAX.kernelConfig);
    if (text?.includes('CONFIG_') === true) {
      return parseKernelConfig(text);
    }
  }
  const packed = tree.read(KERNEL_CONFIG_GZ_FILE, TEXT_BYTES_MAX.kernelConfig);
  if (typeof packed === 'string' || gunzip === undefined) {
    return undefined;
  }
  try {
    return parseKernelConfig(new TextDecoder().decode(gunzip(packed, TEXT_BYTES_MAX.kernelConfig)));
  } catch {
    // A damaged file is as good as none: the options stay unknown.
    return undefined;
  }
}

/** `# CONFIG_X is not set` and an option that the file does not mention are both `n`. */
export function parseKernelConfig(text: string): Readonly<Record<string, string>> {
  const values = new Map<string, string>();
  for (const match of text.matchAll(/^(CONFIG_[A-Z0-9_]+)=(.*)$/gm)) {
    values.set(match[1]!, match[2]!.trim());
  }
  return Object.fromEntries(KERNEL_OPTIONS.map((name) => [name, values.get(name) ?? 'n']));
}

function readModuleParameters(tree: FileTree): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  for (const [module, parameter] of MODULE_PARAMETERS) {
    const value = textOf(tree, `sys/module/${module}/parameters/${parameter}`);
    if (value !== undefined) {
      parameters[`${module}.${parameter}`] = value;
    }
  }
  return parameters;
}

/** modprobe.d(5): of files with one name in several folders, the first folder's counts. Undefined without such folders. */
function readModprobeLines(tree: FileTree): readonly ModprobeLine[] | undefined {
  const lines: ModprobeLine[] = [];
  const seen = new Set<string>();
  let hasFolder = false;
  for (const folder of MODPROBE_FOLDERS) {
    const names = tree.list(folder);
    if (typeof names === 'string') {
      continue;
    }
    hasFolder = true;
    for (const name of names) {
      if (!name.endsWith('.conf') || seen.has(name)) {
        continue;
      }
      seen.add(name);
      const file = `${folder}/${name}`;
      lines.push(...parseModprobe(textOf(tree, file, TEXT_BYTES_MAX.modprobe) ?? '', file));
    }
  }
  return hasFolder ? lines : undefined;
}

export function parseModprobe(text: string, file: string): ModprobeLine[] {
  const lines: ModprobeLine[] = [];
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    const [command, module, ...rest] = line.trim().split(/\s+/);
    const isKnown = command === 'options' || command === 'blacklist' || command === 'softdep';
    if (isKnown && module !== undefined && isOfInterest(module)) {
      lines.push({ file, command, module, rest: rest.join(' ') });
    }
  }
  return lines;
}

/** Modprobe treats `-` and `_` alike. */
function isOfInterest(module: string): boolean {
  const first = module.split(/[_-]/, 1)[0]!;
  return MODPROBE_MODULES.some((name) => name === first);
}

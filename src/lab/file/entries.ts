/** Items of a `below:` list: which kind each is, what it is called, and which fields it has. */
import { bridgeSchemas } from './bridge-fields.ts';
import { NAME_TAKES, NOT_TAKEN, readName } from './field.ts';
import type { EndpointKind } from './kind.ts';
import { ENDPOINT_KINDS } from './kinds/index.ts';
import type { LabKind } from './lab-device.ts';
import { LAB_FUNCTIONS_MAX } from './limits.ts';
import { didYouMean, type LabErrorCode, type Problems, shown } from './problems.ts';
import type { Report } from './report.ts';
import { isBlock, type LabBlock, type LabPath, type LabValue } from './values.ts';
import type { YamlSource } from './yaml-source.ts';

const endpointKinds: ReadonlyMap<string, EndpointKind> = new Map(
  ENDPOINT_KINDS.map((kind) => [kind.kind, kind]),
);
const KINDS: readonly string[] = [...Object.keys(bridgeSchemas), ...endpointKinds.keys()];

export function endpointKindOf(kind: string): EndpointKind | undefined {
  return endpointKinds.get(kind);
}

export interface Entry {
  readonly kind: LabKind;
  /** As the file has it. */
  readonly name: string | null;
  /** All but kind and children. */
  readonly fields: LabBlock;
  readonly below: LabValue;
  readonly report: Report;
  /** For problems of what is not a field. */
  readonly complain: (code: LabErrorCode, message: string) => void;
  readonly origin: Origin;
}

export interface Origin {
  readonly container: object;
  readonly path: LabPath;
}

/** Reads lists of entries; counts them. */
export class EntryReader {
  readonly #source: YamlSource;
  readonly #problems: Problems;
  #count = 0;

  constructor(source: YamlSource, problems: Problems) {
    this.#source = source;
    this.#problems = problems;
  }

  /** The entries of a value of `below`, which is a list or one item; several names make several entries. */
  read(value: LabValue | undefined, holder: Origin): Entry[] {
    if (value === null || value === undefined) {
      return [];
    }
    if (!Array.isArray(value)) {
      return this.#item(value as string | LabBlock, holder);
    }
    return (value as readonly LabValue[]).flatMap((item, index) => {
      const origin = { container: value, path: [index] };
      if (Array.isArray(item) || item === null) {
        this.#add(
          'LAB_VALUE',
          origin,
          `a device is expected, as \`nvme: nvme0\` or one word; kinds: ${KINDS.join(', ')}`,
        );
        return [];
      }
      return this.#item(item as string | LabBlock, origin);
    });
  }

  #item(item: string | LabBlock, origin: Origin): Entry[] {
    const from: Origin = isBlock(item) ? { container: item, path: [] } : origin;
    const value: LabBlock = isBlock(item) ? item : { [item.trim()]: null };
    const keys = Object.keys(value);
    const kinds = keys.filter((key) => KINDS.includes(key));
    if (kinds.length !== 1) {
      const message =
        kinds.length > 1
          ? `one device is ${kinds.join(' and ')} at once; write a list item for each`
          : `no kind of device among ${keys.map(shown).join(', ') || 'nothing'}${didYouMean(keys[0] ?? '', KINDS)}; kinds: ${KINDS.join(', ')}`;
      this.#add(kinds.length > 1 ? 'LAB_VALUE' : 'LAB_UNKNOWN_KEY', from, message);
      return [];
    }
    const kind = kinds[0] as LabKind;
    const fields: Record<string, LabValue> = {};
    for (const key of keys) {
      if (key === '__proto__') {
        this.#add('LAB_UNKNOWN_KEY', from, `unknown key ${shown(key)}`);
      } else if (key !== kind && key !== 'below') {
        fields[key] = value[key]!;
      }
    }
    const isEndpoint = endpointKinds.has(kind);
    if (isEndpoint && 'below' in value) {
      this.#add(
        'LAB_PLACE',
        { ...from, path: [...from.path, 'below'] },
        `nothing is below a device of kind ${kind}`,
      );
    }
    const report: Report = (code, path, message, isKey) => {
      const whole = [...from.path, ...path];
      const position = isKey
        ? this.#source.keyPosition(from.container, whole)
        : this.#source.valuePosition(from.container, whole);
      this.#problems.add(code, position, message);
    };
    return this.#names(value[kind] ?? null, kind, from).map((name) => ({
      kind,
      name,
      fields,
      below: isEndpoint ? null : (value.below ?? null),
      report,
      complain: (code: LabErrorCode, message: string) => this.#add(code, from, message),
      origin: from,
    }));
  }

  /** One for each device that the entry stands for; null where it has no name. */
  #names(value: LabValue, kind: LabKind, from: Origin): (string | null)[] {
    const names = Array.isArray(value) ? (value as readonly LabValue[]) : [value];
    if (names.length > 1 && !endpointKinds.has(kind)) {
      this.#add('LAB_NAME', from, `only devices may have several names; write ${kind} as often as needed`);
      return [];
    }
    return names.flatMap((name) => {
      if (++this.#count > LAB_FUNCTIONS_MAX) {
        const position = this.#source.valuePosition(from.container, from.path);
        this.#problems.fail('LAB_TOO_LARGE', position, `more than ${LAB_FUNCTIONS_MAX} functions`);
      }
      if (name === null) {
        return [null];
      }
      if (typeof name !== 'string' || readName(name) === NOT_TAKEN) {
        const text = typeof name === 'string' ? shown(name) : 'a list or block';
        this.#add('LAB_VALUE', { ...from, path: [...from.path, kind] }, `${text} is no ${NAME_TAKES}`);
        return [];
      }
      return [name];
    });
  }

  #add(code: LabErrorCode, origin: Origin, message: string): void {
    this.#problems.add(code, this.#source.valuePosition(origin.container, origin.path), message);
  }
}

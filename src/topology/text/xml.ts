/**
 * XML as a tree of elements and attributes, bounded.
 *
 * Text, comments and processing instructions are dropped: the formats read here keep everything in attributes. A
 * document type with an internal subset is refused, since declaring entities is the only use anybody makes of one.
 */
import sax from 'sax';
import { InputError } from '../../base/index.ts';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
}

/** The largest hwloc file known (1,500 cores) has about 20,000 elements, 30 deep. */
export const XML_BOUNDS = {
  elements: 400_000,
  depth: 512,
  attributesPerElement: 256,
  attributeChars: 65_536,
  chunkChars: 32_768,
} as const;

interface OpenElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: OpenElement[];
}

/**
 * The root element.
 *
 * @throws {InputError} INPUT_XML_MALFORMED (with line and column), INPUT_XML_BOUNDS, INPUT_XML_ENTITIES
 */
export function parseXml(text: string, label: string): XmlElement {
  const parser = sax.parser(true, {});
  const stack: OpenElement[] = [];
  let root: OpenElement | undefined;
  let elements = 0;
  let attributes = 0;
  parser.onerror = (error) => {
    throw new InputError('INPUT_XML_MALFORMED', {
      message: `${label} is not well-formed XML: ${firstLine(error)} (line ${parser.line + 1}, column ${parser.column})`,
      hint: 'the file may be cut off; write it again with lstopo or NCCL_TOPO_DUMP_FILE',
      detail: { line: parser.line + 1, column: parser.column },
    });
  };
  parser.ondoctype = (declaration) => {
    if (declaration.includes('[')) {
      throw new InputError('INPUT_XML_ENTITIES', {
        message: `${label} declares entities of its own, which no topology file does`,
        hint: 'remove the part between [ and ] of its DOCTYPE',
      });
    }
  };
  parser.onattribute = (attribute) => {
    attributes++;
    if (attributes > XML_BOUNDS.attributesPerElement || attribute.value.length > XML_BOUNDS.attributeChars) {
      throw outOfBounds(label, 'an element with too many or too long attributes');
    }
  };
  parser.onopentag = (tag) => {
    elements++;
    attributes = 0;
    if (elements > XML_BOUNDS.elements || stack.length >= XML_BOUNDS.depth) {
      throw outOfBounds(label, 'too many or too deeply nested elements');
    }
    const element: OpenElement = {
      name: tag.name,
      attributes: tag.attributes as Record<string, string>,
      children: [],
    };
    const parent = stack.at(-1);
    if (parent === undefined) {
      if (root !== undefined) {
        throw new InputError('INPUT_XML_MALFORMED', {
          message: `${label} is not well-formed XML: a second root element in line ${parser.line + 1}`,
          hint: 'give one file at a time',
        });
      }
      root = element;
    } else {
      parent.children.push(element);
    }
    stack.push(element);
  };
  parser.onclosetag = () => {
    stack.pop();
  };
  // Fed in pieces: only between pieces does the parser check the size of its own buffers.
  for (let at = 0; at < text.length; at += XML_BOUNDS.chunkChars) {
    parser.write(text.slice(at, at + XML_BOUNDS.chunkChars));
  }
  parser.close();
  if (root === undefined) {
    throw new InputError('INPUT_XML_MALFORMED', {
      message: `${label} has no XML element`,
      hint: 'write it with `lstopo topology.xml` or NCCL_TOPO_DUMP_FILE',
    });
  }
  return root;
}

/** Every element below `root` and itself, parents first. */
export function* elementsOf(root: XmlElement): Generator<XmlElement> {
  const open: XmlElement[] = [root];
  for (let element = open.pop(); element !== undefined; element = open.pop()) {
    yield element;
    for (let i = element.children.length - 1; i >= 0; i--) {
      open.push(element.children[i]!);
    }
  }
}

/** An attribute that the element itself has; names such as `constructor` find nothing. */
export function attributeOf(element: XmlElement, name: string): string | undefined {
  return Object.hasOwn(element.attributes, name) ? element.attributes[name] : undefined;
}

function outOfBounds(label: string, what: string): InputError {
  return new InputError('INPUT_XML_BOUNDS', {
    message: `${label} has ${what}`,
    hint: 'this is no topology of a machine; check the file',
  });
}

function firstLine(error: Error): string {
  return (error.message.split('\n', 1)[0] ?? '').slice(0, 120);
}

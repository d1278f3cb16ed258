/** What a kind of device or bridge is to the reader and the printer: its fields, and how they become a node and text again. */
import type * as z from 'zod';
import type { FunctionPlace } from './endpoint-fields.ts';
import { block } from './field.ts';
import type { LabEndpoint } from './lab-device.ts';
import { type Report, reportIssues } from './report.ts';
import type { LabBlock } from './values.ts';

export interface EndpointKind {
  readonly kind: LabEndpoint['kind'];
  /** One sentence, for the schema and the documentation. */
  readonly about: string;
  /** Of names that are given where the file has none. */
  readonly prefix: string;
  readonly schema: z.ZodObject;
  /** Undefined when something was reported. */
  read(fields: LabBlock, place: FunctionPlace, report: Report): LabEndpoint | undefined;
  /** All fields of a node of this kind. */
  print(node: LabEndpoint): LabBlock;
}

interface EndpointDefinition<Shape extends z.core.$ZodShape, Node extends LabEndpoint> {
  readonly kind: Node['kind'];
  readonly about: string;
  readonly prefix: string;
  readonly fields: Shape;
  readonly fill: (raw: z.output<z.ZodObject<Shape>>, place: FunctionPlace, report: Report) => Node;
  readonly print: (node: Node) => LabBlock;
}

/** Joins the parts of a kind and forgets their types. */
export function endpointKind<Shape extends z.core.$ZodShape, Node extends LabEndpoint>(
  definition: EndpointDefinition<Shape, Node>,
): EndpointKind {
  const schema = block(definition.fields);
  return {
    kind: definition.kind,
    about: definition.about,
    prefix: definition.prefix,
    schema: schema as unknown as z.ZodObject,
    read: (fields, place, report) => {
      const raw = readFields(schema, fields, report);
      return raw === undefined ? undefined : definition.fill(raw as never, place, report);
    },
    // The printer asks the kind of the node.
    print: (node) => definition.print(node as Node),
  };
}

/** Undefined when something was reported. */
export function readFields<Schema extends z.ZodType>(
  schema: Schema,
  fields: unknown,
  report: Report,
): z.output<Schema> | undefined {
  const result = schema.safeParse(fields);
  if (!result.success) {
    reportIssues(result.error.issues, report);
    return undefined;
  }
  return result.data;
}

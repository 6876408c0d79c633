/** The language of rules, as data: comparisons of facts, joined by all, any, not, and asked of each of a list. */
import { z } from 'zod';
import { parseBytes } from '../model/units.ts';

/** The lists that can be gone through, and what an element is called in paths. */
export const lists = {
  disks: 'disk',
  nics: 'nic',
  volumes: 'volume',
  mounts: 'mount',
  interfaces: 'interface',
  kernels: 'kernel',
  tools: 'tool',
  space: 'room',
} as const;
export type ListName = keyof typeof lists;

export type Scalar = string | number | boolean;

/** How a fact is compared; exactly one of them in a comparison. */
export interface Operators {
  readonly is?: Scalar | undefined;
  readonly in?: readonly Scalar[] | undefined;
  /** Numbers; sizes may be written as `8 TiB`. */
  readonly above?: number | undefined;
  readonly below?: number | undefined;
  readonly atLeast?: number | undefined;
  readonly atMost?: number | undefined;
  readonly multipleOf?: number | undefined;
  /** Any of these, without regard to case. */
  readonly starts?: readonly string[] | undefined;
  readonly ends?: readonly string[] | undefined;
  /** A list has any of these; a text has it in it. */
  readonly has?: readonly string[] | undefined;
  /** A dotted version: numbers are compared part by part. */
  readonly olderThan?: string | undefined;
  /** Never unknown: an absent fact is not present, an empty list neither. */
  readonly present?: boolean | undefined;
}
export type Comparison = { readonly fact: string } & Operators;

export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  /** Holds for at least one; those for which it does are the evidence. */
  | { readonly each: ListName; readonly where: Condition }
  | { readonly every: ListName; readonly where: Condition }
  | { readonly count: ListName; readonly where?: Condition | undefined; readonly above: number }
  | Comparison;

export const path = z
  .string()
  .max(100)
  .regex(/^[a-zA-Z_][\w-]*(\.[\w-]+)*$/);
const word = z.string().max(200);
const words = z
  .union([word, z.array(word).min(1).max(50)])
  .transform((given) => (typeof given === 'string' ? [given] : given));
const scalar = z.union([word, z.number(), z.boolean()]);
const amount = z.union([
  z.number().finite(),
  word.transform((text, context) => {
    try {
      return parseBytes(text);
    } catch {
      context.addIssue({ code: 'custom', message: `"${text}" is no size` });
      return z.NEVER;
    }
  }),
]);
const listName = z.enum(Object.keys(lists) as [ListName, ...ListName[]]);

const operators = {
  is: scalar.optional(),
  in: z.array(scalar).min(1).max(50).optional(),
  above: amount.optional(),
  below: amount.optional(),
  atLeast: amount.optional(),
  atMost: amount.optional(),
  multipleOf: amount.optional(),
  starts: words.optional(),
  ends: words.optional(),
  has: words.optional(),
  olderThan: z
    .string()
    .max(50)
    .regex(/^\d[\d.]*$/)
    .optional(),
  present: z.boolean().optional(),
};
const comparison = z
  .strictObject({ fact: path, ...operators })
  .refine((given) => Object.values(given).filter((value) => value !== undefined).length === 2, {
    message: 'a comparison takes a fact and one operator',
  });

/** How deep a pack may be nested, and how much one list may hold: it is read from files of others. */
export const condition: z.ZodType<Condition> = z.lazy(() =>
  z.union([
    z.strictObject({ all: z.array(condition).min(1).max(50) }),
    z.strictObject({ any: z.array(condition).min(1).max(50) }),
    z.strictObject({ not: condition }),
    z.strictObject({ each: listName, where: condition }),
    z.strictObject({ every: listName, where: condition }),
    z.strictObject({ count: listName, where: condition.optional(), above: z.number().int().min(0) }),
    comparison,
  ]),
) as z.ZodType<Condition>;

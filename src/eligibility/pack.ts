/** A pack of rules for one destination: its shape, checked when it is loaded, since a user can bring one. */
import { z } from 'zod';
import { AppError } from '../model/errors.ts';
import { condition } from './condition.ts';

/** A pack's text may not be larger: bytes. */
export const largestPack = 128 * 1024;
/** Levels of nesting. */
export const deepest = 30;

// Control and direction characters would steer the terminal that a message is shown on.
const steering = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const text = z
  .string()
  .max(1000)
  .transform((given) => given.replace(steering, '').trim())
  .refine((given) => given !== '', { message: 'it is empty' });

const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,49}$/);
const changeId = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,99}$/);

const source = z.strictObject({
  name: text,
  section: text.optional(),
  url: z
    .string()
    .max(300)
    .regex(/^https:\/\/[\x21-\x7e]+$/)
    .optional(),
});

const change = z.union([
  z.strictObject({ guest: changeId }),
  z.strictObject({ plan: z.enum(['format', 'bus']), to: id }),
  z.strictObject({ plan: z.literal('firmware'), to: z.enum(['bios', 'uefi']) }),
  z.strictObject({ plan: z.literal('table'), to: z.enum(['mbr', 'gpt']) }),
]);

const rule = z.strictObject({
  id,
  severity: z.enum(['blocker', 'warning', 'note']),
  title: text,
  /** `{disk.name}` is the fact of that path. */
  message: text,
  when: condition,
  /** A template too; absent: the elements that it was seen in. */
  evidence: text.optional(),
  remedy: text.optional(),
  change: change.optional(),
  /** One of the pack's sources, or its own. */
  source: z.union([id, source]),
});
type GivenRule = z.infer<typeof rule>;
export type Rule = Omit<GivenRule, 'source'> & { readonly source: z.infer<typeof source> };

const pack = z.strictObject({
  id,
  label: text.pipe(z.string().max(40)),
  version: z.string().regex(/^\d+(\.\d+){0,2}$/),
  date: z.string().regex(/^\d{4}-\d\d-\d\d$/),
  /** Only for others to extend: no destination of its own. */
  base: z.boolean().optional(),
  /** Packs whose rules it has too; a rule of the same id takes the place of theirs. */
  extends: z
    .union([id, z.array(id).max(10)])
    .transform((given) => (typeof given === 'string' ? [given] : given))
    .optional(),
  /** Ids of rules of theirs that it does not have. */
  without: z.array(id).max(200).optional(),
  /** Products of a plan that lead there. */
  products: z
    .array(z.strictObject({ id, firmware: z.enum(['bios', 'uefi']).optional() }))
    .max(10)
    .optional(),
  /** Where several rules were read. */
  sources: z.record(id, source).optional(),
  rules: z.array(rule).max(200),
});
export type PackFile = Omit<z.infer<typeof pack>, 'rules' | 'sources'> & { readonly rules: readonly Rule[] };

/** @throws AppError `corrupt` naming the place in the pack. */
export function checkedPack(data: unknown, where: string): PackFile {
  refuseDepth(data, where);
  const checked = pack.safeParse(data);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw broken(`${issue?.path.join('.') || 'the pack'}: ${issue?.message ?? 'not understood'}`, where);
  }
  const ids = checked.data.rules.map((one) => one.id);
  const twice = ids.find((one, i) => ids.indexOf(one) !== i);
  if (twice !== undefined) throw broken(`two rules are called "${twice}"`, where);
  const { sources = {}, rules, ...rest } = checked.data;
  return { ...rest, rules: rules.map((one) => ({ ...one, source: sourceOf(one, sources, where) })) };
}

function sourceOf({ id: rule, source }: GivenRule, sources: Record<string, Rule['source']>, where: string) {
  if (typeof source !== 'string') return source;
  const found = Object.hasOwn(sources, source) ? sources[source] : undefined;
  if (found === undefined) throw broken(`${rule}: the pack has no source "${source}"`, where);
  return found;
}

function refuseDepth(data: unknown, where: string): void {
  let level: unknown[] = [data];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) throw broken(`it is nested deeper than ${deepest} levels`, where);
    level = level.flatMap((value) =>
      typeof value === 'object' && value !== null ? Object.values(value) : [],
    );
  }
}

export const broken = (message: string, where: string, cause?: unknown): AppError =>
  new AppError('corrupt', message, {
    where,
    hint: 'docs/rules.md says what a pack of rules consists of',
    ...(cause === undefined ? {} : { cause }),
  });

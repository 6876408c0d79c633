/** A plan from JSON: of a journal or of `vmferry plan`. Checked, since it may come from anywhere. */
import * as z from 'zod';
import { count, machineSchema, strings, text, texts } from '../env-plugins/machine-schema.ts';
import { AppError } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';

const guest = z.object({
  changes: z.enum(['needed', 'none']),
  without: z.array(text).max(1000).optional(),
  engine: z.enum(['builtin', 'libguestfs']).optional(),
  add: z
    .object({
      hostname: text.optional(),
      sshKeys: z
        .array(z.object({ user: text, keys: z.array(z.string().max(100_000)).max(1000) }))
        .max(1000)
        .optional(),
      passwordsOf: texts.optional(),
      copies: z
        .array(z.object({ from: text, to: text }))
        .max(1000)
        .optional(),
      firstBoot: texts.optional(),
      packages: texts.optional(),
      serialConsole: z.boolean().optional(),
      cloudInit: z.boolean().optional(),
      agent: z.boolean().optional(),
      removeTools: z.boolean().optional(),
    })
    .optional(),
  windowsDrivers: text.optional(),
  kernel: z
    .object({ image: text.min(1), initramfs: text.min(1).optional(), modules: text.min(1).optional() })
    .optional(),
  shrink: z.boolean().optional(),
  undo: text.optional(),
});
const keepStage = z.enum(['extracted', 'changed', 'converted']);
const keepPlace = z.union([
  z.strictObject({ folder: text.min(1), usual: z.literal(true).optional() }),
  z.strictObject({
    environment: z.literal('ssh'),
    profile: text.optional(),
    settings: strings,
  }),
]);
const keep = z.object({
  stages: z.array(keepStage).min(1).max(3),
  format: z.enum(['qcow2', 'raw']).optional(),
  place: keepPlace,
  reserveBytes: count.optional(),
  machine: machineSchema.optional(),
});
const copyOf = z.object({ run: text, stage: keepStage, title: text, reserveBytes: count.optional() });
const disk = machineSchema.shape.disks.element;
const arrange = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('combine'), disks: z.array(disk).min(2).max(1000) }),
  z.object({
    kind: z.literal('separate'),
    disks: z.array(disk).length(1),
    groups: z
      .array(z.array(count.min(1).max(10_000)).min(1).max(1000))
      .min(1)
      .max(1000),
  }),
]);
const schema = z.object({
  version: z.literal(1),
  source: z.object({
    environment: text,
    profile: text.optional(),
    settings: strings,
    machine: text,
    follow: z.boolean(),
    format: text.optional(),
    snapshot: text.optional(),
    window: z.object({ offset: count, length: count.min(1) }).optional(),
    partition: count.min(1).optional(),
    table: z.enum(['mbr', 'gpt']).optional(),
  }),
  machine: machineSchema,
  destination: z.object({
    environment: text,
    profile: text.optional(),
    settings: strings,
    product: text,
    container: z.enum(['disks', 'ovf', 'ova', 'xva']),
    format: text,
    options: z.record(text, z.union([z.string(), z.number(), z.boolean()])),
    recipients: z.array(text).max(100).optional(),
    backing: text.min(1).optional(),
    splitBytes: count.min(1024 * 1024).optional(),
  }),
  force: z.boolean(),
  sync: z.boolean(),
  start: z.boolean().optional(),
  verify: z.boolean().optional(),
  sums: z.boolean().optional(),
  digest: z.enum(['xxh3-128', 'sha256']).optional(),
  warm: z
    .object({
      shutDown: z.boolean(),
      turnOn: z.boolean(),
      passes: count.max(10_000).optional(),
      belowBytes: count.optional(),
      intervalSeconds: count.max(1_000_000).optional(),
      folder: text.min(1).optional(),
    })
    .optional(),
  guest: guest.optional(),
  arrange: arrange.optional(),
  keep: keep.optional(),
  copyOf: copyOf.optional(),
});

/** @throws AppError `usage` naming the first field that is wrong. */
export function parsePlan(data: unknown): Plan {
  const result = schema.safeParse(data);
  if (result.success) return result.data as Plan;
  const issue = result.error.issues[0];
  const place = issue?.path.join('.') || 'the plan';
  throw new AppError('usage', `not a plan: ${place}: ${issue?.message ?? 'wrong'}`, {
    hint: 'make it with "vmferry plan"',
  });
}

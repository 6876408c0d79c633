/**
 * The contract's data, checked: what comes from outside this program (a plugin of others, a process) is not taken
 * at its word. Apart from the contract, so that the schemas are loaded only where something is from outside.
 */
import * as z from 'zod';
import type { Extent } from '../io/extents.ts';
import { AppError } from '../model/errors.ts';
import type { Field } from '../model/field.ts';
import type { Finding } from '../model/finding.ts';
import type { Leftover } from '../model/leftover.ts';
import type { Machine, PowerState } from '../model/machine.ts';
import type { Options } from '../model/options.ts';
import type { EnvironmentPlugin } from './plugin.ts';

/** What a plugin says of itself: all of it but `connect`. */
export type PluginDescription = Omit<EnvironmentPlugin, 'connect'>;

const text = z.string().max(64 * 1024);
const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

const fieldSchema = z.looseObject({
  key: z.string().regex(/^[\w.-]{1,64}$/),
  label: text.min(1),
  help: text,
  kind: z.enum(['text', 'secret', 'number', 'folder', 'folders', 'boolean', 'choice']),
  required: z.boolean(),
  default: text.optional(),
  choices: z.array(text).optional(),
});

const descriptionSchema = z.object({
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'an id is of a-z, 0-9, ".", "_" and "-"'),
  label: text.min(1),
  summary: text,
  roles: z.array(z.enum(['source', 'destination'])).min(1),
  fields: z.array(fieldSchema),
});

const findingSchema = z.looseObject({
  rule: text,
  severity: z.enum(['blocker', 'warning', 'note']),
  message: text,
  evidence: text.optional(),
  remedy: text.optional(),
});

const leftoverSchema = z.object({ what: text.min(1), command: text.optional() });

const powerSchema = z.enum(['off', 'running', 'suspended', 'unknown']);

const machineSchema = z.looseObject({
  id: text.min(1),
  name: text,
  state: powerSchema,
  system: z.looseObject({ name: text, family: z.enum(['linux', 'windows', 'bsd', 'other']) }).optional(),
  processors: z.looseObject({ count: size }).optional(),
  memoryBytes: size.optional(),
  firmware: z.looseObject({ kind: z.enum(['bios', 'uefi']) }).optional(),
  disks: z.array(
    z.looseObject({
      id: text.min(1),
      name: text,
      format: text.optional(),
      virtualSizeBytes: size.optional(),
      allocatedSizeBytes: size.optional(),
      bus: z.enum(['ide', 'sata', 'scsi', 'virtio', 'nvme', 'usb', 'sd', 'xen', 'ubd', 'fdc']).optional(),
      files: z.array(text),
    }),
  ),
  nics: z.array(z.looseObject({ mac: text.optional(), network: text.optional(), model: text.optional() })),
  devices: z.looseObject({}).optional(),
  snapshots: z.array(z.looseObject({ name: text, machine: text.optional() })).optional(),
  findings: z.array(findingSchema),
});

const optionsSchema = z.record(text, z.record(text, z.union([text, z.number(), z.boolean()])));

const extentSchema = z.object({ kind: z.enum(['data', 'zero', 'hole']), offset: size, length: size.min(1) });

/** Checks against one schema. @throws AppError `bug` naming the place, as a fault of `who`. */
function checked<T>(schema: z.ZodType, value: unknown, what: string, who: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data as T;
  const issue = result.error.issues[0];
  const place = issue?.path.length ? ` at ${issue.path.join('.')}` : '';
  throw new AppError('bug', `${who} gives ${what} that is wrong${place}: ${issue?.message}`, {
    hint: 'tell the author of this plugin',
  });
}

export const checkedDescription = (value: unknown, who: string): PluginDescription =>
  checked(descriptionSchema, value, 'a description of itself', who);

export const checkedMachine = (value: unknown, who: string): Machine =>
  checked(machineSchema, value, 'a machine', who);

export const checkedFindings = (value: unknown, who: string): Finding[] =>
  checked(z.array(findingSchema), value, 'findings', who);

/** One who answers nothing has left nothing. */
export const checkedLeftovers = (value: unknown, who: string): Leftover[] =>
  checked(z.array(leftoverSchema), value ?? [], 'what it left behind', who);

export const checkedFields = (value: unknown, who: string): Field[] =>
  checked(z.array(fieldSchema), value, 'fields', who);

export const checkedTexts = (value: unknown, what: string, who: string): string[] =>
  checked(z.array(text), value, what, who);

/** By format. */
export const checkedOptions = (value: unknown, who: string): Readonly<Record<string, Options>> =>
  checked(optionsSchema, value, 'options', who);

/** What a guest will find: the rest of the machine is not asked for. */
export const checkedHardware = (value: unknown, who: string): Pick<Machine, 'disks' | 'nics' | 'firmware'> =>
  checked(machineSchema.pick({ disks: true, nics: true, firmware: true }), value, 'hardware', who);

export const checkedSize = (value: unknown, what: string, who: string): number =>
  checked(size, value, what, who);

export const checkedPower = (value: unknown, who: string): PowerState =>
  checked(powerSchema, value, 'a state', who);

/** Extents of [from, to), whose law is checked as well: what is missing would be read as nothing. */
export function checkedExtents(value: unknown, from: number, to: number, who: string): Extent[] {
  const extents = checked<Extent[]>(z.array(extentSchema), value, 'extents', who);
  let at = from;
  for (const [i, extent] of extents.entries()) {
    if (extent.offset !== at || extent.kind === extents[i - 1]?.kind) {
      throw new AppError('bug', `${who} gives extents that break their law at offset ${extent.offset}`, {
        hint: 'tell the author of this plugin',
      });
    }
    at += extent.length;
  }
  if (at !== to)
    throw new AppError('bug', `${who} gives extents that end at ${at}, expected at ${to}`, {
      hint: 'tell the author of this plugin',
    });
  return extents;
}

/** A plan from JSON: of a journal or of `vmferry plan`. Checked, since it may come from anywhere. */
import * as z from 'zod';
import { AppError } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';

const text = z.string().max(4096);
const count = z.number().int().min(0);
const strings = z.record(text, text);
const severity = z.enum(['blocker', 'warning', 'note']);
const finding = z.object({
  rule: text,
  severity,
  message: text,
  evidence: text.optional(),
  remedy: text.optional(),
});
const firmware = z.object({
  kind: z.enum(['bios', 'uefi']),
  secureBoot: z.boolean().optional(),
  nvram: z.boolean().optional(),
});
const bus = z.enum(['ide', 'sata', 'scsi', 'virtio', 'nvme', 'usb', 'sd', 'xen', 'ubd', 'fdc']);
const disk = z.object({
  id: text,
  name: text,
  format: text.optional(),
  packed: z.array(text).max(1000).optional(),
  costly: z.boolean().optional(),
  virtualSizeBytes: count.optional(),
  allocatedSizeBytes: count.optional(),
  bus: bus.optional(),
  controllerModel: text.optional(),
  controller: count.optional(),
  unit: count.optional(),
  files: z.array(text).max(100_000),
  bootable: z.boolean().optional(),
  bootOrder: count.optional(),
  serial: text.optional(),
  readOnly: z.boolean().optional(),
  shared: z.boolean().optional(),
});
const nic = z.object({
  mac: text.optional(),
  network: text.optional(),
  model: text.optional(),
  connected: z.boolean().optional(),
  bootOrder: count.optional(),
});
const texts = z.array(text).max(1000);
const devices = z.object({
  tpm: z.object({ version: z.enum(['1.2', '2.0']).optional(), model: text.optional() }).optional(),
  clock: z.enum(['utc', 'localtime']).optional(),
  graphics: text.optional(),
  video: text.optional(),
  consoles: z
    .array(z.enum(['serial', 'virtio']))
    .max(1000)
    .optional(),
  agents: texts.optional(),
  cdroms: z
    .array(z.object({ bus: bus.optional(), media: text.optional() }))
    .max(1000)
    .optional(),
  bound: texts.optional(),
});
const snapshot = z.object({
  name: text,
  createdAt: z.number().optional(),
  current: z.boolean().optional(),
  description: z.string().max(100_000).optional(),
  machine: text.optional(),
});
const machine = z.object({
  id: text,
  name: text.min(1),
  state: z.enum(['off', 'running', 'suspended', 'unknown']),
  system: z
    .object({
      name: text,
      family: z.enum(['linux', 'windows', 'bsd', 'other']),
      version: text.optional(),
      architecture: text.optional(),
      hostname: text.optional(),
    })
    .optional(),
  processors: z
    .object({
      count: count.min(1),
      coresPerSocket: count.min(1).optional(),
      threadsPerCore: count.min(1).optional(),
      model: text.optional(),
    })
    .optional(),
  memoryBytes: count.optional(),
  firmware: firmware.optional(),
  disks: z.array(disk).max(1000),
  nics: z.array(nic).max(1000),
  devices: devices.optional(),
  chipset: text.optional(),
  uuid: text.optional(),
  snapshots: z.array(snapshot).max(10_000).optional(),
  packaging: text.optional(),
  place: text.optional(),
  description: z.string().max(100_000).optional(),
  findings: z.array(finding),
});
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
  machine,
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
  }),
  force: z.boolean(),
  sync: z.boolean(),
  start: z.boolean().optional(),
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

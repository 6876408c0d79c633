/** The neutral machine as JSON, strictly: of a plan's file, a journal or a kept copy, which may come from anywhere. */
import * as z from 'zod';

export const text = z.string().max(4096);
export const count = z.number().int().min(0);
export const strings = z.record(text, text);
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
export const texts = z.array(text).max(1000);
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
export const machineSchema = z.object({
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

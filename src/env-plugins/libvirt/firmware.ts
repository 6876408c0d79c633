/**
 * Builds of UEFI on a host, by the descriptions that distributions put there. Format: QEMU,
 * docs/interop/firmware.json. Needed where variables are carried along: they must fit their build.
 */
import * as z from 'zod';
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import type { FirmwareBuild } from './domain-spec.ts';

/** Later ones lose against a file of the same name in an earlier one. */
const folders = ['/etc/qemu/firmware', '/usr/share/qemu/firmware'];

const flashFile = z.object({ filename: z.string(), format: z.string().optional() });
const descriptor = z.object({
  'interface-types': z.array(z.string()),
  mapping: z.object({
    device: z.string(),
    executable: flashFile.optional(),
    'nvram-template': flashFile.optional(),
  }),
  targets: z.array(z.object({ architecture: z.string(), machines: z.array(z.string()) })),
  features: z.array(z.string()),
});
type Descriptor = z.infer<typeof descriptor>;

export interface FirmwareQuery {
  readonly architecture: string;
  /** The full name: `pc-q35-7.2`. */
  readonly machine: string;
  readonly secureBoot: boolean;
  /** Bytes of the variables that are to be carried. */
  readonly nvramBytes: number;
}

/**
 * A build that takes variables of this size, or undefined; for a machine without Secure Boot rather one that can't do
 * it: the others need system management mode. @throws AppError `cancelled`, `unreachable`.
 */
export async function findFirmware(
  host: Host,
  query: FirmwareQuery,
  signal?: AbortSignal,
): Promise<FirmwareBuild | undefined> {
  const fitting = (await descriptors(host, signal)).filter((one) => fits(one, query));
  for (const { mapping, features } of fitting.sort((a, b) => rank(a, query) - rank(b, query))) {
    const { executable, 'nvram-template': template } = mapping;
    if (executable === undefined || template === undefined || (template.format ?? 'raw') !== 'raw') continue;
    const file = await host.files.stat(template.filename, signal).catch(orNone);
    if (file?.size !== query.nvramBytes) continue;
    return {
      code: executable.filename,
      template: template.filename,
      smm: features.includes('requires-smm'),
    };
  }
  return undefined;
}

const rank = ({ features }: Descriptor, { secureBoot }: FirmwareQuery): number =>
  !secureBoot && features.includes('secure-boot') ? 1 : 0;

/** Whether there is a build that can't do Secure Boot. @throws AppError `cancelled`, `unreachable`. */
export async function hasPlainFirmware(
  host: Host,
  query: Pick<FirmwareQuery, 'architecture' | 'machine'>,
  signal?: AbortSignal,
): Promise<boolean> {
  const wanted = { ...query, secureBoot: false };
  const all = await descriptors(host, signal);
  return all.some((one) => fits(one, wanted) && !one.features.includes('secure-boot'));
}

function fits(
  one: Descriptor,
  { architecture, machine, secureBoot }: Omit<FirmwareQuery, 'nvramBytes'>,
): boolean {
  const target = one.targets.some(
    (t) => t.architecture === architecture && t.machines.some((glob) => matches(glob, machine)),
  );
  const { features } = one;
  const secure = features.includes('secure-boot');
  return (
    target && one.mapping.device === 'flash' && (secureBoot ? secure : !features.includes('enrolled-keys'))
  );
}

/** Only `*` is special there. */
const matches = (glob: string, name: string): boolean =>
  new RegExp(
    `^${glob
      .split('*')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('.*')}$`,
  ).test(name);

/** In the order of their names; those that can't be read or understood are passed over. */
async function descriptors(host: Host, signal?: AbortSignal): Promise<Descriptor[]> {
  const byName = new Map<string, string>();
  for (const folder of folders) {
    for (const { path } of (await host.files.list(folder, signal).catch(orNone)) ?? []) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (name.endsWith('.json') && !byName.has(name)) byName.set(name, path);
    }
  }
  const found: Descriptor[] = [];
  for (const [, path] of [...byName].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const text = await host.files.text(path, signal === undefined ? {} : { signal }).catch(orNone);
    const parsed = descriptor.safeParse(text === undefined ? undefined : jsonOf(text));
    if (parsed.success && parsed.data['interface-types'].includes('uefi')) found.push(parsed.data);
  }
  return found;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an empty file hides one of the same name: it describes nothing
  }
}

function orNone(error: unknown): undefined {
  if (error instanceof AppError && !['cancelled', 'unreachable'].includes(error.kind)) return undefined;
  throw error;
}

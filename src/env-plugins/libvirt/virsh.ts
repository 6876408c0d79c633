/**
 * Running virsh on a host. It is libvirt's own client and needs no library here: it takes the host's URI, its
 * sockets, its polkit rules and the `libvirt` group as they are.
 */
import { randomBytes } from 'node:crypto';
import type { Host, RunOptions } from '../../io/host/host.ts';
import { quoteArgs } from '../../io/ssh/quote-args.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';

export interface VirshOptions {
  readonly signal?: AbortSignal | undefined;
  readonly maximumBytes?: number;
}

/** `virsh` with these words after it. `--name=value` keeps a value with a leading dash from being an option. */
export const virshArgs = (uri: string, args: readonly string[]): string[] => [
  'virsh',
  '--quiet',
  '--connect',
  uri,
  ...args,
];

/** As a user types it. */
export const virshCommand = (uri: string, args: readonly string[]): string =>
  quoteArgs(['virsh', '--connect', uri, ...args]);

/**
 * What virsh prints. A single argument is a line of commands in virsh's own language (`a; b`): never to be made of
 * names. @throws AppError with what virsh says in words: see `virshError`.
 */
export async function runVirsh(
  host: Host,
  uri: string,
  args: readonly string[],
  { signal, maximumBytes = 64 * MiB }: VirshOptions = {},
): Promise<string> {
  const options: RunOptions = { signal, maximumBytes };
  const result = await host.run(virshArgs(uri, args), options).catch((error) => {
    throw virshMissing(error, host);
  });
  if (result.code !== 0) throw virshError(result.stderr, `${host.name}, ${uri}`);
  return result.stdout.toString();
}

/** The error of a `spawn` or `run` of virsh itself. */
export function virshMissing(error: unknown, host: Host): unknown {
  if (!(error instanceof AppError) || error.kind !== 'not-found') return error;
  return new AppError('not-found', 'there is no command "virsh"', {
    where: host.name,
    hint: 'install libvirt\'s client there ("libvirt-clients" on Debian and Ubuntu, "libvirt-client" elsewhere)',
    cause: error,
  });
}

interface Known {
  readonly says: RegExp;
  readonly kind: AppError['kind'];
  readonly hint?: string;
}

const notLetIn =
  'the user needs to be in the group "libvirt" (then log in again), or let in by polkit; or use qemu:///session';

/** The first that matches, in libvirt's English: `LC_ALL=C` is set. */
const knownErrors: readonly Known[] = [
  { says: /authentication (unavailable|failed)|access denied|polkit/i, kind: 'auth', hint: notLetIn },
  { says: /failed to connect socket.*permission denied/is, kind: 'auth', hint: notLetIn },
  {
    says: /failed to connect socket|unable to connect to (libvirt )?server|failed to connect to the hypervisor.*(refused|no such file)/is,
    kind: 'unreachable',
    hint: 'libvirt does not run there: start it ("systemctl start libvirtd" or "virtqemud.socket"), or check the URI',
  },
  {
    says: /no connection driver available|unexpected \w+ URI|driver .* is not (built|installed)|failed to find module/i,
    kind: 'unreachable',
    hint: 'install the driver of this URI there ("libvirt-daemon-driver-qemu"), or check the URI',
  },
  {
    says: /failed to get (domain|network|pool|vol)|not found|no (domain|storage|network)\w* .*with matching/i,
    kind: 'not-found',
  },
  { says: /already exists|is already (active|running|defined|in use)/i, kind: 'conflict' },
  { says: /no space left|not enough (free )?space/i, kind: 'no-space', hint: 'free some space there' },
  { says: /permission denied|operation not permitted/i, kind: 'auth' },
  { says: /not supported|unsupported/i, kind: 'unsupported' },
  {
    says: /end of file while reading|connection (reset|closed)|broken pipe/i,
    kind: 'unreachable',
    hint: 'libvirt went away meanwhile: look into its log',
  },
];

/** What virsh said on its error output, as an error of ours. `where`: the host and URI. */
export function virshError(stderr: string, where: string): AppError {
  const lines = stderr
    .split('\n')
    .map((line) => line.replace(/^error:\s*/, '').trim())
    .filter((line) => line !== '');
  const message = lines.length === 0 ? 'virsh failed and does not say why' : lines.join('; ').slice(0, 2000);
  const known = knownErrors.find(({ says }) => says.test(stderr));
  return new AppError(known?.kind ?? 'io', `libvirt: ${message}`, {
    where,
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
  });
}

/**
 * Many commands in one process; the answers in their order, empty where a command failed (a machine that is gone
 * meanwhile). The commands are virsh's own words and UUIDs, never names.
 */
export async function virshBatch(
  run: (args: readonly string[], options?: VirshOptions) => Promise<string>,
  commands: readonly string[],
  options: VirshOptions = {},
): Promise<string[]> {
  if (commands.length === 0) return [];
  // A mark that no description or metadata of a machine can have in it.
  const mark = `vmferry-${randomBytes(12).toString('hex')}`;
  const line = commands.map((command) => `${command}; echo ${mark}`).join('; ');
  const parts = (await run([line], options)).split(mark);
  if (parts.length !== commands.length + 1) {
    throw new AppError('io', `virsh answered ${parts.length - 1} of ${commands.length} commands`, {
      hint: 'libvirt went away meanwhile, or its answers are too long',
    });
  }
  return parts.slice(0, -1);
}

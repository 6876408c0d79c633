/**
 * vcsim, the simulator of the vSphere API that comes with govmomi: a vCenter, or an ESXi host, with machines in memory
 * and datastores that are folders. `vcsim-build.sh` builds it, once.
 *
 * What it is not: it asks for no login for a datastore's files, locks none, and its snapshots have no delta files.
 * Exports, imports and changed-block tracking are what `vcsim-more/` adds.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:https';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { hasTool } from '../oracles/requires.ts';

const script = fileURLToPath(new URL('./vcsim-build.sh', import.meta.url));

/** Built when it is not there and can be. */
function programPath(): string | undefined {
  const built = spawnSync('bash', [script], { encoding: 'utf8' });
  return built.status === 0 ? built.stdout.trim() : undefined;
}

const program = programPath();

/** For `describeWith`. */
export const vcsimTools = [program ?? 'vcsim'] as const;

/** An independent client of the same API. */
export const pyvmomiTools =
  hasTool('/usr/bin/python3') &&
  spawnSync('/usr/bin/python3', ['-W', 'ignore', '-c', 'import pyVmomi']).status === 0
    ? (['/usr/bin/python3'] as const)
    : (['python3-pyvmomi'] as const);

export interface Vcsim {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Uploads a file; `path` is relative to the datastore. */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** What it printed so far; with `-trace` in `args`, every call and its answer. */
  output(): string;
  stop(): Promise<void>;
}

export interface VcsimOptions {
  /** An ESXi host instead of a vCenter. */
  readonly esx?: boolean;
  /** Machines per host or cluster. */
  readonly machines?: number;
  readonly running?: boolean;
  readonly args?: readonly string[];
  /** A server of its own beside the vCenter plays its hosts, see `vcsim-more/export.go`. */
  readonly host?: boolean;
}

export async function startVcsim(options: VcsimOptions = {}): Promise<Vcsim> {
  const { esx = false, machines = 2, running = false } = options;
  const user = 'operator';
  // Characters that XML and URLs have meanings for.
  const password = 'pa<ss&w"o]]>rd%41 ü';
  const args = [
    ...(esx ? ['-esx'] : []),
    ...['-l', '127.0.0.1:0', '-vm', String(machines), `-autostart=${running}`],
    ...['-username', user, '-password', password],
    ...(options.args ?? []),
  ];
  const env = { ...process.env, ...(options.host ? { VCSIM_HOST: '1' } : {}) };
  const server = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
  const stop = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGTERM'); // it removes the folders of its datastores
    await ended;
  };
  onTestFinished(stop);
  let said = '';
  let listening = false;
  const port = await new Promise<number>((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const found = listening ? null : /@127\.0\.0\.1:(\d+)\/sdk/.exec(said);
      if (found === null) return;
      listening = true;
      resolve(Number(found[1]));
    };
    server.stdout.on('data', listen);
    server.stderr.on('data', listen);
    server.once('exit', () => reject(new Error(`vcsim ended: ${said}`)));
    server.once('error', reject);
  });
  const datacenter = esx ? 'ha-datacenter' : 'DC0';
  return {
    port,
    user,
    password,
    stop,
    output: () => said,
    put: (path, bytes) =>
      upload(port, `/folder/${encodeURI(path)}?dcPath=${datacenter}&dsName=LocalDS_0`, bytes),
  };
}

function upload(port: number, path: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method: 'PUT', rejectUnauthorized: false },
      (answer) => {
        answer.resume();
        answer.on('end', () =>
          answer.statusCode! < 300 ? resolve() : reject(new Error(`PUT ${path}: ${answer.statusCode}`)),
        );
      },
    );
    sent.on('error', reject);
    sent.end(bytes);
  });
}

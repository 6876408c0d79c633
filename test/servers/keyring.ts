/** A D-Bus session and a gnome-keyring of the test's own, in a private home; ended with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { tempFolder } from '../temp.ts';

export const keyringTools = ['dbus-daemon', 'gnome-keyring-daemon', 'secret-tool'] as const;

export interface Session {
  /** The environment of a program in this session. */
  readonly env: NodeJS.ProcessEnv;
  readonly bus: ChildProcess;
}

export async function busSession(): Promise<Session> {
  const home = await tempFolder();
  const runtime = join(home, 'run');
  await mkdir(runtime, { mode: 0o700 });
  const { DBUS_SESSION_BUS_ADDRESS: _, DISPLAY: __, WAYLAND_DISPLAY: ___, ...rest } = process.env;
  const env = { ...rest, HOME: home, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: join(home, 'data') };
  const bus = ended(
    spawn('dbus-daemon', ['--session', '--nofork', '--print-address=1', `--address=unix:dir=${runtime}`], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const [address] = (await once(createInterface(bus.stdout!), 'line')) as [string];
  return { env: { ...env, DBUS_SESSION_BUS_ADDRESS: address }, bus };
}

/** Starts the keyring; without a password it stays locked. Resolves when it has its name on the bus. */
export async function startKeyring({ env }: Session, password?: string): Promise<ChildProcess> {
  const unlock = password === undefined ? [] : ['--unlock'];
  const args = ['--foreground', '--components=secrets', ...unlock];
  const daemon = ended(spawn('gnome-keyring-daemon', args, { env, stdio: ['pipe', 'ignore', 'ignore'] }));
  daemon.stdin!.end(password ?? '');
  const wait = spawn('gdbus', ['wait', '--session', '--timeout=10', 'org.freedesktop.secrets'], { env });
  const [code] = await once(wait, 'exit');
  if (code !== 0) throw new Error('the keyring did not come up');
  return daemon;
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function ended(child: ChildProcess): ChildProcess {
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

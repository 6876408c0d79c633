/** Where vmferry keeps what outlives a run. XDG Base Directory Specification 0.8 on Linux. */
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

export interface StorePaths {
  /** Preferences, profiles, the vault: worth a backup. */
  readonly config: string;
  /** Journals: of this machine only. */
  readonly state: string;
  readonly preferences: string;
  readonly profiles: string;
  readonly vault: string;
  /** Plugins from outside, each in a folder of its own. */
  readonly plugins: string;
  /** The user's own rules. */
  readonly rules: string;
  readonly runs: string;
  /** Copies of machines: large. */
  readonly kept: string;
}

export interface PathContext {
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
  readonly home: string;
}

/** VMFERRY_HOME wins over everything; then XDG; then the custom of the system. Creates nothing. */
export function storePaths(context: Partial<PathContext> = {}): StorePaths {
  const { config, state, data } = folders({
    env: process.env,
    platform: process.platform,
    home: homedir(),
    ...context,
  });
  return {
    config,
    state,
    preferences: join(config, 'preferences.json'),
    profiles: join(config, 'profiles.json'),
    vault: join(config, 'vault.json'),
    plugins: join(config, 'plugins'),
    rules: join(config, 'rules'),
    runs: join(state, 'runs'),
    kept: join(data, 'kept'),
  };
}

function folders({ env, platform, home }: PathContext): { config: string; state: string; data: string } {
  if (env.VMFERRY_HOME) {
    const own = resolve(env.VMFERRY_HOME);
    return { config: join(own, 'config'), state: join(own, 'state'), data: join(own, 'data') };
  }
  const xdgConfig = absolute(env.XDG_CONFIG_HOME);
  const xdgState = absolute(env.XDG_STATE_HOME);
  const xdgData = absolute(env.XDG_DATA_HOME);
  if (platform === 'darwin') {
    const own = join(home, 'Library', 'Application Support', 'vmferry');
    return {
      config: xdgConfig ? join(xdgConfig, 'vmferry') : join(own, 'config'),
      state: xdgState ? join(xdgState, 'vmferry') : join(own, 'state'),
      data: xdgData ? join(xdgData, 'vmferry') : join(own, 'data'),
    };
  }
  if (platform === 'win32') {
    return {
      config: join(env.APPDATA || join(home, 'AppData', 'Roaming'), 'vmferry', 'config'),
      state: join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'vmferry', 'state'),
      data: join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'vmferry', 'data'),
    };
  }
  return {
    config: join(xdgConfig ?? join(home, '.config'), 'vmferry'),
    state: join(xdgState ?? join(home, '.local', 'state'), 'vmferry'),
    data: join(xdgData ?? join(home, '.local', 'share'), 'vmferry'),
  };
}

/** The specification: a relative path is invalid and to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path && isAbsolute(path) ? path : undefined;
}

/** Creates the folder and what is missing above it, for the user alone (0700). What exists keeps its mode. */
export async function ensurePrivateFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** `plugin-serve`: one plugin for another vmferry, over standard input and output. */
import { Console } from 'node:console';
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Composed, compose } from '../compose.ts';
import { pluginById } from '../convert/sessions.ts';
import type { EnvironmentPlugin } from '../env-plugins/plugin.ts';
import { AppError } from '../model/errors.ts';
import { serve } from '../plugin-process/serve.ts';
import { loadPlugins } from '../plugins/load.ts';
import type { Strays } from '../plugins/strays.ts';

export async function pluginServe(name: string): Promise<number> {
  const { stdin, stdout } = process;
  const say = (text: string) => void process.stderr.write(`vmferry: ${text}\n`);
  keepOutputClean();
  const composed = await compose({ canAsk: false, say });
  const plugin = await pluginNamed(composed, name);
  // Whoever is asked to end does so as when the host is gone: what was begun is taken back.
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, () => stdin.destroy());
  await serve(plugin.id === 'local' ? withFolder(plugin) : plugin, stdin, stdout);
  return 0;
}

/** At home the folder is a choice of its own; whoever is elsewhere gives it in the form of the delivery. */
const withFolder = (plugin: EnvironmentPlugin): EnvironmentPlugin => ({
  ...plugin,
  async connect(settings, context) {
    const { destination, ...session } = await plugin.connect(settings, context);
    if (destination === undefined) return session;
    const fields = async () => [
      { key: 'folder', label: 'Folder', help: 'there, to write to', kind: 'text', required: true } as const,
    ];
    return { ...session, destination: { ...destination, fields } };
  },
});

/** What anything else prints would be taken for a frame. */
function keepOutputClean(): void {
  Object.defineProperty(process, 'stdout', { value: process.stderr, configurable: true });
  globalThis.console = new Console(process.stderr, process.stderr);
}

/** Built in, trusted, or a folder: whoever names a folder on the command line means it. */
async function pluginNamed(composed: Composed, name: string): Promise<EnvironmentPlugin> {
  const { services, dispatcher } = composed;
  if (!services.plugins.some((plugin) => plugin.id === name)) {
    const path = resolve(name);
    if ((await stat(path).catch(() => undefined))?.isDirectory())
      return pluginIn(path, composed.outside.strays);
    await dispatcher.perform({ type: 'load-plugins' });
  }
  return pluginById(services.plugins, name);
}

async function pluginIn(path: string, strays: Strays): Promise<EnvironmentPlugin> {
  const [{ findPlugins }, { placeHash }] = await Promise.all([
    import('../plugins/find.ts'),
    import('../plugins/content-hash.ts'),
  ]);
  const sources = { folder: '', programFolder: path, entries: [{ kind: 'folder', path }] } as const;
  const [place] = await findPlugins(sources);
  const trusted = place === undefined ? {} : { [place.key]: await placeHash(place) };
  const [loaded] = await loadPlugins({ ...sources, trusted, builtIn: [], strays });
  if (loaded?.plugin !== undefined) return loaded.plugin;
  throw new AppError('unsupported', `the plugin can't be loaded: ${loaded?.reason ?? 'there is none'}`, {
    where: path,
  });
}

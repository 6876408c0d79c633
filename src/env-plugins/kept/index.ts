/** "Kept copies": what earlier conversions kept of a machine, as source; in a folder here or of a host behind SSH. */
import { posix } from 'node:path';
import type { EnvironmentPlugin, Settings } from '../plugin.ts';
import { hostFields, openHost } from '../ssh-host/open-host.ts';

export interface KeptOptions {
  /** The store's folder, where the form names none. */
  folder(): Promise<string>;
}

export function keptPlugin(options: KeptOptions): EnvironmentPlugin {
  return {
    id: 'kept',
    label: 'Kept copies',
    summary: 'what earlier conversions kept (--keep): converted again without touching where it came from',
    roles: ['source'],
    fields: [
      {
        key: 'folder',
        label: 'Folder',
        help: 'the folder of the kept copies; empty: the store here',
        kind: 'folder',
        required: false,
      },
      ...hostFields,
    ],
    async connect(settings, context) {
      const host = await openHost(settings, context);
      try {
        const { sourceRole } = await import('./source.ts');
        const home = await host.files.home(context.signal);
        return {
          source: sourceRole(host, await folderOf(settings, home, host.here ? options : undefined)),
          close: () => host.close(),
        };
      } catch (error) {
        await host.close();
        throw error;
      }
    },
  };
}

/** On another host that of its user, where the form names none. */
async function folderOf(settings: Settings, home: string, here: KeptOptions | undefined): Promise<string> {
  const given = (settings.folder ?? '').trim();
  if (given === '' && here !== undefined) return here.folder();
  const folder = given === '' ? '~/.local/share/vmferry/kept' : given;
  return posix.resolve(home, folder.replace(/^~(\/|$)/, './'));
}

/** From the fields of a form to folders of exported machines, here or on a host behind SSH. Import it at the first use. */
import type { PluginContext, Session, Settings } from '../../plugin.ts';
import { openHost } from '../../ssh-host/open-host.ts';
import { exportedRole } from './source.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `cancelled`. */
export async function connectExported(settings: Settings, context: PluginContext): Promise<Session> {
  const host = await openHost(settings, context);
  try {
    const home = await host.files.home(context.signal);
    return {
      source: exportedRole(host, home, foldersOf(settings, home)),
      close: () => host.close(),
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}

const foldersOf = (settings: Settings, home: string): string[] =>
  (settings.folders ?? '')
    .split(':')
    .filter((folder) => folder !== '')
    .map((folder) =>
      (folder.startsWith('/') ? folder : `${home}/${folder.replace(/^~(\/|$)/, '')}`).replace(
        /(.)\/+$/,
        '$1',
      ),
    );

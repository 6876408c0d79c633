/** From the fields of a form to a libvirt that answers. Import it at the first use. */
import type { Host } from '../../io/host/host.ts';
import type { PluginContext, Session, Settings } from '../plugin.ts';
import { openHost } from '../ssh-host/open-host.ts';
import { uriOf } from './settings.ts';
import { runVirsh, type VirshOptions } from './virsh.ts';

/** A libvirt: the host that it runs on, with that host's own virsh. */
export interface Libvirt {
  readonly host: Host;
  readonly uri: string;
  /** See `runVirsh`. */
  virsh(args: readonly string[], options?: VirshOptions): Promise<string>;
}

/** @throws AppError `usage`, `unreachable`, `auth`, `not-found` (no virsh), `cancelled`. */
export async function connect(settings: Settings, context: PluginContext): Promise<Session> {
  const uri = uriOf(settings);
  const host = await openHost(settings, context);
  try {
    const libvirt = libvirtOn(host, uri);
    context.report(`asking libvirt on ${host.name}`);
    await libvirt.virsh(['uri'], { signal: context.signal });
    const [{ sourceRole }, { destinationRole }] = await Promise.all([
      import('./source.ts'),
      import('./destination.ts'),
    ]);
    return {
      source: sourceRole(libvirt, { report: (step) => context.report(step) }),
      destination: destinationRole(libvirt),
      close: () => host.close(),
    };
  } catch (error) {
    await host.close();
    throw error;
  }
}

export const libvirtOn = (host: Host, uri: string): Libvirt => ({
  host,
  uri,
  virsh: (args, options) => runVirsh(host, uri, args, options),
});

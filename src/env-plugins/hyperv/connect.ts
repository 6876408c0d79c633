/** From the fields of a form to a host whose PowerShell answers. Import it at the first use. */
import type { PluginContext, Session, Settings } from '../plugin.ts';
import { connectHost } from '../ssh-host/connect.ts';
import { destinationRole } from './destination.ts';
import { readHost } from './places.ts';
import { wayOf } from './settings.ts';
import { sharesOf } from './smb-settings.ts';
import { sourceRole } from './source.ts';
import { sshTransport, type Transport } from './transport.ts';
import { connectWinRm, winrmTransport } from './winrm-transport.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `unsupported` (no Hyper-V there), `cancelled`. */
export async function connect(
  settings: Settings,
  context: PluginContext,
  certificates: string,
): Promise<Session> {
  const transport = await reach(settings, context, certificates);
  try {
    context.report(`asking Hyper-V on ${transport.name}`);
    await readHost(transport, context.signal);
    return sessionOn(transport);
  } catch (error) {
    await transport.close();
    throw error;
  }
}

async function reach(settings: Settings, context: PluginContext, certificates: string): Promise<Transport> {
  const way = wayOf(settings);
  const shares = sharesOf(settings, context, way);
  if (way === 'ssh') return sshTransport(await connectHost(settings, context), shares, context.note);
  return winrmTransport(await connectWinRm(settings, context, certificates), shares);
}

export const sessionOn = (transport: Transport): Session => ({
  source: sourceRole(transport),
  destination: destinationRole(transport),
  close: () => transport.close(),
});

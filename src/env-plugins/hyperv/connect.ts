/** From the fields of a form to a host whose PowerShell answers. Import it at the first use. */
import type { PluginContext, Session, Settings } from '../plugin.ts';
import { connectHost } from '../ssh-host/connect.ts';
import { destinationRole } from './destination.ts';
import { readHost } from './places.ts';
import { sourceRole } from './source.ts';
import { sshTransport, type Transport } from './transport.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `unsupported` (no Hyper-V there), `cancelled`. */
export async function connect(settings: Settings, context: PluginContext): Promise<Session> {
  const transport = sshTransport(await connectHost(settings, context));
  try {
    context.report(`asking Hyper-V on ${transport.name}`);
    await readHost(transport, context.signal);
    return sessionOn(transport);
  } catch (error) {
    await transport.close();
    throw error;
  }
}

export const sessionOn = (transport: Transport): Session => ({
  source: sourceRole(transport),
  destination: destinationRole(transport),
  close: () => transport.close(),
});

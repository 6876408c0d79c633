/** A session of the plugin at a vcsim of the test's own. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { PluginContext, Session } from '../../../src/env-plugins/plugin.ts';
import { vspherePlugin } from '../../../src/env-plugins/vsphere/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import type { Vcsim } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';

export const never = new AbortController().signal;

export async function connected(
  server: Pick<Vcsim, 'port' | 'user' | 'password'>,
  context: Partial<PluginContext> = {},
  settings: Record<string, string> = {},
): Promise<Session> {
  const plugin = vspherePlugin({ certificates: join(await tempFolder(), 'known_certificates') });
  const session = await plugin.connect(
    { host: '127.0.0.1', port: String(server.port), user: server.user, ...settings },
    {
      signal: never,
      secret: async () => server.password,
      report: () => undefined,
      confirm: async () => true,
      ...context,
    },
  );
  onTestFinished(() => session.close());
  return session;
}

export async function listed(session: Session): Promise<Machine[]> {
  const machines: Machine[] = [];
  await session.source!.list({ signal: never, found: (machine) => machines.push(machine) });
  return machines;
}

/** As ESXi writes it beside a flat extent. */
export const vmfsDescriptor = (bytes: number, flat: string): Buffer =>
  Buffer.from(
    [
      '# Disk DescriptorFile',
      'version=1',
      'encoding="UTF-8"',
      'CID=fffffffe',
      'parentCID=ffffffff',
      'createType="vmfs"',
      '',
      '# Extent description',
      `RW ${bytes / 512} VMFS "${flat}"`,
      '',
      '# The Disk Data Base ',
      '#DDB',
      '',
      'ddb.adapterType = "lsilogic"',
      'ddb.thinProvisioned = "1"',
      '',
    ].join('\n'),
  );

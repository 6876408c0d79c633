/** A folder of a host as destination: what is in the way there. */
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkHostFolder, hostDelivery } from '../../src/env-plugins/host-delivery.ts';
import type { DeliveryRequest } from '../../src/env-plugins/plugin.ts';
import { localHost } from '../../src/io/host/local-host.ts';
import { tempFolder } from '../temp.ts';

function forced(folder: string): DeliveryRequest {
  const machine = { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] } as const;
  const { signal } = new AbortController();
  return { name: 'm', machine, settings: { folder }, force: true, sync: false, runId: 'run', signal };
}

it('a file may be replaced, a folder or a device never', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'file'), 'old');
  await mkdir(join(folder, 'folder'));
  await symlink('/dev/null', join(folder, 'link'));
  const host = localHost();
  const request = forced(folder);
  const findings = await checkHostFolder(host, folder, request, ['file', 'folder', 'link'], 0);
  expect(findings.map(({ rule, severity }) => [rule, severity])).toEqual([
    ['file.is-no-file', 'blocker'],
    ['file.is-no-file', 'blocker'],
  ]);
  const delivery = await hostDelivery(host, folder, request);
  for (const name of ['folder', 'link'])
    await expect(delivery.sink({ name })).rejects.toMatchObject({ kind: 'conflict' });
  const sink = await delivery.sink({ name: 'file' });
  await sink.write(Buffer.from('new'), 0);
  await sink.finish(3);
  await delivery.commit();
  expect((await readdir(folder)).sort()).toEqual(['file', 'folder', 'link']);
});

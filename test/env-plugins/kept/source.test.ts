import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyFileName, formatCopy } from '../../../src/env-plugins/kept-copy.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { tempFolder } from '../../temp.ts';
import { connectKept, copyOf, putCopy, run, storeWithOne } from './fixtures.ts';

const { signal } = new AbortController();
const id = `${run}-extracted`;

async function listed(store: string): Promise<Machine[]> {
  const session = await connectKept(store);
  const machines: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => machines.push(machine) });
  return machines;
}

describe('kept copies', () => {
  it('are the machine as its source had it, off, with the disks of the copy', async () => {
    const store = await storeWithOne();
    const [machine] = await listed(store);
    expect(machine).toMatchObject({
      ...{ id, name: 'web', state: 'off', memoryBytes: 1024, packaging: 'kept copy, extracted' },
      nics: [{ mac: '00:16:3e:00:00:01' }],
      // The variables were not kept.
      firmware: { kind: 'uefi' },
      disks: [{ id: 'vda', bus: 'virtio', format: 'raw', files: [join(store, id, 'web.raw')] }],
    });
    expect(machine).not.toHaveProperty('snapshots');
    expect(machine?.firmware).not.toHaveProperty('nvram');
    expect(machine?.place).toContain('extracted 2026-03-01 12:00');
  });

  it('come the latest first; what is no copy, or not whole, is none', async () => {
    const store = await storeWithOne();
    await putCopy(store, copyOf({ run: '20260302-120000-abcd' }));
    await mkdir(join(store, `${run}-changed`));
    await mkdir(join(store, 'photos'));
    await writeFile(join(store, 'photos', copyFileName), formatCopy(copyOf()));
    await writeFile(join(store, 'README'), 'mine');
    expect((await listed(store)).map((m) => m.id)).toEqual(['20260302-120000-abcd-extracted', id]);
  });

  it('are none where nothing was ever kept', async () => {
    expect(await listed(join(await tempFolder(), 'never'))).toEqual([]);
  });

  it("bring the firmware's variables", async () => {
    const store = join(await tempFolder(), 'kept');
    const folder = await putCopy(store, copyOf({ nvram: 'nvram.fd' }));
    await writeFile(join(folder, 'nvram.fd'), 'vars');
    const [machine] = await listed(store);
    expect(machine?.firmware).toEqual({ kind: 'uefi', nvram: true });
    const session = await connectKept(store);
    expect(await session.source!.nvram!(machine!, signal)).toEqual(Buffer.from('vars'));
  });

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['a name that leads out', formatCopy(copyOf()).replaceAll('web.raw', '../../web.raw')],
    ['an absolute name', formatCopy(copyOf()).replaceAll('web.raw', '/etc/hostname')],
    ['the name of the description', formatCopy(copyOf()).replaceAll('web.raw', copyFileName)],
    ['another id', formatCopy(copyOf({ stage: 'changed' }))],
    [
      'a disk of no machine',
      formatCopy(copyOf()).replace('"id": "vda",\n      "file"', '"id": "vdb", "file"'),
    ],
    ['an impossible size', formatCopy(copyOf()).replaceAll('100000', '-1')],
    ['not whole', formatCopy(copyOf()).replace('"whole": true', '"whole": false')],
  ])('refuses %s', async (_, text) => {
    const store = join(await tempFolder(), 'kept');
    await putCopy(store, text, id);
    const [machine] = await listed(store);
    expect(machine).toMatchObject({ id, disks: [], findings: [{ severity: 'blocker' }] });
    const session = await connectKept(store);
    await expect(session.source!.inspect(id, signal)).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(session.source!.open({ ...machine!, id }, 'vda', signal)).rejects.toMatchObject({
      kind: 'corrupt',
    });
  });

  it('follows no link out of a copy, and none that stands for one', async () => {
    const store = await storeWithOne();
    const elsewhere = await putCopy(await tempFolder(), copyOf({ stage: 'changed' }));
    await symlink(elsewhere, join(store, `${run}-changed`));
    const image = join(store, id, 'web.raw');
    await rm(image);
    await symlink('/etc/hostname', image);
    const session = await connectKept(store);
    for (const one of [id, `${run}-changed`]) {
      const opened = session.source!.open({ ...copyOf().machine, id: one }, 'vda', signal);
      await expect(opened).rejects.toMatchObject({ kind: 'unsupported' });
    }
  });
});

/** Settings and disks made to mislead: they are told or refused, and never wrong bytes. */
import { truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import { virtualboxPlugin } from '../../../src/env-plugins/virtualbox/index.ts';
import { vdiFile } from '../../codecs/vdi-images.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { machineFolder, oneDisk } from './machine-folder.ts';

const signal = new AbortController().signal;
const size = 64 * 1024;

async function opened(vbox: string) {
  const session = await virtualboxPlugin().connect({ folders: dirname(vbox) }, noSecrets());
  const machine = await session.source!.inspect(vbox, signal);
  const open = (id = 'sata0:0') => session.source!.open(machine, id, signal);
  return { session, machine, open };
}

it('a huge file is not read', async () => {
  const vbox = await machineFolder(await tempFolder(), 'huge', oneDisk('huge', ['a.vdi']));
  await truncate(vbox, 2 ** 40);
  const { session, machine } = await opened(vbox);
  expect(machine.findings.map((f) => f.rule)).toEqual(['virtualbox.unreadable']);
  await session.close();
});

it('disks that are each other’s parents are refused', async () => {
  const vbox = await machineFolder(await tempFolder(), 'loop', oneDisk('loop', ['b.vdi', 'a.vdi']));
  const one = (own: number, parent: number) =>
    vdiFile({
      size,
      type: 'differencing',
      blocks: [undefined],
      uuids: { uuidCreate: own, uuidLink: parent },
    });
  await writeFile(join(dirname(vbox), 'a.vdi'), one(1, 2));
  await writeFile(join(dirname(vbox), 'b.vdi'), one(2, 1));
  const { session, open } = await opened(vbox);
  await expect(openImage(await open(), { signal, follow: false })).rejects.toMatchObject({
    kind: 'corrupt',
  });
  await session.close();
});

it('a medium that is registered below itself, and one that is there twice, end nowhere', async () => {
  const text = oneDisk('m', ['a.vdi', 'b.vdi']).replaceAll(/-00000000000[01]}/g, '-000000000000}');
  const vbox = await machineFolder(await tempFolder(), 'm', text, ['a.vdi', 'b.vdi']);
  const { session, machine } = await opened(vbox);
  expect(machine.disks).toMatchObject([{ files: [join(dirname(vbox), 'a.vdi')] }]);
  await session.close();
});

it('a disk that says that it is another one is told', async () => {
  const vbox = await machineFolder(await tempFolder(), 'm', oneDisk('m', ['a.vdi']));
  await writeFile(
    join(dirname(vbox), 'a.vdi'),
    vdiFile({ size, blocks: [undefined], uuids: { uuidCreate: 7 } }),
  );
  const { session, open } = await opened(vbox);
  const image = await openImage(await open(), { signal, follow: false });
  expect(image.info.findings).toMatchObject([
    { rule: 'virtualbox.uuid-differs', message: expect.stringContaining('07070707-0707') },
  ]);
  await image.close();
  await session.close();
});

it('names with line ends and control characters are data, and name no other file', async () => {
  const text = oneDisk('a&#10;b \u009b31m', ['../../&#10;x.vdi'])
    .replace(
      '<Hardware>',
      '<Hardware><GuestProperties><GuestProperty name="/VirtualBox/GuestInfo/OS/Product" value="\u009b2J"/></GuestProperties>',
    )
    .replace('name="SATA"', 'name="&#10;"');
  const vbox = await machineFolder(await tempFolder(), 'm', text);
  const { session, machine } = await opened(vbox);
  expect(machine.name).toBe('a\nb \u009b31m');
  expect(machine.system?.name).toBe('Linux');
  expect(machine.disks[0]!.files).toEqual([join(dirname(vbox), '../../\nx.vdi')]);
  expect(machine.findings.map((f) => f.rule)).toEqual(['virtualbox.disk-missing']);
  await session.close();
});

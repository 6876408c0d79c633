/** Differencing VDIs of a machine, read as one disk with what is below them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import { virtualboxPlugin } from '../../../src/env-plugins/virtualbox/index.ts';
import { vdiFile } from '../../codecs/vdi-images.ts';
import { encoded } from '../../codecs/vmdk-images.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { tempFolder } from '../../temp.ts';
import { machineFolder, oneDisk } from './machine-folder.ts';

const signal = new AbortController().signal;
const blockSize = 64 * 1024;
const block = (n: number) => Buffer.alloc(blockSize, n);
const size = 3 * blockSize;
const base = vdiFile({
  size,
  blocks: [block(1), block(2), undefined],
  uuids: { uuidCreate: 1, uuidModify: 2 },
});
const middle = vdiFile({
  ...{ size, type: 'differencing', blocks: [undefined, block(3), undefined] },
  uuids: { uuidCreate: 3, uuidModify: 4, uuidLink: 1, uuidParentModify: 2 },
});
const top = vdiFile({
  ...{ size, type: 'differencing', blocks: [undefined, undefined, block(4)] },
  uuids: { uuidCreate: 5, uuidModify: 6, uuidLink: 3, uuidParentModify: 4 },
});

async function linkedClone() {
  const root = await tempFolder();
  const chain = ['../base/base.vdi', 'Snapshots/middle.vdi', 'Snapshots/top.vdi'];
  const vbox = await machineFolder(root, 'm', oneDisk('m', chain));
  await mkdir(join(root, 'base'));
  await writeFile(join(root, 'base/base.vdi'), base);
  await writeFile(join(root, 'm/Snapshots/middle.vdi'), middle);
  await writeFile(join(root, 'm/Snapshots/top.vdi'), top);
  const session = await virtualboxPlugin().connect({ folders: root }, noSecrets());
  const machine = await session.source!.inspect(vbox, signal);
  return { session, disk: await session.source!.open(machine, 'sata0:0', signal) };
}

it('a linked clone is read through snapshots and another folder', async () => {
  const { session, disk } = await linkedClone();
  const image = await openImage(disk, { signal, follow: false });
  const bytes = Buffer.alloc(size);
  await image.read(bytes, 0, signal);
  expect(bytes.equals(Buffer.concat([block(1), block(3), block(4)]))).toBe(true);
  await image.close();
  await session.close();
});

it('snapshots of a VMDK are read over the one that has the UUID, in another folder', async () => {
  const root = await tempFolder();
  const vbox = await machineFolder(root, 'm', oneDisk('m', ['../base/base.vmdk', 'Snapshots/top.vmdk']));
  const vmdk = async (content: Buffer) => {
    const file = (await encoded(content, { uuids: true })).get('a.vmdk')!;
    return { file, text: file.toString('latin1', 512, 3000) };
  };
  const bottom = await vmdk(Buffer.concat([block(1), block(2)]));
  const above = await vmdk(Buffer.concat([block(0), block(5)]));
  const [, parent = ''] = /uuid\.image="(.*)"/.exec(bottom.text)!;
  above.file.write(parent, 512 + above.text.indexOf('uuid.parent="') + 'uuid.parent="'.length, 'latin1');
  await mkdir(join(root, 'base'));
  await writeFile(join(root, 'base/base.vmdk'), bottom.file);
  await writeFile(join(root, 'm/Snapshots/top.vmdk'), above.file);
  const session = await virtualboxPlugin().connect({ folders: root }, noSecrets());
  const machine = await session.source!.inspect(vbox, signal);
  const image = await openImage(await session.source!.open(machine, 'sata0:0', signal), {
    ...{ signal, follow: false },
  });
  const bytes = Buffer.alloc(2 * blockSize);
  await image.read(bytes, 0, signal);
  expect(bytes.equals(Buffer.concat([block(1), block(5)]))).toBe(true);
  await image.close();
  await session.close();
});

it('settings that name a file elsewhere which is no image do not lead to it', async () => {
  const root = await tempFolder();
  await writeFile(join(root, 'secret.txt'), Buffer.alloc(4096, 'secret'));
  const text = oneDisk('m', ['../secret.txt']).replace('format="VDI"', 'format="RAW"');
  const vbox = await machineFolder(root, 'm', text);
  const session = await virtualboxPlugin().connect({ folders: root }, noSecrets());
  const disk = await session.source!.open(await session.source!.inspect(vbox, signal), 'sata0:0', signal);
  await expect(openImage(disk, { signal, follow: false })).rejects.toMatchObject({
    message: expect.stringContaining('outside its own folder'),
  });
  await session.close();
});

import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import { connectFor, testDestination, testSource } from '../conformance/test-plugin.ts';
import { tempFolder } from '../temp.ts';

const plugin = localPlugin({ imageExtensions: ['raw', 'qcow2'] });

testDestination('this computer', async () => {
  const folder = await tempFolder();
  const names = async () => (await readdir(folder)).sort();
  return {
    session: await connectFor(plugin, {}),
    settings: { folder },
    names,
    async visible() {
      const shown = (await names()).filter((name) => !name.startsWith('.'));
      return Object.fromEntries(
        await Promise.all(shown.map(async (name) => [name, await readFile(join(folder, name), 'latin1')])),
      );
    },
  };
});

testSource('this computer', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'a.raw'), Buffer.alloc(4096, 1));
  await writeFile(join(folder, "odd 'name' $(x).raw"), Buffer.alloc(100, 2));
  return connectFor(plugin, { folders: folder });
});

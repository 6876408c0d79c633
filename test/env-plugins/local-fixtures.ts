/** Folders of a test's own for the plugin of this computer, or for the same one behind something. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { EnvironmentPlugin } from '../../src/env-plugins/plugin.ts';
import { connectFor, testDestination, testSource } from '../conformance/test-plugin.ts';
import { tempFolder } from '../temp.ts';

export const imageExtensions = ['raw', 'qcow2'];

export function localConformance(
  name: string,
  behind: (plugin: EnvironmentPlugin) => EnvironmentPlugin | Promise<EnvironmentPlugin> = (plugin) => plugin,
): void {
  const connect = async (settings: Record<string, string>) =>
    connectFor(await behind(localPlugin({ imageExtensions })), settings);

  testDestination(name, async () => {
    const folder = join(await tempFolder(), 'out');
    await mkdir(folder);
    const names = async () => (await readdir(folder)).sort();
    return {
      session: await connect({}),
      settings: { folder },
      names,
      async visible() {
        const shown = (await names()).filter((file) => !file.startsWith('.'));
        return Object.fromEntries(
          await Promise.all(shown.map(async (file) => [file, await readFile(join(folder, file), 'latin1')])),
        );
      },
      around: async () => (await readdir(join(folder, '..'))).sort(),
    };
  });

  testSource(
    name,
    async () => {
      const folder = await tempFolder();
      await writeFile(join(folder, 'a.raw'), Buffer.alloc(4096, 1));
      await writeFile(join(folder, "odd 'name' $(x).raw"), Buffer.alloc(100, 2));
      await writeFile(join(folder, 'long.raw'), Buffer.alloc(3_000_000, 3));
      return connect({ folders: folder });
    },
    {
      async again() {
        const folder = await tempFolder();
        await writeFile(join(folder, 'a.raw'), 'a');
        return { connect: () => connect({ folders: folder }) };
      },
      async breakable() {
        const above = await tempFolder();
        const folder = join(above, 'in');
        await mkdir(folder);
        await writeFile(join(folder, 'a.raw'), Buffer.alloc(100_000, 1));
        return {
          session: await connect({ folders: folder }),
          async break() {
            await rename(folder, join(above, 'away'));
            await rm(join(above, 'away'), { recursive: true });
          },
          // A file that is open here stays readable.
          breaks: 'opening',
        };
      },
    },
  );
}

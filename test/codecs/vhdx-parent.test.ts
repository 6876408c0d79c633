import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
import { parentNames } from '../../src/codecs/vhdx/parent.ts';
import { openFile } from '../conformance/images.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { tempFolder } from '../temp.ts';
import { childCases, writeChain } from './vhdx-chains.ts';
import { changeHeader } from './vhdx-images.ts';

describe('differencing vhdx', () => {
  for (const one of childCases) {
    it(one.name, async () => {
      const { child, expected } = await writeChain(await tempFolder(), one);
      await checkSample(vhdxCodec, { image: child, expected });
    });
  }

  it('refuses another disk of that name, one that was changed, and a missing one', async () => {
    const folder = await tempFolder();
    const { base, child } = await writeChain(folder, childCases[0]!);
    const parent = await readFile(base);
    changeHeader(parent, (h) => h.fill(5, 32, 48));
    await writeFile(base, parent);
    await expect(openFile(vhdxCodec, child)).rejects.toMatchObject({ kind: 'corrupt' });
    await writeFile(base, 'no disk at all');
    await expect(openFile(vhdxCodec, child)).rejects.toMatchObject({ kind: 'corrupt' });
    const elsewhere = join(await tempFolder(), 'child.vhdx');
    await writeFile(elsewhere, await readFile(child));
    await expect(openFile(vhdxCodec, elsewhere)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('Windows names', () => {
    const names = (values: Record<string, string>) => parentNames(new Map(Object.entries(values)));
    expect(names({ relative_path: '.\\base.vhdx' })).toEqual(['./base.vhdx', 'base.vhdx']);
    expect(
      names({
        relative_path: '..\\golden\\base.vhdx',
        volume_path: '\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\golden\\base.vhdx',
        absolute_win32_path: '\\\\?\\C:\\golden\\old.vhdx',
      }),
    ).toEqual(['../golden/base.vhdx', 'base.vhdx', 'old.vhdx']);
    expect(names({ relative_path: 'C:\\a.vhdx' })).toEqual(['a.vhdx']);
    expect(names({ relative_path: '\\etc\\shadow' })).toEqual(['shadow']);
    expect(names({ absolute_win32_path: '\\\\?\\C:\\..' })).toEqual([]);
  });
});

/** XVA through the command line: there and back, plain and compressed. */
import { readFile, writeFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { oddDisk, place } from './program.ts';

const size = 5 * 2 ** 20 + 512;
const disk = oddDisk(size, 7);

describe('an XVA', () => {
  it('goes to qcow2 and back, byte for byte, also when it is compressed', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    const convert = async (from: string, to: string, ...more: string[]) => {
      const done = await vmferry(['convert', from, '--to', to, '-q', ...more]);
      expect(done.code, done.stderr).toBe(0);
    };
    await convert('disk.raw', 'one.xva');
    await convert('one.xva', 'two.qcow2');
    await convert('two.qcow2', 'three.xva', '--for', 'xen');
    await convert('two.qcow2', 'four.xva.gz');
    await convert('two.qcow2', 'five.xva.zst');
    expect(gunzipSync(await readFile(path('four.xva.gz'))).toString('latin1', 0, 7)).toBe('ova.xml');
    await convert('three.xva', 'back.raw');
    await convert('four.xva.gz', 'gzip.raw');
    await convert('five.xva.zst', 'zstd.raw');
    for (const name of ['back.raw', 'gzip.raw', 'zstd.raw'])
      expect((await readFile(path(name))).equals(disk)).toBe(true);

    const listed = await vmferry(['inspect', 'one.xva', '--json']);
    expect(listed.code, listed.stderr).toBe(0);
    expect(listed.stdout).toContain('"XVA"');
  });

  it('that is damaged leaves nothing', async () => {
    const { run: vmferry, path } = await place();
    await writeFile(path('disk.raw'), disk);
    expect((await vmferry(['convert', 'disk.raw', '--to', 'one.xva', '-q'])).code).toBe(0);
    const bytes = await readFile(path('one.xva'));
    bytes[bytes.indexOf('Ref:1000/00000001\0') + 5000]! ^= 1;
    await writeFile(path('one.xva'), bytes);
    const done = await vmferry(['convert', 'one.xva', '--to', 'two.raw', '-q']);
    expect(done.code).not.toBe(0);
    expect(done.stderr).toContain('checksum');
    await expect(readFile(path('two.raw'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

/** Descriptors that name files of another computer: a machine was moved as a whole. */
import { describe, expect, it } from 'vitest';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { placesOf } from '../../src/codecs/vmdk/named-files.ts';
import { memorySource, readBytes } from '../../src/io/byte-source.ts';
import { textBytes } from '../conformance/random.ts';
import { cowdExtent } from './vmdk-delta-images.ts';
import { contextOf, type Files, openFiles } from './vmdk-images.ts';

const content = textBytes(20 * 512, 4);
const base = (extent: string, cid = 'aabbccdd') =>
  Buffer.from(`# Disk DescriptorFile\nCID=${cid}\nparentCID=ffffffff\nRW 20 FLAT "${extent}" 0\n`);
const child = (hint: string) =>
  Buffer.from(
    `# Disk DescriptorFile\nCID=1\nparentCID=aabbccdd\nparentFileNameHint="${hint}"\nRW 20 VMFSSPARSE "c-delta.vmdk"\n`,
  );

const named = [
  'b-flat.vmdk',
  '.\\b-flat.vmdk',
  'C:\\vms\\b\\b-flat.vmdk',
  '\\\\server\\vms\\b-flat.vmdk',
  '/vmfs/volumes/5f/b/b-flat.vmdk',
];

describe('files named as they lay on another computer are taken from beside the descriptor', () => {
  it('extents', async () => {
    for (const name of named) {
      const files: Files = new Map([
        ['b.vmdk', base(name)],
        ['b-flat.vmdk', content],
      ]);
      const disk = await openFiles(files);
      expect((await readBytes(disk, 0, disk.size)).equals(content), name).toBe(true);
      await disk.close();
    }
  });

  it('sparse extents, for a check', async () => {
    const descriptor = Buffer.from('# Disk DescriptorFile\nRW 20 VMFSSPARSE "D:\\vms\\c-delta.vmdk"\n');
    const files: Files = new Map([['c-delta.vmdk', cowdExtent(20, new Map(), 1)]]);
    const report = await vmdkCodec.check!(memorySource(descriptor, 'c.vmdk'), contextOf(files).context);
    expect(report).toMatchObject({ errorCount: 0, files: ['c.vmdk', 'c-delta.vmdk'] });
  });

  it('parents', async () => {
    for (const name of named) {
      const hint = name.replace('-flat', '');
      const files: Files = new Map([
        ['c.vmdk', child(hint)],
        ['c-delta.vmdk', cowdExtent(20, new Map(), 1)],
        ['b.vmdk', base('b-flat.vmdk')],
        ['b-flat.vmdk', content],
      ]);
      const disk = await openFiles(files);
      expect(disk.info.findings, hint).toEqual([]);
      expect((await readBytes(disk, 0, disk.size)).equals(content), hint).toBe(true);
      await disk.close();
    }
  });

  it('but not a parent that only has the same name', async () => {
    const files: Files = new Map([
      ['c.vmdk', child('C:\\vms\\b.vmdk')],
      ['c-delta.vmdk', cowdExtent(20, new Map(), 1)],
      ['b.vmdk', base('b-flat.vmdk', '12345678')],
      ['b-flat.vmdk', content],
    ]);
    await expect(openFiles(files)).rejects.toMatchObject({
      kind: 'not-found',
      message: 'the parent "C:\\vms\\b.vmdk" is not there',
    });
  });
});

describe('the names that are tried', () => {
  it('never the descriptor itself, nor a folder', () => {
    expect(placesOf('C:\\base\\vm.vmdk', '/srv/vm.vmdk')).toEqual(['C:\\base\\vm.vmdk']);
    expect(placesOf('/a/..', '/srv/vm.vmdk')).toEqual(['/a/..']);
    expect(placesOf('..\\b\\b.vmdk', '/srv/vm.vmdk')).toEqual(['..\\b\\b.vmdk', '../b/b.vmdk', 'b.vmdk']);
    expect(placesOf('b.vmdk', '/srv/vm.vmdk')).toEqual(['b.vmdk']);
  });
});

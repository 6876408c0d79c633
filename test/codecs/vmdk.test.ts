import { describe, expect, it } from 'vitest';
import { geometry } from '../../src/codecs/vmdk/descriptor.ts';
import { vmdkCodec } from '../../src/codecs/vmdk/index.ts';
import { memorySource, readBytes } from '../../src/io/byte-source.ts';
import { KiB, MiB, TiB } from '../../src/model/units.ts';
import { rawContent } from '../conformance/images.ts';
import { randomBytes, textBytes } from '../conformance/random.ts';
import { checkSample } from '../conformance/test-codec.ts';
import { contextOf, countingSource, encoded, forwardSource, openFiles, wholeSectors } from './vmdk-images.ts';

const subformats = [
  'monolithicSparse',
  'streamOptimized',
  'monolithicFlat',
  'twoGbMaxExtentSparse',
  'twoGbMaxExtentFlat',
  'vmfs',
];
/** Data and zeros: 3 MiB, a part of the last grain. */
const mixed = Buffer.concat([textBytes(MiB + 1000, 1), Buffer.alloc(MiB), randomBytes(MiB - 1000 - 512, 2)]);

describe('what is written is read again', () => {
  for (const subformat of subformats) {
    it(subformat, async () => {
      for (const name of ['odd', 'tiny', 'empty'] as const) {
        const files = await encoded(rawContent(name), { subformat });
        const image = () => openFiles(files);
        await checkSample(vmdkCodec, { image, expected: wholeSectors(rawContent(name)) });
      }
    });
  }

  it('a disk of no size', async () => {
    for (const subformat of subformats) {
      const disk = await openFiles(await encoded(Buffer.alloc(0), { subformat }));
      expect(disk.size).toBe(0);
      await disk.close();
    }
  });
});

describe('probe', () => {
  const probe = (text: string) => vmdkCodec.probe(memorySource(Buffer.from(text, 'latin1')));
  it('sees headers and descriptors, however they are laid out', async () => {
    for (const text of [
      'KDMV....',
      'COWD....',
      '# Disk DescriptorFile\nversion=1\n',
      '\r\n\r\n   # disk DESCRIPTORFILE\r\nversion=1\r\n',
      '\xef\xbb\xbf#Disk DescriptorFile',
    ]) {
      expect(await probe(text), text).toBe('yes');
    }
  });
  it('says no to anything else', async () => {
    for (const text of ['', 'K', 'QFI\xfb', '# Disk', 'version=1\n', 'conectix'])
      expect(await probe(text), text).toBe('no');
  });
});

describe('descriptors as products write them', () => {
  const flat = randomBytes(4096, 5);
  const open = (text: string | Buffer, more: [string, Buffer][] = []) =>
    openFiles(new Map([['a.vmdk', Buffer.from(text)], ['a-flat.vmdk', flat], ...more]));

  it('CRLF, indents, spaces, comments, no quotes, unknown words', async () => {
    const disk = await open(
      '\r\n  # Disk DescriptorFile\r\n\tversion = 1 \r\nCID = 12AB34CD\r\nparentCID=ffffffff\r\n' +
        '  createType = vmfs\r\n# Extent description\r\n   RW   8  VMFS   "a-flat.vmdk"  \r\nstray words\r\n#DDB\r\n' +
        'ddb.adapterType="lsilogic"\r\n',
    );
    expect((await readBytes(disk, 0, 4096)).equals(flat)).toBe(true);
    expect(disk.info).toMatchObject({
      variant: 'vmfs',
      files: ['a.vmdk', 'a-flat.vmdk'],
      details: { CID: '12ab34cd', adapterType: 'lsilogic' },
    });
    await disk.close();
  });

  it('without CID, version and createType', async () => {
    const disk = await open('# Disk DescriptorFile\nRDONLY 8 FLAT "a-flat.vmdk"\n');
    expect(disk.size).toBe(4096);
    await disk.close();
  });

  it('several extents, offsets and zeros', async () => {
    const disk = await open(
      '# Disk DescriptorFile\nRW 2 FLAT "a-flat.vmdk" 4\nRW 3 ZERO\nNOACCESS 1 ZERO\nRW 1 FLAT "a-flat.vmdk" 0\n',
    );
    const want = Buffer.concat([flat.subarray(2048, 3072), Buffer.alloc(2048), flat.subarray(0, 512)]);
    expect((await readBytes(disk, 0, disk.size)).equals(want)).toBe(true);
    expect((await disk.extents(0, disk.size)).map((e) => e.kind)).toEqual(['data', 'zero', 'data']);
    await disk.close();
  });

  it('names in the encoding that it states, else in UTF-8, else in windows-1252', async () => {
    for (const [encoding, bytes] of [
      ['encoding="windows-1252"\n', Buffer.from('\xe4\x80.vmdk', 'latin1')],
      ['encoding="UTF-8"\n', Buffer.from('ä€.vmdk')],
      ['encoding="no such"\n', Buffer.from('ä€.vmdk')],
      ['', Buffer.from('ä€.vmdk')],
      ['', Buffer.from('\xe4\x80.vmdk', 'latin1')],
    ] as const) {
      const head = Buffer.from(`# Disk DescriptorFile\n${encoding}RW 8 FLAT "`);
      const disk = await open(Buffer.concat([head, bytes, Buffer.from('" 0\n')]), [['ä€.vmdk', flat]]);
      expect(disk.info.files[1]).toBe('ä€.vmdk');
      await disk.close();
    }
  });

  it('asks the context for every name, whatever it is', async () => {
    for (const name of ['../../etc/passwd', '/etc/passwd', 'C:\\disks\\a-flat.vmdk', 'http://host/a']) {
      const files = new Map([['a.vmdk', Buffer.from(`# Disk DescriptorFile\nRW 8 FLAT "${name}" 0\n`)]]);
      const { context, asked } = contextOf(files);
      await expect(vmdkCodec.open(memorySource(files.get('a.vmdk')!), context)).rejects.toMatchObject({
        kind: 'not-found',
      });
      expect(asked[0]).toBe(name);
    }
  });

  it('refuses what it does not know by its name', async () => {
    const cases: [string, string][] = [
      ['RW 8 VMFSRDM "a-flat.vmdk"', 'raw device mapping'],
      ['RW 8 VMFS "vsan://52a1"', 'vsan'],
      ['RW 8 PMEM "a.dat"', 'PMEM'],
      ['NOACCESS 8 FLAT "a-flat.vmdk" 0', 'NOACCESS'],
      ['RW 8 FLAT "a-flat.vmdk" 0\nencryption.keySafe = "vmware:key/x"', 'encrypted'],
      ['RW 8 FLAT "a-flat.vmdk" 0\nddb.iofilters = "vmwarevmcrypt"', 'encrypted'],
    ];
    for (const [line, says] of cases) {
      const opening = open(`# Disk DescriptorFile\n${line}\n`);
      await expect(opening).rejects.toMatchObject({
        kind: 'unsupported',
        message: expect.stringContaining(says),
      });
    }
    await expect(openFiles(new Map([['a', Buffer.from('COWD'.padEnd(2048))]]))).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('vmfsSparse'),
    });
  });

  it('one extent of a split disk is not a disk', async () => {
    const files = await encoded(mixed, { subformat: 'twoGbMaxExtentSparse' });
    await expect(openFiles(files, 'a-s001.vmdk')).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describe('a layer over another', () => {
  const child = (parentCID: string) =>
    `# Disk DescriptorFile\nCID=00000001\nparentCID=${parentCID}\nparentFileNameHint="base.vmdk"\nRW 16 SPARSE "c-s001.vmdk"\n`;
  async function chain(parentCID?: string) {
    const base = await encoded(randomBytes(8192, 1), { subformat: 'monolithicFlat' }, 'base.vmdk');
    const cid = /CID=([0-9a-f]{8})/.exec(base.get('base.vmdk')!.toString())![1]!;
    const empty = await encoded(Buffer.alloc(8192), { subformat: 'twoGbMaxExtentSparse' }, 'c.vmdk');
    return new Map([...base, ...empty, ['c.vmdk', Buffer.from(child(parentCID ?? cid))]]);
  }
  it('shows what lies below', async () => {
    const disk = await openFiles(await chain(), 'c.vmdk');
    expect((await readBytes(disk, 0, 8192)).equals(randomBytes(8192, 1))).toBe(true);
    expect(disk.info.findings).toEqual([]);
    expect(disk.info.parent?.variant).toBe('monolithicFlat');
    await disk.close();
  });
  it('warns of a parent that was changed since', async () => {
    const disk = await openFiles(await chain('01234567'), 'c.vmdk');
    expect(disk.info.findings).toMatchObject([
      { rule: 'vmdk.parent-changed', severity: 'warning', evidence: 'base.vmdk' },
    ]);
    await disk.close();
  });
});

describe('a parent that is half named', () => {
  const line = 'RW 16 SPARSE "c-s001.vmdk"\n';
  const open = async (fields: string) => {
    const base = await encoded(randomBytes(8192, 1), { subformat: 'monolithicFlat' }, 'base.vmdk');
    const empty = await encoded(Buffer.alloc(8192), { subformat: 'twoGbMaxExtentSparse' }, 'c.vmdk');
    const text = Buffer.from(`# Disk DescriptorFile\n${fields}${line}`);
    return openFiles(new Map([...base, ...empty, ['c.vmdk', text]]), 'c.vmdk');
  };
  it('by its file only: it is used, with a warning', async () => {
    const disk = await open('parentFileNameHint="base.vmdk"\n');
    expect((await readBytes(disk, 0, 8192)).equals(randomBytes(8192, 1))).toBe(true);
    expect(disk.info.findings).toHaveLength(1);
    await disk.close();
  });
  it('by its id only: refused', async () => {
    await expect(open('parentCID=01234567\n')).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(open('parentCID=broken\n')).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe('a stream', () => {
  it('is written without going back, each table behind its grains', async () => {
    // 33 MiB: the second table holds the last 16 grains.
    const content = Buffer.alloc(33 * MiB);
    textBytes(100, 1).copy(content, 0);
    textBytes(100, 1).copy(content, 33 * MiB - 100);
    const bytes = (await encoded(content, { subformat: 'streamOptimized' })).get('a.vmdk')!;
    const seen: string[] = [];
    for (let at = 128 * 512; at < bytes.length; ) {
      const value = Number(bytes.readBigUInt64LE(at));
      const size = bytes.readUInt32LE(at + 8);
      const type = bytes.readUInt32LE(at + 12);
      seen.push(size > 0 ? `grain ${value}` : ['end', 'table', 'directory', 'footer'][type]!);
      at += size > 0 ? Math.ceil((12 + size) / 512) * 512 : 512 * (1 + value);
    }
    const last = (33 * MiB - 64 * KiB) / 512;
    expect(seen).toEqual(['grain 0', 'table', `grain ${last}`, 'table', 'directory', 'footer', 'end']);
  });

  it('is read from a source that only goes forward', async () => {
    const bytes = (await encoded(mixed, { subformat: 'streamOptimized' })).get('a.vmdk')!;
    for (const step of [64 * KiB, 100_001, MiB, mixed.length]) {
      const disk = await vmdkCodec.open(forwardSource(bytes), contextOf(new Map()).context);
      const got = Buffer.alloc(disk.size);
      const reads: Promise<void>[] = [];
      for (let at = 0; at < disk.size; at += step) reads.push(disk.read(got.subarray(at, at + step), at));
      await Promise.all(reads);
      expect(got.equals(mixed)).toBe(true);
      await disk.close();
    }
  });

  it('skips what is not asked for', async () => {
    const bytes = (await encoded(mixed, { subformat: 'streamOptimized' })).get('a.vmdk')!;
    const disk = await vmdkCodec.open(forwardSource(bytes), contextOf(new Map()).context);
    for (const [at, length] of [
      [5, 10],
      [70_000, 3],
      [2 * MiB + 100_000, 200_000],
    ] as const) {
      expect((await readBytes(disk, at, length)).equals(mixed.subarray(at, at + length))).toBe(true);
    }
    await expect(readBytes(disk, 0, 10)).rejects.toMatchObject({ kind: 'bug' });
    await disk.close();
  });

  it('that is cut short is noticed at the end at the latest', async () => {
    const whole = (await encoded(mixed, { subformat: 'streamOptimized' })).get('a.vmdk')!;
    for (const bytes of [whole.subarray(0, -512), whole.subarray(0, -3000), whole.subarray(0, 70_000)]) {
      const disk = await vmdkCodec.open(forwardSource(bytes), contextOf(new Map()).context);
      await expect(readBytes(disk, 0, disk.size)).rejects.toMatchObject({ kind: 'corrupt' });
      await disk.close();
    }
  });

  it('is the only sparse layout that can be read forward', async () => {
    const bytes = (await encoded(mixed)).get('a.vmdk')!;
    const opening = vmdkCodec.open(forwardSource(bytes), contextOf(new Map()).context);
    await expect(opening).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

describe('few reads', () => {
  it('neighbouring grains come in one', async () => {
    for (const subformat of ['monolithicSparse', 'streamOptimized']) {
      const content = randomBytes(MiB, 1);
      const { source, counts } = countingSource((await encoded(content, { subformat })).get('a.vmdk')!);
      const disk = await vmdkCodec.open(source, contextOf(new Map()).context);
      await disk.extents(0, disk.size);
      counts.reads = 0;
      expect((await readBytes(disk, 0, MiB)).equals(content)).toBe(true);
      expect(counts.reads).toBe(1);
      await disk.close();
    }
  });
  it('extents reads tables only, and the rest of a compressed grain is kept', async () => {
    const { source, counts } = countingSource(
      (await encoded(mixed, { subformat: 'streamOptimized' })).get('a.vmdk')!,
    );
    const disk = await vmdkCodec.open(source, contextOf(new Map()).context);
    counts.bytes = 0;
    await disk.extents(0, disk.size);
    expect(counts.bytes).toBe(2048);
    for (let at = 0; at < 64 * KiB; at += 4096) await readBytes(disk, at, 4096);
    expect(counts.reads).toBeLessThan(7);
    await disk.close();
  });
});

describe('the encoder', () => {
  it('knows how much a layout holds', () => {
    const encoder = vmdkCodec.encoder!;
    const most = (subformat: string) => encoder.maximumBytes({ subformat });
    expect(most('vmfs')).toBe(62 * TiB);
    expect(most('twoGbMaxExtentSparse')).toBe(8 * TiB);
    expect(most('monolithicSparse')).toBeLessThan(2 * TiB);
    expect(encoder.representableBytes(1000, {})).toBe(1024);
    expect(encoder.representableBytes(1024, {})).toBe(1024);
  });
  it('refuses a name that its descriptor can not say', async () => {
    await expect(encoded(mixed, {}, 'a"b.vmdk')).rejects.toMatchObject({ kind: 'usage' });
  });
  it('plans the size of a flat file and of no sparse one', async () => {
    const disk = {
      size: 1000,
      sectorSize: 512,
      read: async () => undefined,
      extents: async () => [],
      close: async () => undefined,
    };
    const plan = (subformat: string) =>
      vmdkCodec.encoder!.encode(disk, 'a.vmdk', {
        subformat,
        adapter: 'ide',
        compressionLevel: 1,
        hwVersion: 4,
      });
    const [, flat] = await plan('vmfs');
    expect(flat).toMatchObject({ name: 'a-flat.vmdk', size: 1024, late: false });
    const [sparse] = await plan('monolithicSparse');
    expect(sparse).toMatchObject({ name: 'a.vmdk', late: true });
    expect(sparse!.size).toBeUndefined();
  });
  it('geometry', () => {
    const gib = 2 ** 21;
    expect(geometry(gib / 2, 'lsilogic')).toEqual({ cylinders: 512, heads: 64, sectors: 32 });
    expect(geometry(gib, 'buslogic')).toEqual({ cylinders: 512, heads: 128, sectors: 32 });
    expect(geometry(8 * gib, 'lsilogic')).toEqual({ cylinders: 1044, heads: 255, sectors: 63 });
    expect(geometry(8 * gib, 'ide')).toEqual({ cylinders: 16383, heads: 16, sectors: 63 });
    expect(geometry(1, 'ide')).toEqual({ cylinders: 1, heads: 16, sectors: 63 });
  });
});

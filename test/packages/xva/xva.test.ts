import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compressedRoom, zstdCompress } from '../../../src/codecs/compression.ts';
import { type ByteSink, type ByteSource, memorySource } from '../../../src/io/byte-source.ts';
import { AppError } from '../../../src/model/errors.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { encodeTarHeader } from '../../../src/packages/ovf/tar-header.ts';
import { formatOvaXml, parseOvaXml } from '../../../src/packages/xva/ova-xml.ts';
import { openXvaDisk, readDescription } from '../../../src/packages/xva/read-xva.ts';
import { streamDescription, streamXvaDisk } from '../../../src/packages/xva/stream-xva.ts';
import { packAsXva } from '../../../src/packages/xva/write-xva.ts';
import { machinesIn } from '../../../src/packages/xva/xva-machines.ts';
import { XvaStream } from '../../../src/packages/xva/xva-stream.ts';

const MiB = 1024 * 1024;

const machine: Machine = {
  id: 'm',
  name: 'web <&> \u00fc',
  state: 'off',
  processors: { count: 4, coresPerSocket: 2 },
  memoryBytes: 2048 * MiB,
  firmware: { kind: 'uefi', secureBoot: false },
  disks: [
    { id: 'a', name: 'a', files: [] },
    { id: 'b', name: 'b', files: [] },
  ],
  nics: [{ mac: '52:54:00:12:34:56', network: 'lan', model: 'virtio', connected: true }],
  findings: [],
};

/** Data at its start, across two blocks, and near its end. */
function content(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (const from of [0, 3 * MiB - 700, size - 100])
    bytes.fill(from % 251 || 1, from, Math.min(from + 1500, size));
  return bytes;
}

/** What a delivery gathers. */
function memoryDelivery() {
  const files = new Map<string, Buffer[]>();
  const sink = async ({ name }: { name: string }): Promise<ByteSink> => {
    const parts: Buffer[] = [];
    let end = 0;
    return {
      name,
      access: 'forward',
      async write(bytes, offset) {
        if (offset !== end) throw new Error(`written at ${offset} after ${end}`);
        parts.push(Buffer.from(bytes));
        end += bytes.length;
      },
      async finish(size) {
        files.set(name, [...parts, Buffer.alloc(size - end)]);
      },
      abort: async () => undefined,
    };
  };
  return { files, sink, commit: async () => ['there'], rollback: async () => [] };
}

async function pack(contents: readonly Buffer[], nvram?: Uint8Array): Promise<Buffer> {
  const inner = memoryDelivery();
  const disks = contents.map((bytes, i) => ({
    fileName: `d${i}`,
    capacityBytes: bytes.length,
    machineDisk: machine.disks[i]!.id,
  }));
  const delivery = packAsXva(inner, { name: 'web', machine, disks, nvram, mtimeSeconds: 1_700_000_000 });
  for (const [i, bytes] of contents.entries()) {
    const sink = await delivery.sink({ name: `d${i}` });
    const step = 300_000;
    const writes: Promise<void>[] = [];
    for (let at = 0; at < bytes.length; at += step) {
      const piece = bytes.subarray(at, at + step);
      if (piece.some((byte) => byte !== 0)) writes.push(sink.write(piece, at));
    }
    await Promise.all(writes);
    await sink.finish(bytes.length);
  }
  expect(await delivery.commit()).toEqual(['there']);
  return Buffer.concat(inner.files.get('web.xva')!);
}

async function readAll(source: ByteSource, step = 700_001): Promise<Buffer> {
  const bytes = Buffer.alloc(source.size);
  for (let at = 0; at < bytes.length; at += step) await source.read(bytes.subarray(at, at + step), at);
  return bytes;
}

const zstd = (bytes: Buffer) => zstdCompress(bytes, Buffer.alloc(compressedRoom(bytes.length)), 1);

const disksOf = async (archive: Buffer) => {
  const source = memorySource(archive, 'web.xva');
  return { source, ...machinesIn(await readDescription(source), 'web.xva') };
};

const contents = [content(7 * MiB + 512), content(2 * MiB)];

describe('an XVA', () => {
  it('holds the machine and the bytes of its disks', async () => {
    const { source, machines, disks } = await disksOf(await pack(contents));
    const [read] = machines;
    const { name, processors, memoryBytes, firmware } = machine;
    expect(read).toMatchObject({ name, processors, memoryBytes, firmware, state: 'off', packaging: 'XVA' });
    expect(read!.nics).toEqual([{ mac: '52:54:00:12:34:56', network: 'lan', model: 'xen', connected: true }]);
    expect(read!.findings).toEqual([]);
    for (const [i, disk] of disks.entries()) {
      const opened = await openXvaDisk(source, disk);
      expect((await readAll(opened)).equals(contents[i]!)).toBe(true);
    }
    const opened = await openXvaDisk(source, disks[0]!);
    const kinds = (await opened.extents!(0, opened.size)).map(({ kind, length }) => [kind, length]);
    expect(kinds).toEqual([
      ['data', MiB],
      ['zero', MiB],
      ['data', 2 * MiB],
      ['zero', 3 * MiB],
      ['data', 512],
    ]);
  });

  it('has its parts in the order and with the names that XenServer gives them', async () => {
    const archive = await pack(contents);
    const names: string[] = [];
    for (let at = 0; archive[at] !== 0; ) {
      names.push(archive.toString('latin1', at, archive.indexOf(0, at)));
      const size = Number.parseInt(archive.toString('latin1', at + 124, at + 135), 8);
      at += 512 + Math.ceil(size / 512) * 512;
    }
    expect(names.slice(0, 5)).toEqual([
      'ova.xml',
      'Ref:1000/00000000',
      'Ref:1000/00000000.xxhash',
      'Ref:1000/00000002',
      'Ref:1000/00000002.xxhash',
    ]);
    expect(names.slice(-4)).toEqual([
      'Ref:1001/00000000',
      'Ref:1001/00000000.xxhash',
      'Ref:1001/00000001',
      'Ref:1001/00000001.xxhash',
    ]);
  });

  it.each(['gzip', 'zstd'] as const)('that is compressed by %s is read from its start', async (wrapper) => {
    const archive = await pack(contents);
    const bytes = wrapper === 'gzip' ? gzipSync(archive, { level: 1 }) : await zstd(archive);
    const packed = memorySource(bytes, 'web.xva');
    const { disks } = machinesIn(await streamDescription(packed, wrapper), 'web.xva');
    for (const [i, disk] of disks.entries()) {
      const opened = await streamXvaDisk(packed, wrapper, disk);
      expect((await readAll(opened)).equals(contents[i]!)).toBe(true);
      await opened.close();
    }
  });

  it('that comes as a stream gives its disks in one pass', async () => {
    const archive = await pack(contents);
    async function* arriving() {
      for (let at = 0; at < archive.length; at += 70_001) yield archive.subarray(at, at + 70_001);
    }
    const stream = new XvaStream(arriving(), 'export');
    const { disks } = machinesIn(await stream.description(), 'export');
    for (const [i, disk] of disks.entries()) {
      expect(stream.hasPassed(disk.directory)).toBe(false);
      const pieces: Uint8Array[] = [];
      for await (const piece of stream.disk(disk)) pieces.push(piece);
      expect(Buffer.concat(pieces).equals(contents[i]!)).toBe(true);
      expect(stream.hasPassed(disk.directory)).toBe(true);
    }
  });

  it("has the firmware's variables, where they are Xen's", async () => {
    const carried = async (nvram: Buffer) => {
      const { machines, variables } = await disksOf(await pack(contents, nvram));
      return [machines[0]!.firmware!.nvram, variables.get(machines[0]!.id)];
    };
    const own = Buffer.from('VARS and more');
    expect(await carried(own)).toEqual([true, own]);
    expect(await carried(Buffer.from('of OVMF'))).toEqual([undefined, undefined]);
  });

  it('of a snapshot is the machine as it was then', async () => {
    const record = { name_label: 'then', is_a_snapshot: true, VBDs: [], VIFs: [] };
    const description = parseOvaXml(formatOvaXml([{ kind: 'VM', id: 'Ref:0', record }]), 'x');
    expect(machinesIn(description, 'x').machines[0]!.name).toBe('then');
  });
});

/** By hand, as XenServer up to 8.2 writes it: SHA-1, a block of nothing, whole numbers as texts. */
function byHand(blocks: readonly (readonly [name: string, bytes: Buffer])[], size = 3 * MiB): Buffer {
  const ova = formatOvaXml([
    {
      kind: 'VM',
      id: 'Ref:0',
      record: { name_label: 'old', VBDs: ['Ref:1'], VIFs: [], HVM_boot_policy: 'BIOS order' },
    },
    { kind: 'VBD', id: 'Ref:1', record: { VDI: 'Ref:2', userdevice: '0', type: 'Disk' } },
    { kind: 'VDI', id: 'Ref:2', record: { name_label: 'disk', virtual_size: String(size) } },
  ]);
  const members = [['ova.xml', ova] as const, ...blocks].flatMap(([name, bytes]) => [
    encodeTarHeader(name, bytes.length, 0),
    bytes,
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ]);
  return Buffer.concat([...members, Buffer.alloc(1024)]);
}

const sha1 = (bytes: Buffer) => Buffer.from(createHash('sha1').update(bytes).digest('hex'));
const block = Buffer.alloc(MiB, 5);

describe('an XVA of another writer', () => {
  it('is read with SHA-1, gaps and blocks of nothing', async () => {
    const { source, disks } = await disksOf(
      byHand([
        ['Ref:2/00000000', block],
        ['Ref:2/00000000.checksum', sha1(block)],
        ['Ref:2/00000001', Buffer.alloc(0)],
        ['Ref:2/00000001.checksum', sha1(Buffer.alloc(0))],
        ['Ref:2/00000002', block],
        ['Ref:2/00000002.checksum', sha1(block)],
      ]),
    );
    const bytes = await readAll(await openXvaDisk(source, disks[0]!));
    expect(bytes.equals(Buffer.concat([block, Buffer.alloc(MiB), block]))).toBe(true);
  });

  it.each([
    ['a block that is missing at its end', [['Ref:2/00000000', block]]],
    [
      'blocks out of order',
      [
        ['Ref:2/00000002', block],
        ['Ref:2/00000001', block],
      ],
    ],
    [
      'a block twice',
      [
        ['Ref:2/00000002', block],
        ['Ref:2/00000002', block],
      ],
    ],
    [
      'a short block',
      [
        ['Ref:2/00000000', block.subarray(0, 512)],
        ['Ref:2/00000002', block],
      ],
    ],
    [
      'a block behind the end',
      [
        ['Ref:2/00000002', block],
        ['Ref:2/99999999', block],
      ],
    ],
  ] as const)('is refused with %s', async (_, blocks) => {
    const { source, disks } = await disksOf(byHand(blocks as unknown as [string, Buffer][]));
    await expect(openXvaDisk(source, disks[0]!)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it.each(['00000002.checksum', '00000002.xxhash'])(
    'is refused with bytes that are not those of %s',
    async (name) => {
      const archive = byHand([
        ['Ref:2/00000000', block],
        ['Ref:2/00000002', block],
        [`Ref:2/${name}`, Buffer.from('0'.repeat(40))],
      ]);
      const { source, disks: plain } = await disksOf(archive);
      await expect(readAll(await openXvaDisk(source, plain[0]!), 4096)).rejects.toMatchObject({
        kind: 'corrupt',
      });
      const packed = memorySource(gzipSync(archive, { level: 1 }));
      const { disks } = machinesIn(await streamDescription(packed, 'gzip'), 'x');
      const opened = await streamXvaDisk(packed, 'gzip', disks[0]!);
      await expect(readAll(opened)).rejects.toMatchObject({ kind: 'corrupt' });
      await opened.close();
    },
  );

  it('of impossible sizes is refused', async () => {
    for (const size of [0, Number.MAX_SAFE_INTEGER])
      await expect(disksOf(byHand([], size))).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('that is changed anywhere gives an error of ours or the machine', async () => {
    const archive = byHand([['Ref:2/00000000', block.subarray(0, 4096)]], 4096);
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length - 1), fc.nat(255), fc.boolean(), async (at, byte, cut) => {
        const changed = cut ? archive.subarray(0, at) : Buffer.from(archive);
        if (!cut) changed[at] = byte;
        const source = memorySource(changed);
        try {
          const { disks } = machinesIn(await readDescription(source), 'x');
          for (const disk of disks) await readAll(await openXvaDisk(source, disk));
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('ova.xml', () => {
  it('is read as it was written', () => {
    const record = {
      text: 'a <b> & "c"\n',
      flag: true,
      list: ['x', 'y'],
      map: { 'key one': '1' },
      number: 1.5,
    };
    const { objects } = parseOvaXml(formatOvaXml([{ kind: 'VM', id: 'Ref:1', record }]), 'ova.xml');
    expect(objects).toEqual([{ kind: 'VM', id: 'Ref:1', record }]);
  });

  it.each([
    ['of another kind', '<value><string>x</string></value>'],
    ['without objects', '<value><struct></struct></value>'],
    [
      'with objects that are no list',
      '<value><struct><member><name>objects</name><value>1</value></member></struct></value>',
    ],
    ['of the time before', '<appliance version="0.1"></appliance>'],
  ])('%s is refused', (_, xml) => {
    expect(() => parseOvaXml(Buffer.from(xml), 'ova.xml')).toThrow(AppError);
  });
});

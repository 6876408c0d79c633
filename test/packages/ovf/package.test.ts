import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type ByteSink, memorySource, readBytes } from '../../../src/io/byte-source.ts';
import { unwrap } from '../../../src/io/wrappers/unwrap.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { type PackageDelivery, packAsOva, packAsOvf } from '../../../src/packages/ovf/delivery.ts';
import { parseDescriptor } from '../../../src/packages/ovf/descriptor.ts';
import {
  formatManifest,
  parseManifest,
  uncoveredMembers,
  verifyManifest,
} from '../../../src/packages/ovf/manifest.ts';
import { isGzip, openStored } from '../../../src/packages/ovf/members.ts';
import { readTarIndex } from '../../../src/packages/ovf/tar.ts';

const text = (s: string) => Buffer.from(s);
const sha256 = (b: Buffer) => createHash('sha256').update(b).digest('hex');

describe('manifest', () => {
  it('reads the forms that products and openssl write', () => {
    const a = 'ab'.repeat(20);
    const b = 'CD'.repeat(32);
    const entries = parseManifest(
      text(`SHA1(a b(1).ovf)= ${a}\r\nSHA256 (x.vmdk) = ${b}\nSHA-256(y)=${b}\n\n`),
      'm',
    );
    expect(entries).toEqual([
      { name: 'a b(1).ovf', hash: 'sha1', hex: a },
      { name: 'x.vmdk', hash: 'sha256', hex: b.toLowerCase() },
      { name: 'y', hash: 'sha256', hex: b.toLowerCase() },
    ]);
    expect(parseManifest(text(formatManifest(entries)), 'm')).toEqual(entries);
  });

  it('refuses what it does not understand', () => {
    expect(() => parseManifest(text('hello'), 'm')).toThrow(/not of the form/);
    expect(() => parseManifest(text('MD5(x)= 00'), 'm')).toThrow(/hash MD5/);
    expect(() => parseManifest(text('SHA1(x)= 00'), 'm')).toThrow(/2 digits/);
    expect(() => parseManifest(text(`SHA1(x)= ${'0'.repeat(40)}\nSHA1(x)= ${'1'.repeat(40)}`), 'm')).toThrow(
      /twice/,
    );
  });

  it('verifies by content, and misses what is missing', async () => {
    const content = Buffer.alloc(9 * 2 ** 20 + 5, 7);
    const open = async (name: string) => (name === 'x' ? memorySource(content, name) : undefined);
    const entry = { name: 'x', hash: 'sha256' as const, hex: sha256(content) };
    await verifyManifest([entry], open);
    await verifyManifest(
      [{ ...entry, hash: 'sha512', hex: createHash('sha512').update(content).digest('hex') }, entry],
      open,
    );
    await expect(verifyManifest([{ ...entry, hex: '0'.repeat(64) }], open)).rejects.toMatchObject({
      kind: 'corrupt',
    });
    await expect(verifyManifest([{ ...entry, name: 'y' }], open)).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(verifyManifest([entry], open, AbortSignal.abort())).rejects.toMatchObject({
      kind: 'cancelled',
    });
    expect(uncoveredMembers([entry], ['x', 'y', 'z.mf']).map((f) => f.evidence)).toEqual(['y']);
  });
});

describe('stored members', () => {
  const files = new Map([
    ['d.000000000', text('aaaa')],
    ['d.000000001', text('bbbb')],
    ['d.000000002', text('c')],
  ]);
  const open = async (name: string) => {
    const bytes = files.get(name);
    return bytes === undefined ? undefined : memorySource(bytes, name);
  };
  const file = { id: 'f', href: 'd', compression: 'none' as const };

  it('joins chunks', async () => {
    const source = await openStored({ ...file, chunkSizeBytes: 4, sizeBytes: 9 }, open);
    expect((await readBytes(source, 0, 9)).toString()).toBe('aaaabbbbc');
    expect((await readBytes(source, 3, 4)).toString()).toBe('abbb');
    await expect(openStored({ ...file, chunkSizeBytes: 4, sizeBytes: 10 }, open)).rejects.toMatchObject({
      kind: 'corrupt',
    });
    await expect(openStored({ ...file, chunkSizeBytes: 3 }, open)).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(openStored(file, open)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('takes gzip off, and says when it is damaged', async () => {
    const content = Buffer.alloc(5 * 2 ** 20, 'ferry ');
    const packed = gzipSync(content);
    const source = memorySource(packed, 'd.gz');
    expect(await isGzip(source)).toBe(true);
    expect(await isGzip(memorySource(content))).toBe(false);
    const parts: Buffer[] = [];
    for await (const bytes of unwrap(source, 'gzip')) parts.push(Buffer.from(bytes));
    expect(Buffer.concat(parts).equals(content)).toBe(true);
    const cut = memorySource(packed.subarray(0, packed.length - 20), 'd.gz');
    const drain = async () => {
      for await (const bytes of unwrap(cut, 'gzip')) void bytes;
    };
    await expect(drain()).rejects.toMatchObject({ name: 'AppError', kind: 'corrupt' });
    for await (const bytes of unwrap(source, 'gzip')) if (bytes.length > 0) break; // an early end leaves nothing running
  });
});

/** A delivery into memory. */
function memoryDelivery(access: 'random' | 'forward' = 'random') {
  const files = new Map<string, Buffer>();
  const state = { committed: false, rolledBack: false, aborted: 0 };
  const delivery: PackageDelivery = {
    async sink({ name }) {
      let bytes = Buffer.alloc(0);
      const sink: ByteSink = {
        name,
        access,
        async write(piece, offset) {
          if (offset + piece.length > bytes.length) {
            bytes = Buffer.concat([bytes, Buffer.alloc(offset + piece.length - bytes.length)]);
          }
          bytes.set(piece, offset);
        },
        async finish(size) {
          files.set(name, Buffer.concat([bytes, Buffer.alloc(size - bytes.length)]));
        },
        async abort() {
          state.aborted++;
        },
      };
      return sink;
    },
    async commit() {
      state.committed = true;
      return [...files.keys()];
    },
    async rollback() {
      state.rolledBack = true;
      return [];
    },
  };
  return { files, state, delivery };
}

const machine: Machine = {
  id: 'm',
  name: 'm',
  state: 'off',
  disks: [
    { id: 'one', name: 'one', files: [], bus: 'scsi' },
    { id: 'two', name: 'two', files: [], bus: 'scsi' },
  ],
  nics: [],
  findings: [],
};
const request = {
  name: 'harbour',
  machine,
  disks: [
    { fileName: 'harbour-disk1.vmdk', capacityBytes: 4096, machineDisk: 'one' },
    { fileName: 'harbour-disk2.vmdk', capacityBytes: 8192, machineDisk: 'two' },
  ],
  mtimeSeconds: 1_700_000_000,
};

async function pourDisks(delivery: PackageDelivery): Promise<void> {
  const one = await delivery.sink({ name: 'harbour-disk1.vmdk' });
  await one.write(text('head'), 0);
  await one.write(text('behind a gap'), 70_000); // gaps are zeros, and hashed as such
  await one.finish(70_100);
  const two = await delivery.sink({ name: 'harbour-disk2.vmdk', size: 512 });
  await two.write(Buffer.alloc(512, 3), 0);
  await two.finish(512);
}

async function checkPackage(open: (name: string) => Buffer | undefined): Promise<void> {
  const entries = parseManifest(open('harbour.mf')!, 'harbour.mf');
  expect(entries.map((e) => e.name)).toEqual(['harbour.ovf', 'harbour-disk1.vmdk', 'harbour-disk2.vmdk']);
  await verifyManifest(entries, async (name) => {
    const bytes = open(name);
    return bytes === undefined ? undefined : memorySource(bytes, name);
  });
  const read = parseDescriptor(open('harbour.ovf')!, 'harbour.ovf');
  expect(read.disks.map((d) => [d.file!.href, d.file!.sizeBytes, d.capacityBytes])).toEqual([
    ['harbour-disk1.vmdk', 70_100, 4096],
    ['harbour-disk2.vmdk', 512, 8192],
  ]);
}

describe('a delivery as a package', () => {
  it('as OVF: disks, descriptor and manifest as files', async () => {
    const { files, state, delivery } = memoryDelivery();
    const packed = packAsOvf(delivery, request);
    await pourDisks(packed);
    expect(await packed.commit()).toEqual([
      'harbour-disk1.vmdk',
      'harbour-disk2.vmdk',
      'harbour.ovf',
      'harbour.mf',
    ]);
    expect(state.committed).toBe(true);
    await checkPackage((name) => files.get(name));
  });

  it('as OVA: one archive, the descriptor first and the manifest last', async () => {
    const { files, delivery } = memoryDelivery();
    const packed = packAsOva(delivery, request);
    await pourDisks(packed);
    expect(await packed.commit()).toEqual(['harbour.ova']);
    const bytes = files.get('harbour.ova')!;
    expect(bytes.length % 10240).toBe(0);
    const { members, findings } = await readTarIndex(memorySource(bytes, 'harbour.ova'));
    expect(findings).toEqual([]);
    expect(members.map((m) => m.name)).toEqual([
      'harbour.ovf',
      'harbour-disk1.vmdk',
      'harbour-disk2.vmdk',
      'harbour.mf',
    ]);
    await checkPackage((name) => {
      const member = members.find((m) => m.name === name);
      return member && bytes.subarray(member.offset, member.offset + member.size);
    });
  });

  it('is the same bytes each time for the same request', async () => {
    const make = async () => {
      const { files, delivery } = memoryDelivery();
      const packed = packAsOva(delivery, request);
      await pourDisks(packed);
      await packed.commit();
      return files.get('harbour.ova')!;
    };
    expect((await make()).equals(await make())).toBe(true);
  });

  it('rolls back with what is open, also twice', async () => {
    for (const pack of [packAsOva, packAsOvf]) {
      const { state, delivery } = memoryDelivery();
      const packed = pack(delivery, request);
      await packed.sink({ name: 'harbour-disk1.vmdk' });
      await packed.rollback();
      await packed.rollback();
      expect(state).toEqual({ committed: false, rolledBack: true, aborted: 1 });
    }
  });

  it('refuses to be misused', async () => {
    const forward = packAsOva(memoryDelivery('forward').delivery, request);
    await expect(forward.sink({ name: 'harbour-disk1.vmdk' })).rejects.toMatchObject({ kind: 'bug' });
    const packed = packAsOva(memoryDelivery().delivery, request);
    await expect(packed.sink({ name: 'other' })).rejects.toMatchObject({ kind: 'bug' });
    const sink = await packed.sink({ name: 'harbour-disk1.vmdk' });
    await expect(packed.sink({ name: 'harbour-disk2.vmdk' })).rejects.toMatchObject({ kind: 'bug' });
    await sink.write(text('abcd'), 0);
    expect(() => sink.write(text('x'), 2)).toThrow(/hashed/);
    await sink.finish(4);
    await expect(packed.commit()).rejects.toMatchObject({ kind: 'bug' });
    expect(() => packAsOvf(memoryDelivery().delivery, { ...request, name: '../x' })).toThrow(
      /name of a file/,
    );
    expect(() => packAsOva(memoryDelivery().delivery, { ...request, name: 'x'.repeat(120) })).toThrow(
      /100 bytes/,
    );
  });
});

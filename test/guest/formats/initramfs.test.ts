import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { addedSegment, buildCpio, withFolders } from '../../../src/guest/formats/initramfs/build-cpio.ts';
import { readInitramfs } from '../../../src/guest/formats/initramfs/read-initramfs.ts';
import { summariseInitramfs } from '../../../src/guest/formats/initramfs/summary.ts';
import { readerOf } from '../../../src/guest/formats/reader.ts';
import { AppError } from '../../../src/model/errors.ts';
import { randomNumbers } from '../../conformance/random.ts';

const microcode = buildCpio(
  withFolders([{ name: 'kernel/x86/microcode/AuthenticAMD.bin', content: Buffer.alloc(5000, 7) }]),
);
const main = buildCpio(
  withFolders([
    { name: 'usr/lib/dracut/modules.txt', content: Buffer.from('kernel-modules\n') },
    { name: 'usr/lib/modules/6.1.0-9/kernel/virtio-blk.ko.xz', content: Buffer.alloc(100_000, 1) },
    { name: 'usr/lib/modules/6.1.0-9/modules.dep', content: Buffer.from('kernel/virtio-blk.ko.xz:\n') },
  ]),
);
const added = buildCpio(
  withFolders([{ name: 'usr/lib/modules/6.1.0-9/kernel/nvme.ko', content: Buffer.alloc(9) }]),
);

function chain(...parts: Buffer[]): Buffer {
  return parts.reduce((all, part) => Buffer.concat([all, addedSegment(all.length, part)]), Buffer.alloc(0));
}

describe('initramfs', () => {
  it('reads archives one behind the other, packed and not', async () => {
    const bytes = chain(microcode, gzipSync(main), added, gzipSync(added), added);
    const summary = await summariseInitramfs(bytes);
    expect(summary.segments.map((s) => s.packing)).toEqual(['none', 'gzip', 'none', 'gzip', 'none']);
    expect(summary).toMatchObject({
      generator: 'dracut',
      drivers: ['nvme', 'virtio_blk'],
      kernelVersions: ['6.1.0-9'],
      complete: true,
    });
    expect(summary.files.get('usr/lib/modules/6.1.0-9/modules.dep')?.toString()).toBe(
      'kernel/virtio-blk.ko.xz:\n',
    );
  });

  it('reads nothing of files that are not asked for, and stops when told', async () => {
    const bytes = chain(buildCpio([{ name: 'large', content: Buffer.alloc(4_000_000, 1) }]), main);
    let read = 0;
    const inner = readerOf(bytes);
    const counted = {
      size: inner.size,
      read(offset: number, length: number) {
        read += length;
        return inner.read(offset, length);
      },
    };
    for await (const found of readInitramfs(counted)) if (found.segment.index === 1) break;
    expect(read).toBeLessThan(20_000);
  });

  it('says what it could not read', async () => {
    const lzo = Buffer.from('894c5a4f000d0a1a0a', 'hex');
    expect(await summariseInitramfs(chain(microcode, lzo))).toMatchObject({ complete: false });
    expect(await summariseInitramfs(chain(microcode, Buffer.from('something')))).toMatchObject({
      complete: false,
    });
    expect(await summariseInitramfs(Buffer.alloc(0))).toMatchObject({ entryCount: 0, complete: true });
  });

  it('refuses names that lead out when it makes one', () => {
    expect(() => buildCpio([{ name: '../etc/passwd', content: Buffer.alloc(1) }])).toThrow(AppError);
    expect(() => buildCpio([{ name: '/etc' }])).toThrow(AppError);
  });

  it('survives cuts and changes', async () => {
    const good = chain(microcode, gzipSync(main), added);
    const random = randomNumbers(4);
    for (let i = 0; i < 300; i++) {
      const bad = Buffer.from(i % 3 === 0 ? good.subarray(0, Math.floor(random() * good.length)) : good);
      for (let n = 0; n < 4 && bad.length > 0; n++) {
        bad[Math.floor(random() * bad.length * (n % 2 === 0 ? 1 : 0.05))] = Math.floor(random() * 256);
      }
      try {
        await summariseInitramfs(bad);
      } catch (error) {
        if (!(error instanceof AppError) || error.kind === 'bug') throw error;
      }
    }
  });
});

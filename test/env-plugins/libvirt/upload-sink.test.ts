import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import type { Libvirt } from '../../../src/env-plugins/libvirt/connect.ts';
import { uploadSink } from '../../../src/env-plugins/libvirt/upload-sink.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { randomBytes, randomNumbers } from '../../conformance/random.ts';

const KiB = 1024;
const MiB = KiB * KiB;

/** A libvirt whose one volume is in memory; `offsets` of all uploads. */
function fakeVolume(before: Buffer, code = 0) {
  const volume = { bytes: before, offsets: [] as number[] };
  const host: Host = {
    ...localHost(),
    name: 'test',
    async spawn(args) {
      const at = Number(args.find((arg) => arg.startsWith('--offset='))?.slice('--offset='.length));
      volume.offsets.push(at);
      const stdin = new PassThrough();
      const chunks: Buffer[] = [];
      stdin.on('data', (chunk) => chunks.push(Buffer.from(chunk)));
      const ended = new Promise<{ code: number; stderr: string }>((resolve) => {
        stdin.on('close', () => {
          const sent = Buffer.concat(chunks);
          const whole = Buffer.alloc(Math.max(volume.bytes.length, at + sent.length));
          volume.bytes.copy(whole);
          sent.copy(whole, at);
          volume.bytes = whole;
          resolve({ code, stderr: code === 0 ? '' : 'error: No space left on device' });
        });
      });
      return { stdin, stdout: new PassThrough(), ended, kill: () => void stdin.destroy() };
    },
  };
  const libvirt: Libvirt = { host, uri: 'qemu:///system', virsh: async () => '' };
  return { volume, libvirt };
}

const target = (kind: 'file' | 'block', size: number) => ({
  pool: { name: 'p', uuid: 'u', type: 'dir', active: true },
  volume: 'v',
  kind,
  size,
  signal: new AbortController().signal,
});

describe('a volume that is uploaded', () => {
  it('holds what was written, in whatever order', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomNumbers(seed);
      const size = 6 * MiB;
      const expected = Buffer.alloc(size);
      const { volume, libvirt } = fakeVolume(Buffer.alloc(seed % 2 === 0 ? size : 0));
      const sink = uploadSink(libvirt, target('file', volume.bytes.length));
      const pieces = Array.from({ length: 12 }, (_, i) => i).sort(() => random() - 0.5);
      for (const piece of pieces) {
        const offset = piece * 512 * KiB + Math.floor(random() * 1000);
        const bytes = randomBytes(1 + Math.floor(random() * 100_000), seed * 100 + piece);
        bytes.copy(expected, offset);
        await sink.write(bytes, offset);
      }
      await sink.finish(size);
      expect(volume.bytes.equals(expected)).toBe(true);
    }
  });

  it('sends neighbours and short gaps in one upload, and long gaps not at all', async () => {
    const { volume, libvirt } = fakeVolume(Buffer.alloc(0));
    const sink = uploadSink(libvirt, target('file', 0));
    await sink.write(Buffer.from('a'), 0);
    await sink.write(Buffer.from('b'), 1);
    await sink.write(Buffer.from('c'), 1000);
    await sink.write(Buffer.from('d'), 100 * MiB);
    await sink.finish(100 * MiB + 1);
    expect(volume.offsets).toEqual([0, 100 * MiB]);
  });

  it('overwrites all that a device held before, to its end', async () => {
    const { volume, libvirt } = fakeVolume(Buffer.alloc(4 * MiB, 0xee));
    const sink = uploadSink(libvirt, target('block', 4 * MiB));
    expect(sink.access).toBe('forward');
    await sink.write(Buffer.from('ab'), 10);
    await sink.write(Buffer.from('cd'), 3 * MiB);
    await sink.finish(3 * MiB + 100);
    const expected = Buffer.alloc(4 * MiB);
    expected.write('ab', 10);
    expected.write('cd', 3 * MiB);
    expect(volume.bytes.equals(expected)).toBe(true);
    expect(volume.offsets).toEqual([0]);
  });

  it('clears a device on which nothing is written', async () => {
    const { volume, libvirt } = fakeVolume(Buffer.alloc(MiB, 0xee));
    const sink = uploadSink(libvirt, target('block', MiB));
    await sink.finish(MiB);
    expect(volume.bytes.equals(Buffer.alloc(MiB))).toBe(true);
  });

  it('ends where it should, also behind its last data', async () => {
    const { volume, libvirt } = fakeVolume(Buffer.alloc(0));
    const sink = uploadSink(libvirt, target('file', 0));
    await sink.write(Buffer.from('a'), 0);
    await sink.finish(5 * MiB);
    expect(volume.bytes).toHaveLength(5 * MiB);
  });

  it("fails with libvirt's words, and can be given up at any time", async () => {
    const { libvirt } = fakeVolume(Buffer.alloc(0), 1);
    const sink = uploadSink(libvirt, target('file', 0));
    await sink.write(Buffer.from('a'), 0);
    await expect(sink.finish(1)).rejects.toMatchObject({ kind: 'no-space' });
    await sink.abort();
    await sink.abort();
  });
});

/** Volumes for the engines: whole images as disks that can be written to. */
import { open } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import type { Edit } from '../../../../src/guest/change/edit.ts';
import type { EngineVolume } from '../../../../src/guest/change/engine.ts';
import { builtin } from '../../../../src/guest/change/engines/builtin/engine.ts';
import { readBytes } from '../../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../../src/io/disk.ts';
import {
  copyOnWrite,
  memoryStore,
  type Overlay,
  type WritableDisk,
} from '../../../../src/io/writable-disk.ts';
import { diskOf } from '../../disks.ts';

export const writable = (bytes: Uint8Array): Overlay => copyOnWrite(diskOf(bytes), memoryStore(1 << 26));

export const volumeOn = (disk: WritableDisk, more: Partial<EngineVolume>): EngineVolume => ({
  ...{ name: 'disk 1', kind: 'ext4', mountPoint: '/', device: '/dev/sda', disk, edits: [] },
  ...more,
});

export async function change(
  disk: WritableDisk,
  edits: readonly Edit[],
  more: Partial<EngineVolume> = {},
  signal = new AbortController().signal,
): Promise<void> {
  const work = { disks: [disk], volumes: [volumeOn(disk, { edits, ...more })] };
  await builtin.apply(work, { signal, report: () => undefined });
}

export async function changed(disk: WritableDisk, edits: readonly Edit[], more: Partial<EngineVolume> = {}) {
  await change(disk, edits, more);
  return readBytes(disk, 0, disk.size);
}

/** A file that is written to as it is, for foreign tools to look at afterwards. */
export async function fileDisk(path: string): Promise<WritableDisk> {
  const handle = await open(path, 'r+');
  onTestFinished(() => handle.close());
  const { size } = await handle.stat();
  const disk = sourceDisk({
    ...{ name: path, size, access: 'random' as const },
    async read(target, offset) {
      for (let at = 0; at < target.length; ) {
        const { bytesRead } = await handle.read(target, at, target.length - at, offset + at);
        if (bytesRead === 0) throw new Error(`${path} ends at ${offset + at}`);
        at += bytesRead;
      }
    },
    close: () => handle.close(),
  });
  return {
    ...disk,
    write: async (bytes, offset) => void (await handle.write(bytes, 0, bytes.length, offset)),
    zero: async (offset, length) => void (await handle.write(Buffer.alloc(length), 0, length, offset)),
    flush: async () => undefined,
  };
}

/** Volumes for the engines: whole images as disks that can be written to. */
import type { Edit } from '../../../../src/guest/change/edit.ts';
import type { EngineVolume } from '../../../../src/guest/change/engine.ts';
import { builtin } from '../../../../src/guest/change/engines/builtin/engine.ts';
import { readBytes } from '../../../../src/io/byte-source.ts';
import { copyOnWrite, memoryStore, type Overlay } from '../../../../src/io/writable-disk.ts';
import { diskOf } from '../../disks.ts';

export const writable = (bytes: Uint8Array): Overlay => copyOnWrite(diskOf(bytes), memoryStore(1 << 26));

export const volumeOn = (disk: Overlay, more: Partial<EngineVolume>): EngineVolume => ({
  ...{ name: 'disk 1', kind: 'ext4', mountPoint: '/', device: '/dev/sda', disk, edits: [] },
  ...more,
});

export async function changed(
  disk: Overlay,
  edits: readonly Edit[],
  more: Partial<EngineVolume> = {},
  signal = new AbortController().signal,
): Promise<Buffer> {
  const work = { disks: [disk], volumes: [volumeOn(disk, { edits, ...more })] };
  await builtin.apply(work, { signal, report: () => undefined });
  return readBytes(disk, 0, disk.size);
}

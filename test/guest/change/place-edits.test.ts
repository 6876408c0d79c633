import { describe, expect, it } from 'vitest';
import type { Edit } from '../../../src/guest/change/edit.ts';
import { placeEdits } from '../../../src/guest/change/place-edits.ts';
import type { GuestMount } from '../../../src/guest/guest.ts';
import { mountedFiles } from '../../../src/guest/mounted-files.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { copyOnWrite, memoryStore } from '../../../src/io/writable-disk.ts';
import { memoryFiles } from './memory-files.ts';

const zeros = (size: number) =>
  copyOnWrite(
    sourceDisk({
      ...{ name: 'zeros', size, access: 'random' },
      read: async (target) => void target.fill(0),
      close: async () => undefined,
    }),
    memoryStore(1 << 20),
  );

const facts = { blockBytes: 4096, sizeBytes: 0, state: 'clean', notes: [] } as const;
const mount = (mountPoint: string, more: Partial<GuestMount>): GuestMount => ({
  ...{
    mountPoint,
    files: { ...memoryFiles({}), facts },
    name: mountPoint,
    kind: 'ext4',
    device: '/dev/sda1',
  },
  readOnly: false,
  ...more,
});

describe('edits', () => {
  const write = (path: string): Edit => ({ kind: 'write', path, content: Buffer.from('x') });

  it('go to the volume that holds their path', async () => {
    const disks = [zeros(64 * 1024), zeros(64 * 1024)];
    const pieces = [
      { disk: 1, offset: 8192, length: 4096 },
      { disk: 0, offset: 1024, length: 4096 },
    ];
    const files = mountedFiles([mount('/boot', { pieces }), mount('/', {})]);
    const volumes = placeEdits([write('/boot/a'), write('/etc/b'), write('/boot/c')], files, disks);
    expect(volumes.map((v) => [v.mountPoint, v.edits.length, v.disk === undefined])).toEqual([
      ['/', 1, true],
      ['/boot', 2, false],
    ]);
    const { disk } = volumes[1]!;
    await disk!.write(Buffer.alloc(200, 7), 4000);
    await disk!.flush();
    expect((await readBytes(disk!, 4000, 200)).equals(Buffer.alloc(200, 7))).toBe(true);
    expect((await readBytes(disks[1]!, 8192 + 4000, 97))[95]).toBe(7);
    expect((await readBytes(disks[0]!, 1024, 105)).subarray(100, 105)).toEqual(Buffer.from([7, 7, 7, 7, 0]));
    await expect(disk!.write(Buffer.alloc(2), 8191)).rejects.toThrow();
  });

  it('do not copy from one volume to another', () => {
    const files = mountedFiles([mount('/', {}), mount('/boot', {})]);
    const copy: Edit = { kind: 'copy', from: '/etc/a', path: '/boot/a', size: 1 };
    expect(() => placeEdits([copy], files, [])).toThrow(/not copied/);
  });
});

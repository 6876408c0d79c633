import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findPartition } from '../../../src/guest/partitions/find-partition.ts';
import { withPartitionTable } from '../../../src/guest/partitions/write-table.ts';
import { memorySource } from '../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const signal = new AbortController().signal;
const mib = 2 ** 20;

describeWith(['sfdisk', 'sgdisk', 'mke2fs', 'e2fsck'], 'a partition table around a filesystem', () => {
  it.each([
    ['mbr', 512, 5 * mib],
    ['gpt', 512, 5 * mib],
    ['mbr', 512, 3 * mib + 512 * 7],
    ['gpt', 512, 3 * mib + 512 * 7],
    ['gpt', 4096, 4 * mib],
  ] as const)('%s with sectors of %i around %i bytes', async (kind, sectorBytes, size) => {
    const folder = await tempFolder();
    const plain = join(folder, 'fs');
    writeFileSync(plain, Buffer.alloc(size));
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', plain]);
    const content = execFileSync('cat', [plain], { maxBuffer: 64 * mib });
    const disk = withPartitionTable(sourceDisk(memorySource(content), sectorBytes), kind);
    expect(disk.size % mib).toBe(0);
    const whole = Buffer.alloc(disk.size);
    await disk.read(whole, 0);
    const path = join(folder, 'disk');
    writeFileSync(path, whole);

    const found = await findPartition(disk, 1, signal);
    expect(found.startBytes).toBe(mib);
    expect(found.lengthBytes).toBe(Math.ceil(size / sectorBytes) * sectorBytes);
    expect(whole.subarray(mib, mib + size).equals(content)).toBe(true);

    if (sectorBytes === 512) {
      const dump = execFileSync('sfdisk', ['--json', path], { encoding: 'utf8' });
      expect(JSON.parse(dump).partitiontable).toMatchObject({
        label: kind === 'mbr' ? 'dos' : 'gpt',
        partitions: [{ start: 2048, size: Math.ceil(size / 512) }],
      });
      execFileSync('sfdisk', ['--verify', path]);
      if (kind === 'gpt') {
        expect(execFileSync('sgdisk', ['--verify', path], { encoding: 'utf8' })).toContain(
          'No problems found',
        );
      }
    }
  });

  it('refuses MBR where it can not say the size', () => {
    const large = { ...sourceDisk(memorySource(Buffer.alloc(0))), size: 2 ** 41 };
    expect(() => withPartitionTable(large, 'mbr')).toThrow(/too large/);
    expect(withPartitionTable(large, 'gpt').size).toBeGreaterThan(2 ** 41);
  });
});

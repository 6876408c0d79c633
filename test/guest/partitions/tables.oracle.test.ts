/** fdisk and sgdisk write tables, and fdisk is the second reader of each. */
import { execFileSync } from 'node:child_process';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Looking } from '../../../src/guest/looking.ts';
import { readTable } from '../../../src/guest/partitions/read-table.ts';
import { gptTypeGuids } from '../../../src/guest/partitions/type-names.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const nothing = async () => false;

async function emptyDisk(bytes = 64 * 2 ** 20): Promise<string> {
  const path = join(await tempFolder(), 'disk.raw');
  const handle = await open(path, 'wx');
  await handle.truncate(bytes);
  await handle.close();
  return path;
}

async function tableOf(path: string, sectorSize: number) {
  const looking: Looking = {
    disk: sourceDisk(await fileSource(path), sectorSize),
    signal: undefined,
    findings: [],
  };
  const found = await readTable(looking, nothing);
  await looking.disk.close();
  return { ...found, findings: looking.findings };
}

/** The same table as fdisk reads it, in our words. Of the tools only fdisk can be told the sector's size. */
function judged(path: string, sectorSize: number, kind: 'mbr' | 'gpt') {
  const columns =
    kind === 'gpt' ? 'Device,Start,Sectors,Type-UUID,UUID,Name' : 'Device,Start,Sectors,Id,Boot';
  const list = execFileSync('fdisk', ['-b', String(sectorSize), '-l', '-o', columns, path], {
    encoding: 'utf8',
  });
  return list
    .split('\n')
    .filter((line) => line.startsWith(path))
    .map((line) => {
      const [device, start, sectors, type, ...more] = line.trim().split(/\s+/);
      const name = more.slice(1).join(' ');
      return {
        number: Number(device!.slice(path.length)),
        startBytes: Number(start) * sectorSize,
        lengthBytes: Number(sectors) * sectorSize,
        type: kind === 'gpt' ? type!.toLowerCase() : `0x${type!.padStart(2, '0')}`,
        ...(kind === 'gpt' ? { uuid: more[0]!.toLowerCase() } : {}),
        ...(kind === 'gpt' && name !== '' ? { name } : {}),
        bootable: kind === 'mbr' && more[0] === '*',
      };
    });
}

const ours = (partitions: Awaited<ReturnType<typeof tableOf>>['partitions'], kind: string) =>
  partitions.map(({ typeName: _name, uuid, ...rest }) => (kind === 'gpt' ? { ...rest, uuid } : rest));

/** Lets fdisk apply a script of sfdisk's. */
async function fdisk(path: string, sectorSize: number, script: string): Promise<void> {
  await writeFile(`${path}.script`, script);
  execFileSync('fdisk', ['-b', String(sectorSize), path], { input: `I\n${path}.script\nw\n` });
}

describeWith(['fdisk', 'sfdisk'], 'tables of fdisk', () => {
  it.each([512, 4096])('MBR with logical partitions, sectors of %i', async (sectorSize) => {
    const path = await emptyDisk();
    await fdisk(
      path,
      sectorSize,
      'label: dos\nsize=8M, type=7\nsize=8M, type=83, bootable\nsize=30M, type=5\nsize=4M, type=82\n' +
        'size=8M, type=83\nsize=4M, type=8e\n',
    );
    const { table, partitions, findings } = await tableOf(path, sectorSize);
    expect(table.kind).toBe('mbr');
    const expected = judged(path, sectorSize, 'mbr');
    expect(expected.length).toBe(6);
    expect(ours(partitions, 'mbr')).toEqual(expected);
    expect(findings).toEqual([]);
  });

  it.each([512, 4096])('GPT, sectors of %i', async (sectorSize) => {
    const path = await emptyDisk();
    await fdisk(
      path,
      sectorSize,
      'label: gpt\nsize=8M, type=U, name="EFI söstem"\nsize=1M, type=21686148-6449-6E6F-744E-656564454649\ntype=L\n',
    );
    const { table, partitions, findings } = await tableOf(path, sectorSize);
    expect(table).toMatchObject({ kind: 'gpt', sectorSize });
    const expected = judged(path, sectorSize, 'gpt');
    expect(expected.length).toBe(3);
    expect(ours(partitions, 'gpt')).toEqual(expected);
    expect(partitions.map((p) => p.typeName)).toEqual(['EFI system', 'BIOS boot', 'Linux filesystem']);
    expect(findings).toEqual([]);
  });

  it('names of types are in its list, too', () => {
    const list = execFileSync('sfdisk', ['--label', 'gpt', '-T'], { encoding: 'utf8' }).toLowerCase();
    expect(gptTypeGuids.filter((guid) => !list.includes(guid))).toEqual([]);
  });
});

describeWith(['fdisk', 'sgdisk'], 'tables of sgdisk', () => {
  it('hybrid, and a gap in the numbers', async () => {
    const path = await emptyDisk();
    execFileSync('sgdisk', [
      '-n',
      '1:0:+8M',
      '-n',
      '7:0:+8M',
      '-t',
      '7:8300',
      '-c',
      '7:seven',
      '-h',
      '7',
      path,
    ]);
    const { table, partitions } = await tableOf(path, 512);
    expect(table.hybrid).toBe(true);
    expect(ours(partitions, 'gpt')).toEqual(judged(path, 512, 'gpt'));
  });

  it('the backup, when the primary is wiped', async () => {
    const path = await emptyDisk();
    execFileSync('sgdisk', ['-n', '1:0:+8M', '-c', '1:one', path]);
    const expected = judged(path, 512, 'gpt');
    const handle = await open(path, 'r+');
    await handle.write(Buffer.alloc(8192), 0, 8192, 512);
    await handle.close();
    const { table, partitions } = await tableOf(path, 512);
    expect(table.fromBackup).toBe(true);
    expect(ours(partitions, 'gpt')).toEqual(expected);
  });
});

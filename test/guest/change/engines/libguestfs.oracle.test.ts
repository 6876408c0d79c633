/** libguestfs is started once: it takes half a minute where there is no KVM. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import type { Edit, RegistryEdit } from '../../../../src/guest/change/edit.ts';
import type { EngineVolume } from '../../../../src/guest/change/engine.ts';
import { libguestfs } from '../../../../src/guest/change/engines/libguestfs/engine.ts';
import { openExt } from '../../../../src/guest/filesystems/ext/open.ts';
import { openXfs } from '../../../../src/guest/filesystems/xfs/open.ts';
import { readBytes } from '../../../../src/io/byte-source.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { tempFolder } from '../../../temp.ts';
import { fixture, lookingAt } from '../../disks.ts';
import { emptyHive } from '../../formats/make-hive.ts';
import { fileDisk, volumeOn } from './volumes.ts';

const bytes = (text: string) => Buffer.from(text);
const never = new AbortController().signal;
const run = (command: string, ...args: readonly string[]) =>
  execFileSync(command, args, { stdio: 'pipe', encoding: 'utf8' });
const passphrase = 'correct "horse" \\ battery';

async function image(folder: string, name: string, mebibytes: number): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, '');
  await truncate(path, mebibytes * 2 ** 20);
  return path;
}

/** One call per sector, as dm-crypt does: aes-xts-plain64. */
function sectors(data: Buffer, cipherOf: (iv: Buffer) => { update(sector: Buffer): Buffer }): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < data.length; at += 512) {
    const iv = Buffer.alloc(16);
    iv.writeUInt32LE(at / 512);
    parts.push(cipherOf(iv).update(data.subarray(at, at + 512)));
  }
  return Buffer.concat(parts);
}

const value = (name: string, value: NonNullable<RegistryEdit['value']>): Edit => ({
  ...{ kind: 'registry', hive: 'SYSTEM', key: 'ControlSet001\\Services\\viostor', name, value },
});

const tools = [
  'guestfish',
  'mkfs.xfs',
  'mke2fs',
  'debugfs',
  'mkntfs',
  'ntfscp',
  'ntfscat',
  'cryptsetup',
  'hivexregedit',
  'e2fsck',
];
describeWith(tools, 'what libguestfs writes', () => {
  it('to XFS, NTFS with a registry, LUKS, and ext4 whose journal must be replayed', {
    timeout: 300_000,
  }, async () => {
    vi.stubEnv('LIBGUESTFS_BACKEND_SETTINGS', 'force_tcg');
    const folder = await tempFolder();
    const xfs = await image(folder, 'xfs', 320);
    run('mkfs.xfs', '-q', xfs);
    const ext = await image(folder, 'ext', 32);
    run('mke2fs', '-q', '-F', '-t', 'ext4', ext);
    await writeFile(join(folder, 'block'), Buffer.alloc(1024, 'j'));
    execFileSync('debugfs', ['-w', '-f', '-', ext], {
      input: `write ${join(folder, 'block')} old\njo\njw -b 20000 ${join(folder, 'block')}\njc\n`,
      stdio: 'pipe',
    });
    const ntfs = await image(folder, 'ntfs', 24);
    run('mkntfs', '-q', '-F', '-f', ntfs);
    await writeFile(join(folder, 'SYSTEM'), emptyHive());
    const luks = await image(folder, 'luks', 20);
    const key = Buffer.from(Array.from({ length: 64 }, (_, i) => i * 3));
    await writeFile(join(folder, 'key'), key);
    const how = [
      '--type',
      'luks2',
      '--key-size',
      '512',
      '--sector-size',
      '512',
      '--pbkdf',
      'pbkdf2',
      '--pbkdf-force-iterations',
      '1000',
    ];
    execFileSync(
      'cryptsetup',
      ['luksFormat', '-q', ...how, '--volume-key-file', join(folder, 'key'), luks, '-'],
      { input: passphrase },
    );
    const luksDisk = await fileDisk(luks);
    const plain = Buffer.alloc(2 ** 20);
    fixture('ext4.img').copy(plain);
    const payload = 16 * 2 ** 20;
    await luksDisk.write(
      sectors(plain, (iv) => createCipheriv('aes-256-xts', key, iv)),
      payload,
    );

    const disks = [await fileDisk(xfs), await fileDisk(ext), await fileDisk(ntfs), luksDisk];
    const volumes: EngineVolume[] = [
      volumeOn(disks[0]!, {
        ...{ kind: 'xfs', name: 'xfs', device: '/dev/sda' },
        edits: [
          { kind: 'folder', path: '/etc', mode: 0o750 },
          { kind: 'write', path: '/etc/a "b" $c \udce4', content: bytes('one'), mode: 0o600, uid: 7, gid: 8 },
          { kind: 'write', path: '/etc/a "b" $c \udce4', content: bytes('three'), before: bytes('one') },
          { kind: 'append', path: '/etc/a "b" $c \udce4', content: bytes(' more'), size: 5 },
          { kind: 'copy', path: '/copy', from: '/etc/a "b" $c \udce4', size: 10 },
          { kind: 'link', path: '/link', target: 'etc' },
          { kind: 'link', path: '/link', target: "it's/", before: 'etc' },
          { kind: 'write', path: '/gone', content: bytes('x') },
          { kind: 'remove', path: '/gone' },
        ],
      }),
      volumeOn(disks[1]!, {
        ...{ name: 'ext', mountPoint: '/boot', device: '/dev/sdb' },
        edits: [{ kind: 'write', path: '/boot/new', content: bytes('new') }],
      }),
      volumeOn(disks[2]!, {
        ...{ kind: 'ntfs', name: 'ntfs', device: '/dev/sdc' },
        edits: [
          { kind: 'folder', path: '/Windows' },
          { kind: 'folder', path: '/Windows/System32' },
          { kind: 'folder', path: '/Windows/System32/config' },
          { kind: 'write', path: '/Windows/System32/config/SYSTEM', content: emptyHive() },
          value('Start', { type: 'dword', data: 0 }),
          value('Group', { type: 'sz', data: 'SCSI mini\\port "ä"' }),
          value('Owners', { type: 'multi-sz', data: ['oem1.inf', 'oem2.inf'] }),
          value('Gone', { type: 'binary', data: bytes('x') }),
          { kind: 'registry', hive: 'SYSTEM', key: 'ControlSet001\\Services\\viostor', name: 'Gone' },
        ],
      }),
      volumeOn(disks[3]!, {
        ...{ name: 'luks', device: '/dev/mapper/luks-1234', encrypted: '/dev/sdd' },
        edits: [
          { kind: 'write', path: '/etc/hostname', content: bytes('changed\n'), before: bytes('tiny\n') },
        ],
      }),
    ];
    for (const volume of volumes)
      expect(await libguestfs.refuses(volume, volume.edits, never)).toBeUndefined();
    const steps: string[] = [];
    await libguestfs.apply(
      { disks, volumes, passphrase: async () => passphrase },
      { signal: never, report: (step) => void steps.push(step) },
    );
    expect(steps).toContain('changing /boot/new');

    const files = await openXfs(lookingAt(await readFile(xfs)));
    expect(await files.stat('/etc')).toMatchObject({ kind: 'folder', mode: 0o750, uid: 0 });
    expect(await files.stat('/etc/a "b" $c \udce4')).toMatchObject({ mode: 0o600, uid: 7, gid: 8 });
    expect((await files.read('/copy', 99))?.toString()).toBe('three more');
    expect(await files.readlink('/link')).toBe("it's/");
    expect(await files.stat('/gone')).toBeUndefined();
    expect(spawnSync('e2fsck', ['-fn', ext]).status).toBe(0);
    expect(run('debugfs', '-R', 'cat /new', ext)).toBe('new');
    // The block that was in the journal only.
    expect((await readBytes(disks[1]!, 20000 * 1024, 1024)).toString()).toBe('j'.repeat(1024));
    const hive = join(folder, 'hive');
    await writeFile(
      hive,
      execFileSync('ntfscat', [ntfs, '/Windows/System32/config/SYSTEM'], { stdio: 'pipe' }),
    );
    const exported = run('hivexregedit', '--export', hive, '\\ControlSet001\\Services\\viostor');
    expect(exported).toMatch(/"Start"=dword:00000000/);
    expect(exported).toMatch(/"Group"=hex\(1\):53,00,43,00,53,00,49,00,20,00.*e4,00,22,00,00,00/);
    expect(exported).toMatch(/"Owners"=hex\(7\):.*,00,00,00,00/);
    expect(exported).not.toMatch(/Gone/);
    const inside = sectors(await readBytes(luksDisk, payload, plain.length), (iv) =>
      createDecipheriv('aes-256-xts', key, iv),
    );
    expect((await (await openExt(lookingAt(inside))).read('/etc/hostname', 99))?.toString()).toBe(
      'changed\n',
    );
  });

  it('ends within a second when it is cancelled, and leaves nothing running', async () => {
    vi.stubEnv('LIBGUESTFS_BACKEND_SETTINGS', 'force_tcg');
    const disk = await fileDisk(await image(await tempFolder(), 'disk', 8));
    const ending = new AbortController();
    const applied = libguestfs.apply(
      { disks: [disk], volumes: [volumeOn(disk, { kind: 'xfs' })] },
      { signal: ending.signal, report: () => void setImmediate(() => ending.abort()) },
    );
    await expect(applied).rejects.toMatchObject({ kind: 'cancelled' });
  });
});

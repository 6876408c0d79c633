/** A Debian that names its disks by their places, with /home on a second one: combined it starts, and separated again. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import type { OpenImage } from '../../../src/codecs/codec.ts';
import { arranged } from '../../../src/convert/arrange/arranged.ts';
import { manipulate } from '../../../src/convert/manipulate.ts';
import { openImage } from '../../../src/convert/open-image.ts';
import { openImageFile } from '../../../src/env-plugins/local/image-file.ts';
import { type Disk, walkExtents } from '../../../src/io/disk.ts';
import type { Arrange, Plan } from '../../../src/model/plan.ts';
import { describeWith } from '../../oracles/requires.ts';
import { debianGuest, debianGuestTools } from '../../servers/debian-guest.ts';
import { type GuestHardware, startGuest } from '../../servers/running-guest.ts';
import { tempFolder } from '../../temp.ts';
import { mib } from './disks.ts';

const run = promisify(execFile);
const minutes = 60_000;
const signal = new AbortController().signal;
const rootAt = 'offset=1048576';

/** The disk with /home, and a root that mounts it by its place. */
async function withHome(bios: string, folder: string): Promise<string[]> {
  const [root, home] = [join(folder, 'root.raw'), join(folder, 'home.raw')];
  await copyFile(bios, root);
  const fstab = join(folder, 'fstab');
  await writeFile(fstab, '/dev/sda1 / ext4 errors=remount-ro 0 1\n/dev/sdb1 /home ext4 defaults 0 2\n');
  await run('debugfs', ['-w', '-R', 'rm /etc/fstab', `${root}?${rootAt}`]);
  await run('debugfs', ['-w', '-R', `write ${fstab} /etc/fstab`, `${root}?${rootAt}`]);
  await mkdir(join(folder, 'tree'));
  await writeFile(join(folder, 'tree', 'mark'), 'of the second disk\n');
  await writeFile(home, '');
  await truncate(home, 32 * mib);
  const sfdisk = run('sfdisk', ['-q', home]);
  sfdisk.child.stdin!.end('label: dos\nstart=2048, type=83');
  await sfdisk;
  const made = ['-q', '-t', 'ext4', '-d', join(folder, 'tree'), '-E', `${rootAt},nodiscard`];
  await run('mke2fs', [...made, home, `${31 * 1024}k`]);
  return [root, home];
}

async function opened(path: string): Promise<OpenImage> {
  const image = await openImage(await openImageFile(path), { follow: false, signal });
  onTestFinished(() => image.close());
  return image;
}

/** As a conversion to raw files would: arranged, its guest changed, written. */
async function converted(
  paths: readonly string[],
  how: { kind: 'combine' } | { kind: 'separate'; groups: number[][] },
  to: readonly string[],
) {
  const images = await Promise.all(paths.map(opened));
  const disks = paths.map((path, i) => ({ id: `${i}`, name: path, files: [] }));
  const plan = {
    destination: { product: 'qemu' },
    machine: {
      nics: [],
      firmware: { kind: 'bios' },
      disks: to.map((name, i) => ({ id: `new${i}`, name, files: [] })),
    },
    guest: { changes: 'needed' },
    arrange: { ...how, disks } as Arrange,
  } as unknown as Plan;
  const {
    disks: made,
    moves,
    findings,
  } = await arranged(
    plan,
    disks.map((disk, i) => ({ disk, image: images[i]! })),
    signal,
  );
  expect(findings).toEqual([]);
  const hardware = { disks: made.map(() => ({ bus: 'virtio' as const })), nics: [] };
  const changed = await manipulate(
    plan,
    made.map(({ image }) => image),
    hardware,
    {
      ...{ runId: 'arrange-test', signal, moves },
      report: () => undefined,
    },
  );
  onTestFinished(() => changed.close());
  await changed.apply();
  for (const [i, image] of changed.images.entries()) await written(image, to[i]!);
  return changed.changes.map(({ id }) => id);
}

async function written(disk: Disk, path: string): Promise<void> {
  const file = await open(path, 'w');
  const buffer = Buffer.alloc(4 * mib);
  for await (const { kind, offset, length } of walkExtents(disk, 0, disk.size)) {
    for (let at = offset; kind === 'data' && at < offset + length; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, offset + length - at));
      await disk.read(part, at);
      await file.write(part, 0, part.length, at);
    }
  }
  await file.truncate(disk.size);
  await file.close();
}

/** What it says of where its files are. */
async function starts(drive: string, drives: readonly string[]): Promise<string> {
  const hardware: GuestHardware = { bus: 'virtio', drives };
  const running = await startGuest(drive, hardware);
  await running.waitFor(/carried login: /);
  running.type('root\n');
  await running.waitFor(/root@carried:~# /);
  const said = await running.ask('findmnt -no SOURCE / /home; findmnt -no SOURCE /home; cat /home/mark');
  await running.stop();
  return said;
}

describeWith([...debianGuestTools, 'sgdisk'], 'a machine of two disks', () => {
  it('starts as one disk, and as two again', { timeout: 12 * minutes }, async () => {
    const { bios } = await debianGuest();
    const folder = await tempFolder();
    const path = (name: string) => join(folder, name);
    const ids = await converted(await withHome(bios, folder), { kind: 'combine' }, [path('one.raw')]);
    expect(ids).toContain('names.fstab');
    const { stdout } = await run('sfdisk', ['--verify', path('one.raw')]);
    expect(stdout).toContain('No errors detected');
    await converted([path('one.raw')], { kind: 'separate', groups: [[1], [2]] }, [
      path('a.raw'),
      path('b.raw'),
    ]);
    // Two at once: each keeps one processor busy.
    const [one, two] = await Promise.all([
      starts(path('one.raw'), []),
      starts(path('a.raw'), [path('b.raw')]),
    ]);
    expect(one).toMatch(/\/dev\/vda2[\s\S]*of the second disk/);
    expect(two).toMatch(/\/dev\/vdb2[\s\S]*of the second disk/);
  });
});

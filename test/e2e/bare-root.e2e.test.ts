/** A root filesystem of User Mode Linux gets a partition table, a kernel and a bootloader, as one command. */
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../oracles/requires.ts';
import { bareRoot, bareRootTools } from '../servers/bare-root.ts';
import { place, values } from './program.ts';

const version = '6.1.0-18-amd64';
const boot = '/usr/lib/grub/i386-pc/boot.img';

/** As much of a kernel as is looked at, with all its drivers built in. Returns its image. */
async function kernelIn(folder: string): Promise<string> {
  const image = Buffer.alloc(0x1000);
  image.write('HdrS', 0x202);
  image.writeUInt16LE(0x20f, 0x206);
  image.writeUInt16LE(0x400, 0x20e);
  image.write(`${version} (debian-kernel) #1 SMP`, 0x600);
  const modules = join(folder, 'lib/modules', version);
  await mkdir(modules, { recursive: true });
  await mkdir(join(folder, 'boot'));
  const builtin = ['virtio_pci', 'virtio_blk', 'ext4'].map((name) => `kernel/${name}.ko\n`).join('');
  await writeFile(join(modules, 'modules.builtin'), builtin);
  await writeFile(join(modules, 'modules.dep'), '');
  await writeFile(join(folder, `boot/vmlinuz-${version}`), image);
  return join(folder, `boot/vmlinuz-${version}`);
}

describeWith([...bareRootTools, 'grub-mkimage'], 'a bare root filesystem', () => {
  it('is shown what is put around it, and gets it', async () => {
    const here = await place();
    const root = await bareRoot(here.folder, 'uml');
    const kernel = await kernelIn(here.folder);
    const convert = ['convert', root, '--partition-table', 'mbr', '--kernel', kernel];
    const hardware = ['--disk-bus', 'virtio', '--nic-model', 'e1000'];

    const dry = await here.run([...convert, ...hardware, '--to', 'out.qcow2', '--dry-run']);
    expect(dry).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/warning: kernel \S+ has no driver e1000: /),
    });
    expect(dry.stdout).toContain(`bare.kernel (needed): Kernel ${version} is put into /boot`);
    expect(dry.stdout).toContain(`/boot/vmlinuz-${version}: copied, 4096 bytes`);
    expect(dry.stdout).toMatch(/bare\.loader \(needed\): GRUB starts kernel .* first sector/);
    expect(dry.stdout).toMatch(/disk 1, byte 0: changed, 440 bytes\n +disk 1, byte 512: changed, \d+ bytes/);
    expect(dry.stdout).toMatch(/\+UUID=[0-9a-f-]{36} +\/ +ext4/);
    expect(dry.stdout).toMatch(/\+tty1::respawn:/);

    expect(await here.run([...convert, '--disk-bus', 'virtio', '--to', 'out.raw'])).toMatchObject({
      code: 0,
    });
    const head = Buffer.alloc(512);
    const out = await open(here.path('out.raw'));
    await out.read(head, 0, 512, 0).finally(() => out.close());
    expect(head.subarray(0, 440)).toEqual((await readFile(boot)).subarray(0, 440));
    expect(head.readUInt16LE(510)).toBe(0xaa55);
    const config = await here.run(['cat', 'out.raw:/boot/grub/grub.cfg']);
    expect(config.stdout).toMatch(/linux \/boot\/vmlinuz-6\.1\.0-18-amd64 root=PARTUUID=[0-9a-f]{8}-01 ro /);
    const inspected = await here.run(['inspect', 'out.raw', '--json']);
    expect(JSON.stringify(values(inspected.stdout))).toContain('"bootCode":"grub"');
  });
});

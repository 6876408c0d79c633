import { describe, expect, it } from 'vitest';
import { parseBls, parseLoaderConf } from '../../../src/guest/formats/bootloader/bls.ts';
import { parseGrubConfig, parseGrubenv } from '../../../src/guest/formats/bootloader/grub2.ts';
import { parseExtlinux, parseGrub1 } from '../../../src/guest/formats/bootloader/older.ts';

const debian = `#
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
else
   set default="1>gnulinux-6.1.0-9-amd64-recovery-abc"
fi
function savedefault {
  if [ -z "\${boot_once}" ]; then
    saved_entry="\${chosen}"
  fi
}
  set timeout=5
menuentry 'Debian GNU/Linux' --class debian --class os $menuentry_id_option 'gnulinux-simple-abc' {
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	set root='hd0,msdos1'
	if [ x$feature_platform_search_hint = xy ]; then
	  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1  0b1e-uuid
	else
	  search --no-floppy --fs-uuid --set=root 0b1e-uuid
	fi
	echo	'Loading Linux; really {'
	linux	/boot/vmlinuz-6.1.0-9-amd64 root=/dev/sda1 ro quiet "a b" $vt_handoff
	initrd	/boot/intel-ucode.img /boot/initrd.img-6.1.0-9-amd64
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-abc' {
	menuentry 'With 6.1' --class debian --id gnulinux-6.1.0-9-amd64-advanced-abc { linux ($root)/vmlinuz a=1
	}
	menuentry 'Recovery' --id 'gnulinux-6.1.0-9-amd64-recovery-abc' {
		linuxefi (hd0,gpt2)/vmlinuz single
	}
}
`;

describe('bootloaders', () => {
  it('GRUB 2', () => {
    const config = parseGrubConfig(debian);
    expect(config).toMatchObject({ kind: 'grub2', defaultEntry: 2, timeoutSeconds: 5, includesBls: false });
    expect(config.entries).toEqual([
      {
        title: 'Debian GNU/Linux',
        id: 'gnulinux-simple-abc',
        menus: [],
        kernel: '/boot/vmlinuz-6.1.0-9-amd64',
        args: ['root=/dev/sda1', 'ro', 'quiet', 'a', 'b'],
        initrds: ['/boot/intel-ucode.img', '/boot/initrd.img-6.1.0-9-amd64'],
        volume: { device: 'hd0,msdos1', uuid: '0b1e-uuid' },
      },
      expect.objectContaining({
        title: 'With 6.1',
        menus: ['Advanced options'],
        kernel: '/vmlinuz',
        args: ['a=1'],
      }),
      expect.objectContaining({ title: 'Recovery', kernel: '/vmlinuz', args: ['single'] }),
    ]);
    const of = (line: string) => parseGrubConfig(`${line}\nmenuentry a {\n}\nmenuentry b {\n}`).defaultEntry;
    expect(['', 'set default=1', 'set default=b', 'set default=x', 'set default=0>1'].map(of)).toEqual([
      0,
      1,
      1,
      undefined,
      undefined,
    ]);
  });

  it('GRUB 2 of Fedora: entries of their own, and the environment', () => {
    const environment = parseGrubenv(
      '# GRUB Environment Block\nsaved_entry=id-5.14.0-9\nkernelopts=root=/dev/mapper/a ro\n####',
    );
    const config = parseGrubConfig('set default="$saved_entry"\ninsmod blscfg\nblscfg\n', environment);
    expect(config).toMatchObject({ includesBls: true, entries: [] });
    const entry = (version: string) => ({
      name: `id-${version}.conf`,
      content: `title Rocky ${version}\nversion ${version}\nlinux /vmlinuz-${version}\ninitrd /initramfs-${version}.img $tuned_initrd\noptions $kernelopts quiet\ngrub_class rocky\n`,
    });
    const bls = parseBls([entry('5.14.0-9'), entry('5.14.0-10'), { name: 'x.conf.bak', content: '' }], {
      variables: environment,
      chosen: environment.get('saved_entry'),
    });
    expect(bls.entries.map((e) => e.id)).toEqual(['id-5.14.0-10', 'id-5.14.0-9']);
    expect(bls.defaultEntry).toBe(1);
    expect(bls.entries[1]).toMatchObject({
      kernel: '/vmlinuz-5.14.0-9',
      initrds: ['/initramfs-5.14.0-9.img'],
      args: ['root=/dev/mapper/a', 'ro', 'quiet'],
    });
  });

  it('systemd-boot', () => {
    const loader = parseLoaderConf('#x\ndefault arch-*\ntimeout 3\n');
    const files = ['b.conf', 'arch-lts.conf'].map((name) => ({
      name,
      content: `title T\nlinux /k\noptions a\noptions b`,
    }));
    const config = parseBls(files, loader);
    expect(config).toMatchObject({ defaultEntry: 1, timeoutSeconds: 3 });
    expect(config.entries[1]).toMatchObject({ id: 'arch-lts', args: ['a', 'b'] });
  });

  it('GRUB 1', () => {
    const config = parseGrub1(
      'default=1\ntimeout=5\n#x\ntitle A\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6.32 ro root=/dev/sda2\n\tinitrd /initrd.img\ntitle Xen\n\tkernel (hd0,1)/xen.gz\n\tmodule /vmlinuz-xen ro\n\tmodule /initrd-xen\n',
    );
    expect(config).toMatchObject({ defaultEntry: 1, timeoutSeconds: 5 });
    expect(config.entries[0]).toMatchObject({
      kernel: '/vmlinuz-2.6.32',
      args: ['ro', 'root=/dev/sda2'],
      initrds: ['/initrd.img'],
      volume: { device: '(hd0,0)' },
    });
    expect(config.entries[1]).toMatchObject({ kernel: '/vmlinuz-xen', initrds: ['/initrd-xen'] });
  });

  it('extlinux', () => {
    const config = parseExtlinux(
      'DEFAULT menu.c32\nTIMEOUT 30\nLABEL a\n  MENU LABEL ^Alpine\n  MENU DEFAULT\n  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n  APPEND root=UUID=x modules=ext4\nLABEL b\n KERNEL k\n append initrd=i1,i2 quiet\n',
    );
    expect(config).toMatchObject({ defaultEntry: 0, timeoutSeconds: 3 });
    expect(config.entries).toMatchObject([
      {
        title: 'Alpine',
        kernel: 'vmlinuz-virt',
        initrds: ['initramfs-virt'],
        args: ['root=UUID=x', 'modules=ext4'],
      },
      { title: 'b', kernel: 'k', initrds: ['i1', 'i2'], args: ['quiet'] },
    ]);
  });
});

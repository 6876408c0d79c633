/** The files in which a guest keeps the arguments of its kernels. Paths that are not there are among them. */
import type { Editor } from '../tree.ts';

/** Where an EFI system partition is mounted. */
export const espMounts = ['/boot/efi', '/efi', '/boot'];

/** What a boot loader reads: an entry for each kernel. */
export async function bootEntries(view: Pick<Editor, 'list'>): Promise<string[]> {
  const paths = [
    ...['/boot/grub/grub.cfg', '/boot/grub2/grub.cfg', '/boot/grub/menu.lst', '/boot/grub/grub.conf'],
    ...['/boot/extlinux.conf', '/boot/extlinux/extlinux.conf', '/boot/syslinux/syslinux.cfg'],
  ];
  for (const esp of espMounts) {
    const efi = (await view.list(esp)).find((name) => name.toLowerCase() === 'efi');
    const vendors = efi === undefined ? [] : await view.list(`${esp}/${efi}`);
    for (const vendor of vendors)
      for (const name of await view.list(`${esp}/${efi}/${vendor}`))
        if (/^grub\.(?:cfg|conf)$/i.test(name)) paths.push(`${esp}/${efi}/${vendor}/${name}`);
    for (const name of await view.list(`${esp}/loader/entries`))
      if (name.endsWith('.conf')) paths.push(`${esp}/loader/entries/${name}`);
  }
  return paths;
}

/** What entries are made of, the next time that a kernel is installed. */
export async function entrySources(view: Pick<Editor, 'list'>): Promise<string[]> {
  const added = (await view.list('/etc/default/grub.d')).filter((name) => name.endsWith('.cfg'));
  return [
    ...['/etc/default/grub', ...added.map((name) => `/etc/default/grub.d/${name}`)],
    ...['/etc/kernel/cmdline', '/etc/default/extlinux', '/etc/update-extlinux.conf'],
  ];
}

/** GRUB writes them in place. */
export const grubEnvironments = ['/boot/grub/grubenv', '/boot/grub2/grubenv'];

/** GRUB's environment is a block of 1024 bytes, filled up with `#`; what is too long for it stays as it is. */
export function inEnvironment(text: string, change: (text: string) => string): string {
  const content = change(text).replace(/#*$/, '');
  return content.length > text.length ? text : content.padEnd(text.length, '#');
}

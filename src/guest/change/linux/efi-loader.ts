/** The loader that a firmware starts which knows nothing of the disk: `EFI/BOOT/BOOT<machine>.EFI`. */
import type { Editor } from '../tree.ts';
import { espMounts } from './boot-files.ts';
import type { LinuxChange } from './context.ts';

const machines: Readonly<Record<string, { readonly fallback: string; readonly suffix: string }>> = {
  x86_64: { fallback: 'BOOTX64.EFI', suffix: 'x64' },
  i686: { fallback: 'BOOTIA32.EFI', suffix: 'ia32' },
  i386: { fallback: 'BOOTIA32.EFI', suffix: 'ia32' },
  aarch64: { fallback: 'BOOTAA64.EFI', suffix: 'aa64' },
};

export const addFallbackLoader: LinuxChange = async (tree, { target, system }) => {
  const machine = machines[system.architecture ?? 'x86_64'];
  if (target.firmware !== 'uefi' || machine === undefined) return [];
  for (const mountPoint of espMounts) {
    const efi = await child(tree.view, mountPoint, 'EFI');
    if (efi === undefined) continue;
    const boot = (await child(tree.view, efi, 'BOOT')) ?? `${efi}/BOOT`;
    if ((await child(tree.view, boot, machine.fallback)) !== undefined) return [];
    const loader = await ownLoader(tree.view, efi, machine.suffix);
    if (loader === undefined) {
      return [
        {
          rule: 'guest.no-loader',
          severity: 'warning',
          message: `the EFI system partition at ${mountPoint} has no loader to start without the firmware's variables`,
          remedy:
            'carry the variables along, or install the loader with "grub-install --removable" in the guest',
        },
      ];
    }
    await tree.change(
      {
        id: 'efi.fallback',
        title: `${loader.path.split('/').at(-1)} is found without the firmware's variables`,
        reason: 'they stay behind, and with them the name of the loader; firmware then starts this file',
        need: 'needed',
      },
      async (editor) => {
        await editor.copy(loader.path, `${boot}/${machine.fallback}`);
        // shim looks for its second stage beside itself.
        for (const name of loader.beside) await editor.copy(`${loader.folder}/${name}`, `${boot}/${name}`);
      },
    );
    return [];
  }
  return [];
};

interface Loader {
  readonly path: string;
  readonly folder: string;
  readonly beside: readonly string[];
}

async function ownLoader(view: View, efi: string, suffix: string): Promise<Loader | undefined> {
  const folders = (await view.list(efi)).filter((name) => !/^(boot|microsoft|tools)$/i.test(name));
  for (const first of [`shim${suffix}.efi`, `grub${suffix}.efi`, `systemd-boot${suffix}.efi`]) {
    for (const name of folders) {
      const folder = `${efi}/${name}`;
      const path = await child(view, folder, first);
      if (path === undefined) continue;
      const wanted = first.startsWith('shim') ? [`grub${suffix}.efi`, `mm${suffix}.efi`] : [];
      const found = await Promise.all(wanted.map((other) => child(view, folder, other)));
      return { path, folder, beside: found.flatMap((p) => (p === undefined ? [] : [p.split('/').at(-1)!])) };
    }
  }
  return undefined;
}

type View = Pick<Editor, 'list'>;

/** FAT knows no case. */
async function child(view: View, folder: string, name: string): Promise<string | undefined> {
  const found = (await view.list(folder)).find((other) => other.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : `${folder}/${found}`;
}

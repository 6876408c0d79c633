/** The loader that a firmware starts which knows nothing of the disk: a copy of Windows' own. */
import { efiMountPoint } from '../../mounts.ts';
import type { WindowsChange } from './context.ts';
import { realPath } from './paths.ts';

const fallback = { amd64: 'bootx64.efi', x86: 'bootia32.efi', arm64: 'bootaa64.efi' };

export const addFallbackLoader: WindowsChange = async (tree, { target, release }) => {
  if (target.firmware !== 'uefi') return [];
  const from = await realPath(tree.view, `${efiMountPoint}/EFI/Microsoft/Boot/bootmgfw.efi`);
  if ((await tree.view.stat(from)) === undefined) return [];
  const to = await realPath(tree.view, `${efiMountPoint}/EFI/Boot/${fallback[release.architecture]}`);
  await tree.change(
    {
      id: 'efi.fallback',
      title: `${fallback[release.architecture]} is found without the firmware's variables`,
      reason: 'they stay behind, and with them the name of the loader; firmware then starts this file',
      need: 'needed',
    },
    (editor) => editor.copy(from, to),
  );
  return [];
};

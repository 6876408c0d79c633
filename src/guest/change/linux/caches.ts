/** What pins the guest to the hardware that it leaves behind. */
import type { LinuxChange } from './context.ts';

export const forgetHardware: LinuxChange = async (tree) => {
  await tree.change(
    {
      id: 'caches.devices',
      title: 'Lists of known disks are dropped',
      reason: 'they name disks by their old serial numbers; LVM ignores a disk that is not in its list',
      need: 'needed',
    },
    async (editor) => {
      for (const path of [
        '/etc/lvm/devices/system.devices',
        '/etc/lvm/cache/.cache',
        '/etc/blkid.tab',
        '/etc/blkid/blkid.tab',
      ])
        await editor.remove(path);
    },
  );
  await tree.change(
    {
      id: 'display.driver',
      title: 'The display is no longer driven by the old card',
      reason: 'the configuration of X names the driver of a card that will not be there',
      need: 'advised',
    },
    (editor) =>
      editor.edit('/etc/X11/xorg.conf', (text) =>
        text.replace(/^(\s*Driver\s+")(?:vmware|cirrus|vboxvideo|qxl)(")/gim, '$1modesetting$2'),
      ),
  );
  return [];
};

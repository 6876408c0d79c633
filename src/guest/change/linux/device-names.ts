/**
 * Names of disks that follow the bus (`/dev/sda1`) become names that hold anywhere: in fstab, crypttab, the kernel's
 * command line wherever it is kept, GRUB's device.map.
 */
import type { Finding } from '../../../model/finding.ts';
import { diskName, type GuestTarget } from '../target.ts';
import type { Editor, PlannedTree } from '../tree.ts';
import { bootEntries, entrySources, grubEnvironments, inEnvironment } from './boot-files.ts';
import { placeOfName, type StableNames } from './stable-names.ts';

/**
 * Kernel arguments whose value is a disk. Names by path have colons in them (`pci-0000:03:00.0-part1`), and a colon ends
 * the disk in `cryptdevice=`: of a whole disk by its path nothing is made there.
 */
const diskArguments = new RegExp(
  String.raw`(^|[\s"'=])(root|resume|real_root|dolvm|cryptdevice)=(` +
    [
      String.raw`PARTUUID=[0-9a-fA-F-]+`,
      String.raw`/dev/disk/by-(?:id|path)/[^\s"',]+?-part\d+(?![^\s"',:])`,
      String.raw`(?<!cryptdevice=)/dev/disk/by-(?:id|path)/[^\s"',]+`,
      String.raw`/dev/(?!disk/by-path/)[^\s"':,]+`,
    ].join('|') +
    ')',
  'g',
);

export async function changeDeviceNames(
  tree: PlannedTree,
  names: StableNames,
  target: GuestTarget,
): Promise<Finding[]> {
  await tree.change(
    {
      id: 'names.fstab',
      title: 'Filesystems are mounted by UUID',
      reason: 'names such as /dev/sda1 follow the bus of the disk, and the bus may be another one',
      need: 'needed',
    },
    async (editor) => {
      await editor.edit('/etc/fstab', (text) => eachField(text, 0, names.stable));
      await editor.edit('/etc/crypttab', (text) => eachField(text, 1, names.stable));
      await editor.edit('/etc/initramfs-tools/conf.d/resume', (text) =>
        text.replace(/^(\s*RESUME=)(\/dev\/\S+)/gm, (all, key, device) => {
          const name = names.stable(device);
          return name === undefined ? all : key + name;
        }),
      );
    },
  );
  await tree.change(
    {
      id: 'names.kernel',
      title: 'The kernel finds its root by UUID',
      reason: 'root= and resume= name the disk by its old bus',
      need: 'needed',
    },
    (editor) => changeCommandLines(editor, names),
  );
  await tree.change(
    {
      id: 'names.device-map',
      title: "GRUB's device.map names the disks as they will be called",
      reason: 'an update of GRUB in the guest would go to a disk that is not there',
      need: 'advised',
    },
    async (editor) => {
      for (const path of ['/boot/grub/device.map', '/boot/grub2/device.map'])
        await editor.edit(path, (text) => changeDeviceMap(text, target));
    },
  );
  return unknownFindings(names);
}

/** The field of each line that is no comment, as `change` makes it; blanks stay as they are. */
export function eachField(
  text: string,
  index: number,
  change: (value: string) => string | undefined,
): string {
  const pattern = new RegExp(`^(\\s*(?:[^#\\s]\\S*\\s+){${index}})([^#\\s]\\S*)`, 'gm');
  return text.replace(pattern, (all, before, value) => {
    const changed = change(value.replace(/^"(.*)"$/, '$1'));
    return changed === undefined ? all : before + changed;
  });
}

const withArguments = (text: string, stable: (device: string) => string | undefined): string =>
  text.replace(diskArguments, (all, before, key, device) => {
    const name = stable(device);
    return name === undefined ? all : `${before}${key}=${name}`;
  });

/** Without an initramfs nobody looks for filesystems: the entry's kernel knows partitions only. */
const hasInitrd = (text: string) => /^\s*(?:initrd|initrdefi|initrd16)\b|^\s*INITRD\b/im.test(text);

async function changeCommandLines(editor: Editor, names: StableNames): Promise<void> {
  const plain = (text: string) => withArguments(text, names.stable);
  const config = (text: string) =>
    withArguments(text, hasInitrd(text) ? names.stable : names.stableForKernel);
  for (const path of await entrySources(editor)) await editor.edit(path, plain);
  for (const path of await bootEntries(editor)) await editor.edit(path, config);
  for (const path of grubEnvironments) await editor.edit(path, (text) => inEnvironment(text, plain));
}

function changeDeviceMap(text: string, target: GuestTarget): string {
  return text.replace(/^(\(hd\d+\)\s+)(\S+)/gm, (all, before, device) => {
    const place = placeOfName(device, target.disks.length);
    const name = place && diskName(target, place.disk);
    return name === undefined ? all : before + name;
  });
}

const unknownFindings = ({ unknown }: StableNames): Finding[] =>
  [...unknown].map((device) => ({
    rule: 'guest.device-unknown',
    severity: 'warning',
    message: `the guest names ${device}, and nothing that stands for it was found`,
    evidence: device,
    remedy: 'write a UUID or a label in its place in the guest; a name of hardware may be another one there',
  }));

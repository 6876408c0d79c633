/** All drivers of the destination that the user gave, where Windows looks for those of new devices. */
import { text } from '../../system/windows/hives.ts';
import type { WindowsChange } from './context.ts';
import { nameOf, setsOf } from './driver-sets.ts';
import { realPath } from './paths.ts';

export const driversPath = '/Windows/Drivers/VirtIO';
const devicePathKey = 'Microsoft\\Windows\\CurrentVersion';
const usual = '%SystemRoot%\\inf';

export const copyDrivers: WindowsChange = async (tree, { drivers, release, softwareHive }) => {
  if (drivers === undefined) return [];
  const sets = setsOf(drivers, release);
  if (sets.length === 0)
    return [
      {
        rule: 'guest.windows-drivers',
        severity: 'blocker',
        message: `no driver for this Windows (${release.major}.${release.minor}, ${release.architecture}) is in ${drivers.name}`,
        remedy: 'give the ISO image of virtio-win, or a folder with its content',
      },
    ];
  await tree.change(
    {
      id: 'drivers',
      title: `${sets.length} drivers of the destination are there for new devices`,
      reason: `network, memory balloon and the like are found by them: ${sets.map(({ name }) => name).join(', ')}`,
      need: 'needed',
    },
    async (editor) => {
      const top = await realPath(editor, driversPath);
      const folders: string[] = [];
      for (const { name, files } of sets) {
        folders.push(`%SystemRoot%\\Drivers\\VirtIO\\${name}`);
        for (const { path, upload } of files) await editor.upload(`${top}/${name}/${nameOf(path)}`, upload);
      }
      const before = await text(await softwareHive.key(devicePathKey), 'DevicePath');
      const has = new Set((before ?? usual).split(';'));
      for (const folder of folders) has.add(folder);
      const data = [...has].filter((part) => part !== '').join(';');
      if (data !== before)
        editor.registry({
          ...{ hive: 'SOFTWARE', key: devicePathKey, name: 'DevicePath' },
          ...{ value: { type: 'expand-sz', data }, before: before ?? '' },
        });
    },
  );
  return [];
};

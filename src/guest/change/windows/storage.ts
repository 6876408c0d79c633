/** The driver of the destination's controller, started by the loader; without it Windows stops (0x7B). */
import { createHash } from 'node:crypto';
import type { Finding } from '../../../model/finding.ts';
import { number } from '../../system/windows/hives.ts';
import type { Editor } from '../tree.ts';
import { type BootDriver, inboxServices, wantedDrivers } from './boot-drivers.ts';
import { atLeast, type WindowsChange, type WindowsContext } from './context.ts';
import { type DriverSet, maxInfBytes, setOf } from './driver-sets.ts';
import { type InfVersion, infVersion, versionBlob } from './inf.ts';
import { realPath } from './paths.ts';

export const startFromDisk: WindowsChange = async (tree, context) => {
  const findings: Finding[] = [];
  for (const driver of wantedDrivers(context.target)) {
    if (context.system.windows?.drivers.includes(driver.service)) continue;
    const set = context.drivers && setOf(context.drivers, driver.service, context.release);
    const sys = set?.files.find(({ path }) => path.toLowerCase().endsWith(`/${driver.service}.sys`));
    if (set === undefined || sys === undefined) {
      findings.push(noDriver(driver, context));
      continue;
    }
    const inf = infVersion(await set.inf.read(maxInfBytes), set.inf.upload.from);
    await tree.change(
      {
        id: `storage.${driver.service}`,
        title: `${driver.service} (${driver.title}) is started by the loader`,
        reason: 'the disk is reached by it at the destination; without it Windows stops with a blue screen',
        need: 'needed',
      },
      async (editor) => {
        const folder = await realPath(editor, '/Windows/System32/drivers');
        await editor.upload(`${folder}/${driver.service}.sys`, sys.upload);
        service(editor, driver, context);
        if (atLeast(context.release, 6, 2)) driverDatabase(editor, driver, set, inf, context);
        else criticalDevices(editor, driver, inf, context);
      },
    );
  }
  await inbox(tree, context);
  return findings;
};

/** Microsoft, "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree": a kernel driver, started by the loader. */
function service(editor: Editor, { service: name }: BootDriver, { controlSet }: WindowsContext): void {
  const key = `${controlSet}\\Services\\${name}`;
  const set = (value: string, data: number) =>
    editor.registry({ hive: 'SYSTEM', key, name: value, value: { type: 'dword', data } });
  set('Type', 1);
  set('Start', 0);
  set('ErrorControl', 1);
  editor.registry({ hive: 'SYSTEM', key, name: 'Group', value: { type: 'sz', data: 'SCSI miniport' } });
  editor.registry({
    ...{ hive: 'SYSTEM', key, name: 'ImagePath' },
    value: { type: 'expand-sz', data: `system32\\drivers\\${name}.sys` },
  });
  // Storport's: a bus of SCSI.
  editor.registry({
    ...{ hive: 'SYSTEM', key: `${key}\\Parameters`, name: 'BusType' },
    value: { type: 'dword', data: 1 },
  });
  const pci = `${key}\\Parameters\\PnpInterface`;
  editor.registry({ hive: 'SYSTEM', key: pci, name: '5', value: { type: 'dword', data: 1 } });
}

/** Up to Windows 7. */
function criticalDevices(
  editor: Editor,
  { service: name, devices }: BootDriver,
  { classGuid }: InfVersion,
  { controlSet }: WindowsContext,
): void {
  for (const device of devices) {
    const key = `${controlSet}\\Control\\CriticalDeviceDatabase\\PCI#${device}`;
    editor.registry({ hive: 'SYSTEM', key, name: 'Service', value: { type: 'sz', data: name } });
    editor.registry({ hive: 'SYSTEM', key, name: 'ClassGUID', value: { type: 'sz', data: classGuid } });
  }
}

/** From Windows 8 on: which .inf a device is installed by, and which service that gives. */
function driverDatabase(
  editor: Editor,
  { service: name, devices, title }: BootDriver,
  set: DriverSet,
  inf: InfVersion,
  { release }: WindowsContext,
): void {
  const file = `${name}.inf`;
  const mark = createHash('sha256').update(`${set.inf.upload.size}`).update(versionBlob(inf)).digest('hex');
  const label = `${file}_${release.architecture}_${mark.slice(0, 16)}`;
  const configuration = 'scsi_inst';
  const put = (key: string, valueName: string, value: Parameters<Editor['registry']>[0]['value']) =>
    editor.registry({
      ...{ hive: 'SYSTEM', key: `DriverDatabase\\${key}`, name: valueName },
      ...(value === undefined ? {} : { value }),
    });
  put(`DriverInfFiles\\${file}`, '', { type: 'multi-sz', data: [label] });
  put(`DriverInfFiles\\${file}`, 'Active', { type: 'sz', data: label });
  put(`DriverInfFiles\\${file}`, 'Configurations', { type: 'multi-sz', data: [configuration] });
  const top = `DriverPackages\\${label}`;
  put(top, '', { type: 'sz', data: file });
  put(top, 'InfName', { type: 'sz', data: file });
  put(top, 'Version', { type: 'binary', data: versionBlob(inf) });
  put(`${top}\\Configurations\\${configuration}`, 'ConfigFlags', { type: 'dword', data: 0 });
  put(`${top}\\Configurations\\${configuration}`, 'Service', { type: 'sz', data: name });
  put(`${top}\\Strings`, 'device', { type: 'sz', data: `${title} controller` });
  put(`${top}\\Strings`, 'vendor', { type: 'sz', data: 'Unknown' });
  for (const device of devices) {
    // 1: the device itself; 2: one that is like it.
    const rank = device.includes('SUBSYS') ? 1 : 2;
    put(`DeviceIds\\PCI\\${device}`, file, { type: 'binary', data: Buffer.from([rank, 0xff, 0, 0]) });
    const descriptor = `${top}\\Descriptors\\PCI\\${device}`;
    put(descriptor, 'Configuration', { type: 'sz', data: configuration });
    put(descriptor, 'Description', { type: 'sz', data: '%device%' });
    put(descriptor, 'Manufacturer', { type: 'sz', data: '%vendor%' });
  }
}

/** Drivers that Windows has but does not start so early where it came from another controller. */
async function inbox(tree: Parameters<WindowsChange>[0], context: WindowsContext): Promise<void> {
  const { systemHive, controlSet, target, release } = context;
  await tree.change(
    {
      id: 'storage.inbox',
      title: "Windows' own drivers of the destination's disk controller are started by the loader",
      reason: 'they are there, and switched off while Windows runs from another controller',
      need: 'needed',
    },
    async (editor) => {
      for (const name of inboxServices(target, release)) {
        const path = `${controlSet}\\Services\\${name}`;
        const key = await systemHive.key(path);
        const start = await number(key, 'Start');
        if (start !== undefined && start !== 0)
          editor.registry({
            ...{ hive: 'SYSTEM', key: path, name: 'Start' },
            ...{ value: { type: 'dword', data: 0 }, before: `dword:${start}` },
          });
        // Since Windows 8.1 it overrules Start, by hardware profile.
        const override = await number(await key?.subkey('StartOverride'), '0');
        if (override !== undefined && override !== 0)
          editor.registry({
            ...{ hive: 'SYSTEM', key: `${path}\\StartOverride`, name: '0' },
            ...{ value: { type: 'dword', data: 0 }, before: `dword:${override}` },
          });
      }
    },
  );
}

const noDriver = ({ service: name, title }: BootDriver, { system, drivers }: WindowsContext): Finding => ({
  rule: 'guest.windows-driver',
  severity: 'blocker',
  message:
    drivers === undefined
      ? `${system.name} has no driver for ${title} (${name}): it would stop with INACCESSIBLE_BOOT_DEVICE`
      : `there is no ${name} for ${system.name} in ${drivers.name}`,
  remedy: 'give the ISO image of virtio-win (--windows-drivers), or another bus for the disks',
});

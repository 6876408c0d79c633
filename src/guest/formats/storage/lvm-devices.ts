/**
 * /etc/lvm/devices/system.devices (lvmdevices(8)): where it is there, LVM sees no other device. Entries by the
 * serial number or the name of a device do not survive a change of the bus.
 */
import { given, plainText } from '../../text.ts';
import { linesOf } from '../config-file.ts';

export interface LvmDevice {
  /** `sys_wwid`, `sys_serial`, `devname`, `mpath_uuid` … */
  readonly idType: string;
  readonly idName?: string;
  readonly deviceName?: string;
  /** Of the physical volume, without dashes. */
  readonly pvid?: string;
  readonly partition?: number;
}

const maxDevices = 4096;

export function parseLvmDevices(content: Buffer | string): LvmDevice[] {
  const devices: LvmDevice[] = [];
  for (const line of linesOf(content)) {
    if (!line.includes('IDTYPE=') || line.trimStart().startsWith('#') || devices.length >= maxDevices)
      continue;
    const facts = new Map(
      line
        .trim()
        .split(/\s+/)
        .map((word) => {
          const equals = word.indexOf('=');
          return [word.slice(0, Math.max(0, equals)), plainText(word.slice(equals + 1))] as const;
        }),
    );
    const known = (key: string) => (facts.get(key) === '.' ? undefined : facts.get(key));
    const partition = Number(known('PART'));
    devices.push({
      idType: facts.get('IDTYPE') ?? '',
      ...given('idName', known('IDNAME')),
      ...given('deviceName', known('DEVNAME')),
      ...given('pvid', known('PVID')),
      ...(Number.isInteger(partition) && partition > 0 ? { partition } : {}),
    });
  }
  return devices;
}

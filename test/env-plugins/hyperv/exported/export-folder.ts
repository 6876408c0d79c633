/** Folders as Export-VM makes them, for tests. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Tree, vmcxFile } from './vmcx-file.ts';

export const webId = '4E1D459F-7861-46A4-887C-B64397C97E1B';
export const secondId = '5A2C459F-7861-46A4-887C-B64397C97E1C';
const scsi = 'D422512D-2BF2-4752-809D-7B82B5FCB1B4';
const scsiInstance = '11112222-3333-4444-5555-666677778888';
const passedThrough = '99998888-3333-4444-5555-666677778888';
const lan = '55225880-49C0-4438-9CE2-5A01402FD8CB';

/** Settings of a machine of generation 2 with one SCSI controller; names and shapes as Hyper-V 2016 writes them. */
export function generation2(disks: readonly string[], more: { name?: string; notes?: string } = {}): Tree {
  const drives = disks.map((pathname, unit) => [`drive${unit}`, { pathname, type: 'VHD', weight: 100 }]);
  return {
    configuration: {
      properties: {
        creation_time: filetime(1_700_000_000),
        global_id: webId,
        name: more.name ?? 'web',
        notes: more.notes ?? '',
        subtype: 1,
        type_id: 'Virtual Machines',
        version: 2304,
      },
      manifest: {
        size: 4,
        vdev001: { device: scsi, flags: 1, instance: scsiInstance, name: 'Synthetic SCSI Controller' },
        vdev002: {
          device: '2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778',
          instance: lan,
          name: 'Synthetic Ethernet Port',
        },
        vdev003: {
          device: '736e6aa9-a3f8-49c0-9550-a963214d259a',
          instance: '736E6AA9-A3F8-49C0-9550-A963214D259A',
        },
        vdev004: { device: '2fcc454e-a36a-4c77-bb5e-a2d75a51f02c', instance: passedThrough },
      },
      '_ac6b8dc1-3257-4a70-b1b2-a9c9215659ad_': {
        bios_guid: '{7FFEE066-9755-4950-9A16-4C94AC67AD00}',
        secure_boot_enabled: true,
      },
      [`_${scsiInstance.toLowerCase()}_`]: {
        controller0: {
          ...Object.fromEntries(drives),
          drive9: { pathname: '', type: 'ISO' },
          drive10: { pathname: '', type: 'NONE' },
        },
      },
      [`_${lan.toLowerCase()}_`]: {
        Connection: { AltSwitchName: 'LAN "1"' },
        IsConnected: true,
        MacAddress: '00-15-5D-01-07-DC',
        MacAddressIsStatic: false,
      },
      [`_${passedThrough}_`]: {
        HostResources: { count: 1, HostResource: { Instance: 'PCIP\\VEN_10DE&DEV_1EB8' } },
      },
      settings: {
        global: { logical_id: webId },
        memory: { bank: { dynamic_memory_enabled: true, limit: 8192, reservation: 512, size: 2048 } },
        processors: { count: 4, limit: 100000 },
      },
      security: { settings: { shielding_requested: false } },
    },
  };
}

export function filetime(seconds: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(seconds + 11_644_473_600) * 10_000_000n);
  return bytes;
}

export const someDisk = Buffer.alloc(70_000, 'disk');

/** `ROOT/NAME` with these files in it: settings as trees or text, disks as bytes. */
export async function exportFolder(
  root: string,
  name: string,
  files: Readonly<Record<string, Tree | string | Uint8Array>>,
): Promise<string> {
  const folder = join(root, name);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    const bytes = typeof content === 'string' || content instanceof Uint8Array ? content : vmcxFile(content);
    await writeFile(join(folder, path), bytes);
  }
  return folder;
}

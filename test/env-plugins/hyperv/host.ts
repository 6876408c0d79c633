/** A fake host with a machine on a chain of two files, and sessions of the plugin at it. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { vhdxCodec } from '../../../src/codecs/vhdx/index.ts';
import { formatGuid } from '../../../src/codecs/vhdx/layout.ts';
import { openImage } from '../../../src/convert/open-image.ts';
import { sessionOn } from '../../../src/env-plugins/hyperv/connect.ts';
import type { Shares } from '../../../src/env-plugins/hyperv/disk-files.ts';
import { sshTransport } from '../../../src/env-plugins/hyperv/transport.ts';
import type { OpenDisk, Session } from '../../../src/env-plugins/plugin.ts';
import { memorySource, readBytes } from '../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { childFile, dataWriteGuidOf } from '../../codecs/vhdx-images.ts';
import { encodeToFile } from '../../conformance/images.ts';
import { randomBytes } from '../../conformance/random.ts';
import { type FakeHyperV, type FakeVm, putVhd, startHyperV } from '../../servers/hyperv.ts';
import { tempFolder } from '../../temp.ts';

export const never = new AbortController().signal;
export const MiB = 1024 * 1024;

export async function sessionAt(host: FakeHyperV, shares?: Shares): Promise<Session> {
  const session = sessionOn(sshTransport(await host.connect(), shares));
  onTestFinished(() => session.close());
  return session;
}

export async function listed(session: Session): Promise<Machine[]> {
  const machines: Machine[] = [];
  await session.source!.list({ signal: never, found: (machine) => machines.push(machine) });
  return machines;
}

/** What `list` tells of a machine of generation 2 besides its disks. */
export const generation2 = {
  generation: 2,
  version: '9.0',
  processors: 4,
  memory: 2_147_483_648,
  dynamicMemory: true,
  memoryMinimum: 536_870_912,
  memoryMaximum: 1_099_511_627_776,
  notes: 'the shop',
  path: 'C:\\VMs\\web',
  clustered: false,
  replication: 'Disabled',
  replicationMode: 'None',
  checkpointType: 'Production',
  parentCheckpoint: '',
  secureBoot: 'On',
  secureBootTemplate: 'MicrosoftUEFICertificateAuthority',
  tpm: false,
  shielded: false,
  dvds: [{ bus: 'SCSI', path: '' }],
  adapters: [
    { mac: '00155D010203', dynamicMac: true, network: 'LAN', legacy: false, vlan: 0 },
    { mac: '000000000000', dynamicMac: true, network: '', legacy: false, vlan: 0 },
  ],
};

export interface Made {
  readonly host: FakeHyperV;
  readonly vm: FakeVm;
  /** Its disk's bytes. */
  readonly expected: Buffer;
}

/** `root`: what is its drive C. */
export async function hostWithMachine(
  state = 'Off',
  more: Record<string, unknown> = {},
  root?: string,
): Promise<Made> {
  const host = await startHyperV(root ?? (await tempFolder()));
  const { base, child, expected } = await chainOnce();
  const size = expected.length;
  await putVhd(host, 'C:\\VMs\\web\\base.vhdx', base, { size });
  const path = 'C:\\VMs\\web\\child.avhdx';
  await putVhd(host, path, child, { size, type: 'Differencing', parent: 'C:\\VMs\\web\\base.vhdx' });
  const vm: FakeVm = {
    id: randomUUID(),
    name: 'web',
    state,
    disks: [{ bus: 'SCSI', controller: 0, unit: 0, path }],
    checkpoints: [],
    more: { ...generation2, bootPath: path, ...more },
  };
  host.vms.push(vm);
  return { host, vm, expected };
}

let made: { base: Buffer; child: Buffer; expected: Buffer } | undefined;

/** A disk of 3 MiB and one on it in which the second MiB is another. Made once for all tests of a file. */
async function chainOnce() {
  if (made !== undefined) return made;
  const expected = randomBytes(3 * MiB, 1);
  const file = join(await tempFolder(), 'base.vhdx');
  await encodeToFile(vhdxCodec, sourceDisk(memorySource(Buffer.from(expected))), file, { blockSize: MiB });
  const base = await readFile(file);
  const bytes = randomBytes(MiB, 2);
  bytes.copy(expected, MiB);
  const child = childFile({
    ...{ size: expected.length, blockSize: MiB, sectorSize: 512 },
    blocks: new Map([[1, { state: 'fullyPresent', bytes }]]),
    locator: {
      parent_linkage: `{${formatGuid(dataWriteGuidOf(base))}}`,
      relative_path: '.\\base.vhdx',
      absolute_win32_path: '\\\\?\\C:\\VMs\\web\\base.vhdx',
    },
  });
  made = { base, child, expected };
  return made;
}

/** All bytes of the disk, through its chain. */
export async function bytesOf(disk: OpenDisk): Promise<Buffer> {
  const image = await openImage(disk, { signal: never, follow: false });
  try {
    return await readBytes(image, 0, image.size);
  } finally {
    await image.close();
  }
}

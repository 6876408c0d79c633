/** A fake host with a machine on a chain of two files, and sessions of the plugin at it. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import { sessionOn } from '../../../src/env-plugins/hyperv/connect.ts';
import { sshTransport } from '../../../src/env-plugins/hyperv/transport.ts';
import type { OpenDisk, Session } from '../../../src/env-plugins/plugin.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { childCases, writeChain } from '../../codecs/vhdx-chains.ts';
import { type FakeHyperV, type FakeVm, putVhd, startHyperV } from '../../servers/hyperv.ts';
import { tempFolder } from '../../temp.ts';

export const never = new AbortController().signal;
export const MiB = 1024 * 1024;

export async function sessionAt(host: FakeHyperV): Promise<Session> {
  const session = sessionOn(sshTransport(await host.connect()));
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

export async function hostWithMachine(state = 'Off', more: Record<string, unknown> = {}): Promise<Made> {
  const host = await startHyperV(await tempFolder());
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

/** Made once for all tests of a file. */
async function chainOnce() {
  if (made !== undefined) return made;
  const { base, child, expected } = await writeChain(await tempFolder(), childCases[0]!);
  made = { base: await readFile(base), child: await readFile(child), expected };
  return made;
}

/** The disk's first bytes, through its chain; all of them without `length`. */
export async function bytesOf(disk: OpenDisk, length?: number): Promise<Buffer> {
  const image = await openImage(disk, { signal: never, follow: false });
  try {
    return await readBytes(image, 0, length ?? image.size);
  } finally {
    await image.close();
  }
}

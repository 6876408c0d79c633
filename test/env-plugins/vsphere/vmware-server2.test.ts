/** VMware Server 2, by a fake of it: API 2.5, without views, on a port of its own. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { MiB } from '../../../src/model/units.ts';
import { startVmwareServer2, type VmwareServer2 } from '../../servers/vmware-server2.ts';
import { connected, listed, never } from './connected.ts';

/** As Server 2 writes a disk that is allocated at once: a descriptor, and its bytes beside it. */
function putDisk({ files }: VmwareServer2, folder: string, name = folder): Buffer {
  const bytes = Buffer.alloc(4 * MiB);
  randomBytes(MiB).copy(bytes, MiB);
  const descriptor = [
    '# Disk DescriptorFile',
    'version=1',
    'CID=c3f3a6b1',
    'parentCID=ffffffff',
    'createType="monolithicFlat"',
    '',
    '# Extent description',
    `RW ${bytes.length / 512} FLAT "${name}-flat.vmdk" 0`,
    '',
    'ddb.virtualHWVersion = "7"',
    'ddb.adapterType = "lsilogic"',
    '',
  ];
  files.set(`${folder}/${name}.vmdk`, Buffer.from(descriptor.join('\r\n')));
  files.set(`${folder}/${name}-flat.vmdk`, bytes);
  return bytes;
}

async function contentOf(session: Session, machine: Machine): Promise<Buffer> {
  const image = await openImage(await session.source!.open(machine, 'disk-2000', never), { follow: false });
  const bytes = Buffer.alloc(image.size);
  await image.read(bytes, 0);
  await image.close();
  return bytes;
}

it('its machines are listed, and looked at by name', async () => {
  const server = await startVmwareServer2();
  const session = await connected(server);
  const machines = await listed(session);
  expect(machines.map(({ id, name, state }) => [id, name, state])).toEqual([
    ['16', 'mail', 'off'],
    ['32', 'files', 'off'],
  ]);
  expect(machines[0]).toMatchObject({
    place: '/ha-datacenter/vm, host old-server.example',
    processors: { count: 2 },
    memoryBytes: 512 * MiB,
    firmware: { kind: 'bios' },
    disks: [{ virtualSizeBytes: 4 * MiB, bus: 'scsi', controllerModel: 'lsilogic' }],
    nics: [{ mac: '00:0c:29:aa:bb:cc', network: 'Bridged', model: 'pcnet32' }],
  });
  expect((await session.source!.inspect('/ha-datacenter/vm/files', never)).id).toBe('32');
  expect(new Set(server.calls)).toEqual(new Set(['RetrieveServiceContent', 'Login', 'RetrieveProperties']));
});

it('a disk is read byte for byte, also when the session ends in the middle', async () => {
  const server = await startVmwareServer2();
  const bytes = putDisk(server, 'files');
  const session = await connected(server);
  const machine = await session.source!.inspect('files', never);
  server.forget();
  expect((await contentOf(session, machine)).equals(bytes)).toBe(true);
});

it('a wrong password is told', async () => {
  const server = await startVmwareServer2();
  await expect(connected({ ...server, password: 'no' })).rejects.toMatchObject({ kind: 'auth' });
});

it('a running machine is read below a snapshot, which is removed', async () => {
  const server = await startVmwareServer2({ running: true });
  const bytes = putDisk(server, 'mail');
  const session = await connected(server);
  const machine = await session.source!.inspect('mail', never);
  const hold = await session.source!.hold!(machine, { runId: 'r1', signal: never, report: () => undefined });
  expect((await session.source!.inspect('mail', never)).snapshots).toMatchObject([{ name: 'vmferry-r1' }]);
  expect((await contentOf(session, hold.machine)).equals(bytes)).toBe(true);
  await hold.verify!(never);
  expect(await hold.release()).toEqual([]);
  expect((await session.source!.inspect('mail', never)).snapshots).toBeUndefined();
});

it('the only snapshot that a machine can have there is not replaced', async () => {
  const server = await startVmwareServer2({ running: true, snapshot: true });
  const session = await connected(server);
  const machine = await session.source!.inspect('mail', never);
  const holding = session.source!.hold!(machine, { runId: 'r1', signal: never, report: () => undefined });
  await expect(holding).rejects.toMatchObject({
    kind: 'unsupported',
    message: expect.stringContaining('one snapshot'),
    hint: expect.stringContaining('shut the machine down'),
  });
  expect(server.calls).not.toContain('CreateSnapshot_Task');
  expect((await session.source!.inspect('mail', never)).snapshots).toMatchObject([
    { name: 'before the update' },
  ]);
});

it('its old TLS is spoken by explicit choice only', async () => {
  const server = await startVmwareServer2({ oldTls: true });
  await expect(connected(server)).rejects.toMatchObject({ hint: expect.stringMatching(/old tls/i) });
  const session = await connected(server, {}, { legacy: 'yes' });
  expect(await listed(session)).toHaveLength(2);
});

/** The disks of a Hyper-V host by SMB: a fake host whose drive C is the share C$ of a real Samba. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import { sharesOf } from '../../../src/env-plugins/hyperv/smb-settings.ts';
import type { PluginContext, Session, Settings } from '../../../src/env-plugins/plugin.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { badLink } from '../../servers/bad-link.ts';
import { type Samba, sambaTools, startSamba } from '../../servers/samba.ts';
import { bytesOf, hostWithMachine, type Made, MiB, never, sessionAt } from './host.ts';

describeWith(sambaTools, 'the disks of a Hyper-V host by SMB', () => {
  let samba: Samba;

  beforeAll(async () => {
    samba = await startSamba(['C$', 'vms']);
  });
  afterAll(() => samba?.stop());

  const context = (secrets: Record<string, string>): PluginContext => ({
    signal: never,
    secret: async (key) => secrets[key] ?? '',
    report: () => undefined,
    confirm: async () => false,
  });
  const start = () => hostWithMachine('Off', {}, samba.folder('C$'));
  const connect = async (
    made: Made,
    settings: Settings = {},
    secrets?: Record<string, string>,
  ): Promise<Session> => {
    const all = {
      ...{ host: '127.0.0.1', files: 'smb', smbUser: samba.user, smbPort: String(samba.port) },
      ...settings,
    };
    return sessionAt(made.host, sharesOf(all, context(secrets ?? { smbPassword: samba.password }), 'ssh'));
  };
  const open = async ({ source }: Session) =>
    source!.open(await source!.inspect('web', never), 'scsi0:0', never);

  it('a chain is read by the administrators’ share of its drive', async () => {
    const made = await start();
    const session = await connect(made);
    expect((await bytesOf(await open(session))).equals(made.expected)).toBe(true);
    // The password of the host is taken where none is given for SMB.
    const again = await connect(made, {}, { password: samba.password });
    expect((await bytesOf(await open(again))).equals(made.expected)).toBe(true);
    await expect(open(await connect(made, {}, { smbPassword: 'wrong' }))).rejects.toMatchObject({
      kind: 'auth',
    });
  });

  it('only what is asked for crosses the network', async () => {
    const made = await start();
    const proxy = await badLink(samba.port);
    onTestFinished(() => proxy.close());
    const session = await connect(made, { smbPort: String(proxy.port) });
    const image = await openImage(await open(session), { signal: never, follow: false });
    // Of three MiB one, besides tables.
    const before = proxy.received;
    await readBytes(image, MiB, MiB);
    expect(proxy.received - before).toBeGreaterThan(MiB);
    expect(proxy.received - before).toBeLessThan(1.2 * MiB);
    await image.close();
  });

  it('a disk on a share of a server that was named; the login goes to no other', async () => {
    const made = await start();
    const bytes = await readFile(join(samba.folder('C$'), 'VMs/web/base.vhdx'));
    const { host, vm } = made;
    const disk = vm.disks[0]!;
    const before = disk.path;
    disk.path = '\\\\localhost\\vms\\web.vhdx';
    onTestFinished(() => {
      disk.path = before;
    });
    await writeFile(join(samba.folder('vms'), 'web.vhdx'), bytes);
    host.vhds.set(disk.path, { format: 'VHDX', size: 3 * MiB });
    await expect(open(await connect(made))).rejects.toMatchObject({
      kind: 'unsupported',
      hint: expect.stringMatching(/fileServers/),
    });
    const session = await connect(made, { files: 'sftp', fileServers: 'filer, LOCALHOST' });
    expect((await bytesOf(await open(session))).length).toBe(3 * MiB);
  });

  it('a delivery is written by it', async () => {
    const made = await start();
    const { destination } = await connect(made);
    const disk = randomBytes(MiB + 512, 3);
    const machine = { id: 'x', name: 'neu', state: 'off', nics: [], findings: [] } as const;
    const delivery = await destination!.begin({
      name: 'neu',
      machine: {
        ...machine,
        disks: [{ id: 'd', name: 'd', files: [], virtualSizeBytes: disk.length }],
      },
      settings: { folder: 'C:\\VMs' },
      force: false,
      sync: false,
      runId: 'r1',
      signal: never,
    });
    const sink = await delivery.sink({ name: 'neu.vhdx' });
    await sink.write(disk, 0);
    await sink.finish(disk.length);
    await delivery.commit();
    expect((await readFile(join(samba.folder('C$'), 'VMs/neu/neu.vhdx'))).equals(disk)).toBe(true);
  });
});

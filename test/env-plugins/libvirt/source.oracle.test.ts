/** Machines of a real libvirt: listed, looked at, and their disks read by every way there is. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import { readDomain } from '../../../src/env-plugins/libvirt/domain-xml.ts';
import type { OpenDisk } from '../../../src/env-plugins/plugin.ts';
import { testSource } from '../../conformance/test-plugin.ts';
import { qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, startLibvirtd, useLibvirtd } from '../../servers/libvirtd.ts';
import { smallDomain } from './fixtures/domain.ts';
import { listed, sessionWith, signal } from './fixtures/session.ts';

const MiB = 2 ** 20;

/** Through the codec and the chain, as a conversion reads it. */
async function guestBytes(disk: OpenDisk, offset: number, length: number): Promise<Buffer> {
  const image = await openImage(disk, { signal, follow: false });
  const bytes = Buffer.alloc(length);
  await image.read(bytes, offset, signal);
  await image.close();
  return bytes;
}

describeWith(libvirtdTools, 'machines of libvirt', () => {
  const libvirtd = useLibvirtd();

  const image = async (path: string, pattern: number, ...create: string[]) => {
    await qemuImg('create', '-q', '-f', 'qcow2', ...create, path, ...(create.length === 0 ? ['8M'] : []));
    await qemuIo('qcow2', path, `write -P ${pattern} 1M 1M`);
  };
  /** Gone with the test. */
  const defined = async (xml: string, start = false) => {
    const [, name] = /<name>(.*)<\/name>/.exec(xml)!;
    await libvirtd().define(xml);
    const uuids = (await libvirtd().virsh('list', '--all', '--uuid')).trim().split(/\s+/);
    const plain = name!
      .replace(/&quot;/g, '"')
      .replace(/&apos;/g, "'")
      .replace(/&amp;/g, '&')
      .replace(/&lt;/g, '<')
      .replace(/&gt;/g, '>');
    for (const uuid of uuids) {
      if ((await libvirtd().virsh('domname', uuid)).replace(/\n+$/, '') !== plain) continue;
      if (start) await libvirtd().virsh('start', uuid);
      onTestFinished(async () => {
        await libvirtd()
          .virsh('destroy', uuid)
          .catch(() => undefined);
        await libvirtd()
          .virsh('undefine', uuid, '--managed-save', '--snapshots-metadata', '--nvram')
          .catch(() => undefined);
      });
      return uuid;
    }
    throw new Error(`${plain} is not there`);
  };

  it('lists state, sizes, system and snapshots', async () => {
    const path = join(libvirtd().folder, 'listed.qcow2');
    await image(path, 3);
    const disks = [{ dev: 'vda', path, format: 'qcow2' }];
    const metadata = `<metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/></libosinfo:libosinfo></metadata></domain>`;
    const uuid = await defined(smallDomain('one', disks).replace('</domain>', metadata));
    await libvirtd().virsh('snapshot-create-as', uuid, 'first  one', 'why');
    await libvirtd().virsh('snapshot-create-as', uuid, 'second');
    const session = await sessionWith(libvirtd());
    const [machine, ...more] = await listed(session);
    expect(more).toEqual([]);
    expect(machine).toMatchObject({
      id: uuid,
      name: 'one',
      state: 'off',
      system: { name: 'Debian GNU/Linux 12', family: 'linux', version: '12', architecture: 'x86_64' },
      processors: { count: 1 },
      memoryBytes: 32 * MiB,
      firmware: { kind: 'bios' },
      chipset: 'i440fx',
      disks: [
        {
          id: 'vda',
          name: 'listed.qcow2',
          format: 'qcow2',
          bus: 'virtio',
          virtualSizeBytes: 8 * MiB,
          bootable: true,
          files: [path],
        },
      ],
      snapshots: [{ name: 'first  one' }, { name: 'second', current: true }],
    });
    expect(machine!.disks[0]!.allocatedSizeBytes).toBeGreaterThan(MiB);
    expect(machine!.snapshots![0]!.createdAt).toBeGreaterThan(1.7e9);
    await libvirtd().virsh('start', uuid);
    expect((await session.source!.inspect('one', signal)).state).toBe('running');
    await libvirtd().virsh('suspend', uuid);
    expect((await session.source!.inspect(uuid, signal)).state).toBe('suspended');
    await libvirtd().virsh('managedsave', uuid);
    const saved = await session.source!.inspect(uuid, signal);
    expect(saved.state).toBe('suspended');
    expect(saved.findings.map((f) => f.rule)).toContain('libvirt.saved-memory');
  });

  it('reads files, volumes and chains across folders', async () => {
    const { folder, virsh } = libvirtd();
    await mkdir(join(folder, 'pool'));
    await mkdir(join(folder, 'elsewhere'));
    await virsh('pool-create-as', 'p', 'dir', '--target', join(folder, 'pool'));
    onTestFinished(() => void virsh('pool-destroy', 'p'));
    await image(join(folder, 'elsewhere', 'base.qcow2'), 4);
    await qemuIo('qcow2', join(folder, 'elsewhere', 'base.qcow2'), 'write -P 5 4M 1M');
    await image(join(folder, 'pool', 'top.qcow2'), 6, '-b', '../elsewhere/base.qcow2', '-F', 'qcow2');
    await virsh('pool-refresh', 'p');
    const raw = join(folder, 'with a qcow2 inside.raw');
    await qemuImg('create', '-q', '-f', 'qcow2', raw, '1M');
    const uuid = await defined(
      smallDomain('disks', [
        { dev: 'vda', path: 'p/top.qcow2', format: 'qcow2', type: 'volume' },
        { dev: 'sda', path: raw, format: 'raw', bus: 'sata' },
      ]),
    );
    const session = await sessionWith(libvirtd());
    for (const start of [false, true]) {
      if (start) await virsh('start', uuid);
      const machine = await session.source!.inspect(uuid, signal);
      expect(machine.findings).toEqual([]);
      const opened = await session.source!.open(machine, 'vda', signal);
      expect(await guestBytes(opened, MiB, 4)).toEqual(Buffer.alloc(4, 6));
      const again = await session.source!.open(machine, 'vda', signal);
      expect(await guestBytes(again, 4 * MiB, 4)).toEqual(Buffer.alloc(4, 5));
      // What the guest wrote into a raw disk is no format of ours.
      const plain = await session.source!.open(machine, 'sda', signal);
      expect(plain.format).toBe('raw');
      expect((await guestBytes(plain, 0, 3)).toString()).toBe('QFI');
    }
    await expect(
      session.source!.open(await session.source!.inspect(uuid, signal), 'vdz', signal),
    ).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('refuses what is not on the host, and says what it is', async () => {
    const rbd = `<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='rbd' name='pool/img'>
      <host name='mon' port='6789'/></source><target dev='vda' bus='virtio'/></disk>`;
    const uuid = await defined(smallDomain('far', [], rbd));
    const session = await sessionWith(libvirtd());
    const machine = await session.source!.inspect(uuid, signal);
    expect(machine.findings).toMatchObject([
      { rule: 'libvirt.disk-elsewhere', evidence: 'vda: rbd pool/img' },
    ]);
    await expect(session.source!.open(machine, 'vda', signal)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('rbd pool/img'),
    });
  });

  it('knows machines and files with odd names', async () => {
    const session = await sessionWith(libvirtd());
    const names = [
      "it's",
      '-all',
      '$(touch owned)',
      '`id`; reboot',
      'two  words',
      '"quoted"',
      '<x>&amp;',
      'ünï ☃',
      '3',
      'a;echo b',
    ];
    // A line break is left out: libvirt writes it unescaped into its own XML, and loses it at its next start.
    for (const [index, name] of names.entries()) {
      const path = join(libvirtd().folder, `${name},x.qcow2`);
      await image(path, index + 1);
      const uuid = await defined(smallDomain(name, [{ dev: 'vda', path, format: 'qcow2' }]));
      const machine = await session.source!.inspect(name, signal);
      expect(machine).toMatchObject({
        id: uuid,
        name,
        disks: [{ files: [path], virtualSizeBytes: 8 * MiB }],
      });
      const opened = await session.source!.open(machine, 'vda', signal);
      expect(await guestBytes(opened, MiB, 2)).toEqual(Buffer.alloc(2, index + 1));
    }
    expect((await listed(session)).map((m) => m.name).sort()).toEqual([...names].sort());
  });

  it('understands what libvirt makes of the golden machines', async () => {
    const session = await sessionWith(libvirtd());
    for (const name of ['q35-uefi', 'i440fx-old', 'bound']) {
      const text = await readFile(join(import.meta.dirname, 'fixtures', `${name}.xml`), 'utf8');
      // A TPM is taken only where swtpm is installed.
      const xml = text.replace(/<tpm[\s\S]*<\/tpm>/, '');
      const { machine: golden } = readDomain(Buffer.from(xml), name);
      const uuid = await defined(xml);
      const machine = await session.source!.inspect(uuid, signal);
      expect(machine).toMatchObject({
        ...golden,
        disks: golden.disks.map(({ name: _, ...disk }) => disk),
        nics: golden.nics,
        findings: expect.arrayContaining([...golden.findings]),
        devices: golden.devices,
      });
    }
  });

  const conformance = async () => {
    const path = join(libvirtd().folder, `conformance-${Math.random()}.raw`);
    await writeFile(path, Buffer.alloc(MiB, 1));
    await defined(smallDomain('conformance', [{ dev: 'vda', path, format: 'raw' }]));
  };
  testSource(
    'libvirt',
    async () => {
      await conformance();
      return sessionWith(libvirtd());
    },
    {
      async again() {
        await conformance();
        return { connect: () => sessionWith(libvirtd()) };
      },
      noHost: () => sessionWith({ ...libvirtd(), uri: 'qemu:///system?socket=/nonexistent/libvirt-sock' }),
      async breakable() {
        const server = await startLibvirtd();
        const path = join(server.folder, 'disk.raw');
        await writeFile(path, Buffer.alloc(MiB, 1));
        await server.define(smallDomain('breakable', [{ dev: 'vda', path, format: 'raw' }]));
        const session = await sessionWith(server);
        return { session, break: () => server.stop(), breaks: 'opening' };
      },
    },
  );
});

import { execFile } from 'node:child_process';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { libvirtOn } from '../../../src/env-plugins/libvirt/connect.ts';
import { destinationRole } from '../../../src/env-plugins/libvirt/destination.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { rawContent } from '../../conformance/images.ts';
import { compareImages } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, startLibvirtd, useLibvirtd } from '../../servers/libvirtd.ts';
import { tempFolder } from '../../temp.ts';
import { plainUserHost, type TestPool, testPool, unescaped } from './destination-pool.ts';
import { convertInto, machineOf, requestOf, signal } from './destination-run.ts';

const run = promisify(execFile);

/** What libvirt lets a machine be called. */
const oddName = `it's "a" <b> & $(reboot); ü 日本 %s`;

describeWith([...libvirtdTools, 'virt-xml-validate', 'setpriv'], 'a machine delivered to libvirt', () => {
  const libvirtd = useLibvirtd();

  const rawDisk = async (content: Parameters<typeof rawContent>[0] = 'scrambled') => {
    const path = join(await tempFolder(), 'source.raw');
    await writeFile(path, rawContent(content));
    return path;
  };
  const xmlOf = async (uuid: string) => {
    const xml = await libvirtd().virsh('dumpxml', uuid);
    const file = join(await tempFolder(), 'domain.xml');
    await writeFile(file, xml);
    await run('virt-xml-validate', [file, 'domain']);
    return xml;
  };
  const onlyUuid = async () => (await libvirtd().virsh('list', '--all', '--uuid')).trim();
  const check = (
    pool: TestPool,
    ...more: Parameters<typeof requestOf> extends [unknown, ...infer R] ? R : never
  ) => pool.session.destination!.check(requestOf(pool, ...more), ['a.qcow2'], 1000);
  const rules = async (...args: Parameters<typeof check>) =>
    (await check(...args)).map((f) => `${f.severity} ${f.rule}`);

  for (const [how, host] of [
    ['directly', undefined],
    ['through libvirt', plainUserHost],
  ] as const) {
    for (const [format, content] of [
      ['qcow2', 'scrambled'],
      ['qcow2', 'sparse'],
      ['raw', 'scrambled'],
      ['raw', 'sparse'],
      ['raw', 'empty'],
    ] as const) {
      it(`has every byte of its disk: ${format}, ${content}, written ${how}`, async () => {
        const pool = await testPool(libvirtd(), host === undefined ? {} : { host: host() });
        const disk = await rawDisk(content);
        const { places } = await convertInto(pool, disk, 'm', { format });
        const path = join(pool.folder, `m.${format}`);
        expect(places).toEqual([`${libvirtd().uri} domain m`, path]);
        await compareImages(disk, 'raw', path, format);
        if (format === 'qcow2') await run('qemu-img', ['check', path]);
        expect(await pool.names()).toEqual([`m.${format}`]);
        expect(await libvirtd().virsh('vol-dumpxml', `--pool=${pool.name}`, `--vol=m.${format}`)).toContain(
          `<format type='${format}'/>`,
        );
        const xml = await xmlOf(await onlyUuid());
        expect(unescaped(xml)).toContain(`<source file='${path}'/>`);
        expect(xml).toContain(`<driver name='qemu' type='${format}'`);
      });
    }
  }

  it('is defined as it was: processors, memory, network, identity, also with an odd name', async () => {
    const pool = await testPool(libvirtd());
    const uuid = '2f3c7a9e-5b1d-4c6e-8f70-9a1b2c3d4e5f';
    await convertInto(pool, await rawDisk(), oddName, {
      machine: {
        uuid: uuid.toUpperCase(),
        description: `two\nlines & </domain>"'`,
        processors: { count: 6, coresPerSocket: 3 },
        memoryBytes: 768 * 2 ** 20,
        firmware: { kind: 'bios' },
        nics: [
          { mac: '52:54:00:AA:BB:01', network: 'user', model: 'vmxnet3', connected: true },
          { mac: '52:54:00:aa:bb:02', network: 'user', model: 'virtio', connected: false },
        ],
        devices: { clock: 'localtime', cdroms: [{ bus: 'ide' }], video: 'virtio' },
      },
    });
    expect(await pool.domains()).toEqual([oddName]);
    expect(await onlyUuid()).toBe(uuid);
    const xml = await xmlOf(uuid);
    expect(unescaped(/<description>([\s\S]*)<\/description>/.exec(xml)![1]!)).toBe(
      `two\nlines & </domain>"'`,
    );
    expect(xml).toContain("<memory unit='KiB'>786432</memory>");
    expect(xml).toMatch(/<topology sockets='2' dies='1' (clusters='1' )?cores='3' threads='1'\/>/);
    expect(xml).toMatch(/<mac address='52:54:00:aa:bb:01'\/>\s*<model type='vmxnet3'\/>/);
    expect(xml).toMatch(
      /<mac address='52:54:00:aa:bb:02'\/>\s*<model type='virtio'\/>\s*<link state='down'\/>/,
    );
    expect(xml).toContain("<clock offset='localtime'>");
    expect(xml).toContain("device='cdrom'");
    expect(xml).toContain("<listen type='address' address='127.0.0.1'/>");
    expect(xml).toContain('org.qemu.guest_agent.0');
    expect(xml).toContain("<boot order='1'/>");
  });

  it('gets a new identity where its own is taken, and new MAC addresses where that is wished', async () => {
    const pool = await testPool(libvirtd());
    const uuid = '2f3c7a9e-5b1d-4c6e-8f70-9a1b2c3d4e5f';
    const nics = [{ mac: '52:54:00:aa:bb:01', network: 'user', model: 'e1000' }];
    await convertInto(pool, await rawDisk(), 'one', { machine: { uuid, nics } });
    await convertInto(pool, await rawDisk(), 'two', { machine: { uuid, nics }, settings: { keepMac: 'no' } });
    expect(await pool.domains()).toEqual(['one', 'two']);
    expect(await libvirtd().virsh('domuuid', 'one')).toContain(uuid);
    expect(await libvirtd().virsh('dumpxml', 'two')).not.toMatch(/aa:bb:01|2f3c7a9e/);
  });

  it('keeps its bus and controller where QEMU has them, and says so where not', async () => {
    const pool = await testPool(libvirtd());
    const disk = (bus: 'scsi' | 'ide' | 'virtio' | 'nvme', controllerModel?: string) => ({
      id: bus,
      name: `${bus}.raw`,
      files: [],
      bus,
      ...(controllerModel === undefined ? {} : { controllerModel }),
    });
    const machine = machineOf('m', {
      disks: [disk('scsi', 'pvscsi'), disk('scsi', 'lsilogic'), disk('virtio'), disk('nvme'), disk('ide')],
    });
    const delivery = await pool.session.destination!.begin(requestOf(pool, machine));
    for (const name of ['a.raw', 'b.raw', 'c.raw', 'd.raw', 'e.raw']) {
      const sink = await delivery.sink({ name, size: 512 });
      await sink.finish(512);
    }
    await delivery.commit();
    const xml = await xmlOf(await onlyUuid());
    const places = [...xml.matchAll(/\/(\w)\.raw'[\s\S]*?<target dev='(\w+)' bus='(\w+)'\/>/g)];
    expect(places.map(([, ...place]) => place.join(' ')).sort()).toEqual([
      'a sda scsi',
      'b sdb sata',
      'c vda virtio',
      'd sdc sata',
      'e hda ide',
    ]);
    expect(xml).toContain("<controller type='scsi' index='0' model='vmpvscsi'>");
    const findings = await pool.session.destination!.check(
      requestOf(pool, { ...machine, name: 'n' }),
      ['1.raw', '2.raw', '3.raw', '4.raw', '5.raw'],
      1,
    );
    expect(findings.map((f) => [f.rule, f.evidence])).toEqual([
      ['disk.bus-changed', 'scsi.raw'],
      ['disk.bus-changed', 'nvme.raw'],
    ]);
  });

  for (const [how, host] of [
    ['directly', undefined],
    ['through libvirt', plainUserHost],
  ] as const) {
    it(`leaves nothing when it is cancelled in the middle, written ${how}`, async () => {
      const pool = await testPool(libvirtd(), host === undefined ? {} : { host: host() });
      const cancel = new AbortController();
      const converted = convertInto(pool, await rawDisk('full'), 'm', {
        format: 'raw',
        signal: cancel.signal,
        on: (event) =>
          event.type === 'step' && event.text.startsWith('writing') && setTimeout(() => cancel.abort(), 30),
      });
      await expect(converted).rejects.toMatchObject({ kind: 'cancelled' });
      expect(await pool.names()).toEqual([]);
      expect(await pool.domains()).toEqual([]);
      expect(await libvirtd().virsh('vol-list', `--pool=${pool.name}`)).toBe('');
    });

    it(`leaves nothing when libvirt refuses the machine, written ${how}`, async () => {
      const pool = await testPool(libvirtd(), host === undefined ? {} : { host: host() });
      const delivery = await pool.session.destination!.begin(requestOf(pool, machineOf('m')));
      const sink = await delivery.sink({ name: 'm.raw', size: 4 });
      await sink.write(Buffer.from('data'), 0);
      await sink.finish(4);
      // Somebody else was faster.
      await libvirtd().define(
        `<domain type='qemu'><name>m</name><memory>1024</memory><os><type>hvm</type></os></domain>`,
      );
      await expect(delivery.commit()).rejects.toMatchObject({ kind: 'conflict' });
      await delivery.rollback();
      expect(await pool.names()).toEqual([]);
    });
  }

  it('leaves nothing when it is cancelled while libvirt makes the volume', async () => {
    const cancel = new AbortController();
    const plain = plainUserHost();
    const host: Host = {
      ...plain,
      run(args, options) {
        const result = plain.run(args, options);
        if (args.includes('vol-create')) cancel.abort();
        return result;
      },
    };
    const pool = await testPool(libvirtd(), { host });
    const converted = convertInto(pool, await rawDisk(), 'm', { signal: cancel.signal });
    await expect(converted).rejects.toMatchObject({ kind: 'cancelled' });
    expect(cancel.signal.aborted).toBe(true);
    expect(await pool.names()).toEqual([]);
  });

  it('does not take the place of another one, unless it is forced and that one is off', async () => {
    const pool = await testPool(libvirtd());
    await convertInto(pool, await rawDisk(), 'm');
    const first = await onlyUuid();
    await expect(convertInto(pool, await rawDisk('sparse'), 'm')).rejects.toMatchObject({ kind: 'blocked' });
    expect(await rules(pool, machineOf('m'))).toContain('blocker domain.exists');

    const disk = await rawDisk('sparse');
    await convertInto(pool, disk, 'm', { force: true });
    await compareImages(disk, 'raw', join(pool.folder, 'm.qcow2'), 'qcow2');
    expect(await pool.names()).toEqual(['m.qcow2']);
    expect(await pool.domains()).toEqual(['m']);
    expect(await onlyUuid()).not.toBe(first);

    await libvirtd().virsh('start', 'm');
    expect(await rules(pool, machineOf('m'), { force: true })).toContain('blocker domain.not-replaceable');
    await expect(convertInto(pool, disk, 'm', { force: true })).rejects.toMatchObject({ kind: 'blocked' });
  });

  it('puts everything back when a machine could not be replaced', async () => {
    const pool = await testPool(libvirtd());
    const disk = await rawDisk();
    await convertInto(pool, disk, 'm');
    const before = await libvirtd().virsh('dumpxml', await onlyUuid());
    // What `check` would have told beforehand.
    const machine = machineOf('m', { processors: { count: 100_000 } });
    const delivery = await pool.session.destination!.begin(requestOf(pool, machine, { force: true }));
    const sink = await delivery.sink({ name: 'm.qcow2' });
    await sink.write(Buffer.from('junk'), 0);
    await sink.finish(4);
    await expect(delivery.commit()).rejects.toMatchObject({ message: expect.stringContaining('libvirt') });
    await delivery.rollback();
    expect(await libvirtd().virsh('dumpxml', await onlyUuid())).toBe(before);
    await compareImages(disk, 'raw', join(pool.folder, 'm.qcow2'), 'qcow2');
    expect(await pool.names()).toEqual(['m.qcow2']);
  });

  it("does not replace another machine's disk", async () => {
    const pool = await testPool(libvirtd());
    await convertInto(pool, await rawDisk(), 'a');
    const findings = await check(pool, machineOf('b'), { force: true });
    expect(findings.find((f) => f.rule === 'volume.in-use')?.message).toContain('belongs to the machine "a"');
  });

  it('tells beforehand what is missing', async () => {
    const pool = await testPool(libvirtd());
    const at = (settings: Record<string, string>) => ({ settings: { ...pool.settings, ...settings } });
    const nics = [{ network: 'VM Network', model: 'mystery' }];
    expect(await rules(pool, machineOf('m'))).toEqual([]);
    expect(await rules(pool, machineOf('m'), at({ pool: 'none' }))).toEqual(['blocker pool.not-found']);
    expect(await rules(pool, machineOf('m', { nics }))).toEqual([
      'warning nic.model-changed',
      'warning network.changed',
    ]);
    expect(await rules(pool, machineOf('m', { nics }), at({ network: 'none' }))).toContain(
      'blocker network.not-found',
    );
    expect(await rules(pool, machineOf(' '))).toEqual(['blocker domain.name-impossible']);
    expect(await rules(pool, machineOf('a/b'))).toEqual(['blocker domain.name-impossible']);
    const sparc = { name: 'x', family: 'other', architecture: 'sparc64' } as const;
    expect(await rules(pool, machineOf('m', { system: sparc }))).toEqual(['blocker machine.unsupported']);
    const tpm = machineOf('m', { devices: { tpm: { version: '2.0' } } });
    expect((await rules(pool, tpm))[0]).toMatch(/^warning tpm\./);
    await libvirtd().virsh('pool-destroy', `--pool=${pool.name}`);
    expect(await rules(pool, machineOf('m'))).toEqual(['blocker pool.not-found']);
    await libvirtd().virsh('pool-start', `--pool=${pool.name}`);
    const files = await pool.session.destination!.check(
      requestOf(pool, machineOf('m')),
      ['m.vmdk', 'm.raw.gz'],
      2 ** 50,
    );
    expect(files.map((f) => f.rule)).toEqual([
      'volume.name-impossible',
      'volume.name-impossible',
      'pool.no-space',
    ]);
  });

  it('gets firmware with Secure Boot and its keys where it had them', async () => {
    const pool = await testPool(libvirtd());
    const machine = { firmware: { kind: 'uefi', secureBoot: true }, chipset: 'q35' } as const;
    await convertInto(pool, await rawDisk(), 'm', { machine });
    const xml = await xmlOf(await onlyUuid());
    expect(xml).toContain("<feature enabled='yes' name='secure-boot'/>");
    expect(xml).toContain("<smm state='on'/>");
    // libvirt itself found a build of the firmware for it.
    await libvirtd().virsh('start', 'm');
    expect(await libvirtd().virsh('dumpxml', 'm')).toMatch(/secure='yes'[^>]*>[^<]*(ms|secboot)[^<]*\.fd</);
  });

  it('offers what there is', async () => {
    const pool = await testPool(libvirtd());
    const fields = await pool.session.destination!.fields!(signal);
    const field = fields.find(({ key }) => key === 'pool')!;
    expect(field.choices).toContain(pool.name);
    expect(field.help).toMatch(/\d GiB free/);
    expect(await pool.session.destination!.networks!(signal)).toContain('user');
  });

  it('does not read what lies in the disk to know its format', async () => {
    const pool = await testPool(libvirtd());
    const disk = join(await tempFolder(), 'evil.raw');
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/passwd', disk, '1M']);
    const local = machineOf('m');
    const delivery = await pool.session.destination!.begin(requestOf(pool, local));
    const bytes = rawContent('tiny');
    const sink = await delivery.sink({ name: 'm.raw', size: bytes.length });
    await sink.write(bytes, 0);
    await sink.finish(bytes.length);
    await delivery.commit();
    expect(await libvirtd().virsh('dumpxml', 'm')).toContain("type='raw'");
    expect(await readdir(pool.folder)).toEqual(['m.raw']);
  });
});

describeWith([...libvirtdTools, 'setpriv'], 'a libvirt that goes away in the middle', () => {
  for (const [how, host] of [
    ['directly', localHost],
    ['through libvirt', plainUserHost],
  ] as const) {
    it(`is an error, and a rollback takes back what it can: written ${how}`, async () => {
      const libvirtd = await startLibvirtd();
      onTestFinished(() => libvirtd.stop());
      const folder = await tempFolder();
      await chmod(folder, 0o755);
      await libvirtd.virsh('pool-define-as', '--name=p', '--type=dir', `--target=${folder}`);
      await libvirtd.virsh('pool-start', 'p');
      const destination = destinationRole(libvirtOn(host(), libvirtd.uri));
      const request = requestOf({ settings: { pool: 'p', acceleration: 'none' } }, machineOf('m'));
      const delivery = await destination.begin(request);
      const sink = await delivery.sink({ name: 'm.raw', size: 4 });
      await sink.write(Buffer.from('data'), 0);
      await sink.finish(4);
      await libvirtd.stop();
      await expect(delivery.commit()).rejects.toMatchObject({ kind: 'unreachable' });
      await delivery.rollback();
      // Without libvirt only what this user can reach is removed.
      expect(await readdir(folder)).toEqual(how === 'directly' ? [] : ['m.raw']);
      await expect(destination.check(request, ['m.raw'], 4)).rejects.toMatchObject({ kind: 'unreachable' });
    });
  }
});

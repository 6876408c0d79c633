/** Exported folders as a source: several kinds of settings, chains, checkpoints, and folders that are not understood. */
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { vhdxCodec } from '../../../../src/codecs/vhdx/index.ts';
import { formatGuid } from '../../../../src/codecs/vhdx/layout.ts';
import { machineWanted } from '../../../../src/convert/find-machine.ts';
import { hypervPlugin } from '../../../../src/env-plugins/hyperv/index.ts';
import type { Session } from '../../../../src/env-plugins/plugin.ts';
import { memorySource } from '../../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../../src/io/disk.ts';
import type { Machine } from '../../../../src/model/machine.ts';
import { childFile, dataWriteGuidOf } from '../../../codecs/vhdx-images.ts';
import { encodeToFile } from '../../../conformance/images.ts';
import { randomBytes } from '../../../conformance/random.ts';
import { noSecrets, testSource } from '../../../conformance/test-plugin.ts';
import { tempFolder } from '../../../temp.ts';
import { bytesOf, listed, MiB, never } from '../host.ts';
import { exportFolder, generation2, secondId, someDisk, webId } from './export-folder.ts';

async function connect(folders = ''): Promise<Session> {
  const session = await hypervPlugin({ certificates: '/nonexistent' }).connect({ folders }, noSecrets());
  onTestFinished(() => session.close());
  return session;
}

const rules = (machine: Machine) => machine.findings.map(({ rule }) => rule);
const settingsPath = `Virtual Machines/${webId}.vmcx`;

/** A disk, and one on it in which the second MiB is another. */
async function chain() {
  const below = randomBytes(3 * MiB, 1);
  const file = join(await tempFolder(), 'base.vhdx');
  await encodeToFile(vhdxCodec, sourceDisk(memorySource(below)), file, { blockSize: MiB });
  const base = await readFile(file);
  const bytes = randomBytes(MiB, 2);
  const child = childFile({
    ...{ size: below.length, blockSize: MiB, sectorSize: 512 },
    blocks: new Map([[1, { state: 'fullyPresent', bytes }]]),
    locator: {
      parent_linkage: `{${formatGuid(dataWriteGuidOf(base))}}`,
      relative_path: '..\\..\\shop\\disks\\Web.vhdx',
      absolute_win32_path: '\\\\?\\D:\\shop\\disks\\Web.vhdx',
    },
  });
  const above = Buffer.from(below);
  bytes.copy(above, MiB);
  return { base, child, below, above };
}

async function webExport(root: string) {
  const { base, child, below, above } = await chain();
  const folder = await exportFolder(root, 'shop', {
    [settingsPath]: generation2(['D:\\shop\\disks\\Web_A1.avhdx'], { notes: 'the shop' }),
    [`Snapshots/${secondId}.vmcx`]: generation2(['D:\\shop\\disks\\Web.vhdx'], { name: 'before' }),
    'Virtual Hard Disks/web.VHDX': base,
    'Virtual Hard Disks/Web_A1.avhdx': child,
  });
  return { folder, below, above, settings: join(folder, settingsPath) };
}

describe('an export of Hyper-V 2016 and later', () => {
  it('is a machine with its hardware, its disks found where they lie now', async () => {
    const root = await tempFolder();
    const { folder, settings, above } = await webExport(root);
    const session = await connect(root);
    const [machine, ...more] = await listed(session);
    expect(more).toEqual([]);
    expect(machine).toMatchObject({
      id: settings,
      name: 'web',
      state: 'off',
      processors: { count: 4 },
      memoryBytes: 2048 * MiB,
      firmware: { kind: 'uefi', secureBoot: true },
      disks: [
        {
          ...{ id: 'scsi0:0', name: 'Web_A1.avhdx', format: 'vhdx', bus: 'scsi', bootable: true },
          files: [join(folder, 'Virtual Hard Disks/Web_A1.avhdx')],
        },
      ],
      nics: [{ mac: '00:15:5d:01:07:dc', network: 'LAN "1"', model: 'netvsc', connected: true }],
      devices: {
        ...{ tpm: { version: '2.0' }, cdroms: [{ bus: 'scsi' }] },
        bound: ['PCI PCIP\\VEN_10DE&DEV_1EB8'],
      },
      uuid: '7ffee066-9755-4950-9a16-4c94ac67ad00',
      packaging: 'Hyper-V generation 2, exported',
      place: folder,
      description: 'the shop',
    });
    expect(rules(machine!)).toEqual(['hyperv.checkpoints-stay', 'hyperv.dynamic-memory', 'hyperv.tpm-left']);
    const disk = await session.source!.open(machine!, 'scsi0:0', never);
    expect((await bytesOf(disk)).equals(above)).toBe(true);
  });

  it('is found by its folder, its settings, or the folder of these', async () => {
    const { folder, settings } = await webExport(await tempFolder());
    const { source } = await connect();
    for (const id of [folder, settings, dirname(settings)])
      expect((await source!.inspect(id, never)).id).toBe(settings);
    await expect(source!.inspect(join(folder, 'gone'), never)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(source!.inspect(join(folder, 'Virtual Hard Disks/web.VHDX'), never)).rejects.toMatchObject({
      kind: 'unsupported',
    });
    await expect(source!.list({ signal: never, found: () => undefined })).rejects.toMatchObject({
      kind: 'usage',
      hint: expect.stringMatching(/folders=/),
    });
  });

  it('has checkpoints that are machines of their own', async () => {
    const { folder, settings, below } = await webExport(await tempFolder());
    const session = await connect();
    const machine = await session.source!.inspect(folder, never);
    expect(machine.snapshots).toEqual([
      { name: 'before', createdAt: 1_700_000_000, machine: `${settings}#before` },
    ]);
    const opening = { follow: false, snapshot: 'before' };
    const then = (await machineWanted(session.source!, folder, opening, never)).machine;
    expect(then).toMatchObject({ id: `${settings}#before`, name: 'web (before)' });
    const disk = await session.source!.open(then, 'scsi0:0', never);
    expect((await bytesOf(disk)).equals(below)).toBe(true);
    await expect(session.source!.inspect(`${settings}#after`, never)).rejects.toMatchObject({
      kind: 'not-found',
      hint: expect.stringMatching(/before \(/),
    });
  });

  it('several in one folder; what is missing, saved or not closed is told', async () => {
    const root = await tempFolder();
    const folder = await exportFolder(root, 'all', {
      [settingsPath]: generation2(['C:\\gone.vhdx', 'C:\\here.vhdx']),
      [`Virtual Machines/${webId}.VMRS`]: Buffer.alloc(17 * MiB),
      [`Virtual Machines/${secondId}.vmcx`]: generation2([], { name: 'other' }),
      'Virtual Hard Disks/here.vhdx': someDisk,
    });
    const session = await connect(root);
    const machines = await listed(session);
    expect(machines.map(({ name }) => name)).toEqual(['web', 'other']);
    expect(rules(machines[0]!)).toEqual(
      expect.arrayContaining(['hyperv.saved-memory', 'hyperv.disk-missing']),
    );
    expect(rules(machines[1]!)).not.toContain('hyperv.saved-memory');
    const [gone] = machines[0]!.disks;
    expect(gone).toMatchObject({ files: [join(folder, 'Virtual Hard Disks/gone.vhdx')] });
    await expect(session.source!.open(machines[0]!, 'scsi0:0', never)).rejects.toMatchObject({
      kind: 'not-found',
    });
    await expect(session.source!.inspect(folder, never)).rejects.toMatchObject({ kind: 'unsupported' });
  });
});

const tag = (name: string, type: string, value: string | number) =>
  `<${name} type="${type}">${value}</${name}>`;
const xml2012 = `<?xml version="1.0" encoding="UTF-16" standalone="yes"?><configuration>
<_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
<controller0><drive0>${tag('pathname', 'string', 'C:\\VMs\\alt.vhd')}${tag('type', 'string', 'VHD')}</drive0>
<drive1>${tag('pathname', 'string', '')}${tag('type', 'string', 'NONE')}</drive1></controller0>
<controller1><drive0>${tag('pathname', 'string', 'C:\\iso\\tools.iso')}${tag('type', 'string', 'ISO')}</drive0>
<drive1>${tag('pathname', 'string', 'PHYSICALDRIVE2')}${tag('type', 'string', 'PHYSICAL')}</drive1></controller1>
</_83f8638b-8dca-4152-9eda-2ca8b33039b4_>
<_55225880-49c0-4438-9ce2-5a01402fd8cb_>${tag('MacAddress', 'string', '00155D010203')}${tag('IsConnected', 'bool', 'False')}
</_55225880-49c0-4438-9ce2-5a01402fd8cb_>
<manifest><vdev001>${tag('device', 'string', '00000000-0000-0000-0000-00000000001e')}
${tag('instance', 'string', '55225880-49C0-4438-9CE2-5A01402FD8CB')}</vdev001></manifest>
<properties>${tag('name', 'string', 'alt &amp; gut')}${tag('version', 'integer', 772)}</properties>
<settings><memory><bank>${tag('size', 'integer', 512)}</bank></memory>
<processors>${tag('count', 'integer', 2)}</processors></settings></configuration>`;

describe('an export of before 2016', () => {
  it('XML in UTF-16: generation 1 with IDE, a legacy adapter, a disk that is passed through', async () => {
    const root = await tempFolder();
    const text = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(xml2012, 'utf16le')]);
    const folder = await exportFolder(root, 'alt', {
      [`Virtual Machines/${webId}.xml`]: text,
      'Virtual Hard Disks/alt.vhd': someDisk,
    });
    const [machine] = await listed(await connect(root));
    expect(machine).toMatchObject({
      name: 'alt & gut',
      processors: { count: 2 },
      memoryBytes: 512 * MiB,
      firmware: { kind: 'bios' },
      disks: [
        { id: 'ide0:0', format: 'vhd', files: [join(folder, 'Virtual Hard Disks/alt.vhd')] },
        { id: 'ide1:1', files: [] },
      ],
      nics: [{ mac: '00:15:5d:01:02:03', model: 'tulip', connected: false }],
      devices: { cdroms: [{ bus: 'ide', media: 'C:\\iso\\tools.iso' }] },
    });
    expect(rules(machine!)).toEqual(['hyperv.disk-physical']);
  });

  it('what is not understood: the disks are found, the hardware is guessed', async () => {
    const root = await tempFolder();
    const folder = await exportFolder(root, 'old', {
      [`Virtual Machines/${webId}.exp`]: '<DECLARATIONS/>',
      'Virtual Hard Disks/old.vhd': someDisk,
      [`Snapshots/${secondId}/old_${webId}.avhd`]: someDisk,
      [`Snapshots/${secondId}/old_${secondId}.avhd`]: someDisk,
    });
    const newest = join(folder, `Snapshots/${secondId}/old_${webId}.avhd`);
    await utimes(join(folder, `Snapshots/${secondId}/old_${secondId}.avhd`), 1, 1);
    const bare = await exportFolder(root, 'bare', { 'Virtual Hard Disks/b.vhdx': someDisk });
    const broken = await exportFolder(root, 'broken', {
      [settingsPath]: someDisk,
      'Virtual Hard Disks/c.vhdx': someDisk,
    });
    const machines = await listed(await connect(root));
    const guessed = Object.fromEntries(machines.map((one) => [one.name, one]));
    expect(guessed).toMatchObject({
      old: { firmware: { kind: 'bios' }, disks: [{ id: 'disk0', format: 'vhd', files: [newest] }] },
      bare: { id: bare, disks: [{ format: 'vhdx', bootable: true }] },
      broken: { id: join(broken, settingsPath), nics: [] },
    });
    expect(rules(guessed.old!)).toEqual(['hyperv.hardware-guessed', 'hyperv.newest-difference']);
    expect(rules(guessed.bare!)).toEqual(['hyperv.hardware-guessed']);
    await writeFile(join(broken, settingsPath), '');
    expect((await listed(await connect(root))).length).toBe(3);
  });
});

testSource('hyperv exports', async () => {
  const root = await tempFolder();
  await webExport(root);
  return connect(root);
});

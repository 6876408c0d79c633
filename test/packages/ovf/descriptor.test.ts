import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Machine } from '../../../src/model/machine.ts';
import { parseDescriptor } from '../../../src/packages/ovf/descriptor.ts';
import type { OvfPackage } from '../../../src/packages/ovf/package.ts';
import { writeDescriptor } from '../../../src/packages/ovf/write-descriptor.ts';

const fixture = (name: string) => new URL(`../../fixtures/ovf/${name}`, import.meta.url);

/** The package with its disks as one line each and its findings as their rules. */
const summary = (read: OvfPackage) => ({
  version: read.version,
  files: read.files,
  disks: read.disks.map(
    (d) => `${d.diskId} ${d.capacityBytes ?? '-'} ${d.codec ?? '-'} ${d.file?.href ?? '-'}`,
  ),
  networks: read.networks,
  rules: read.findings.map((f) => f.rule),
  machines: read.machines.map(({ findings, ...rest }) => ({ ...rest, rules: findings.map((f) => f.rule) })),
});

describe("descriptors in the products' own style", () => {
  for (const name of ['vcenter', 'virtualbox', 'xenserver', 'ovirt']) {
    it(name, async () => {
      const read = parseDescriptor(await readFile(fixture(`${name}.ovf`)), `${name}.ovf`);
      expect(summary(read)).toEqual(JSON.parse(await readFile(fixture(`${name}.json`), 'utf8')));
    });
  }
});

const machine: Machine = {
  id: 'x',
  name: 'x',
  state: 'off',
  system: { name: 'Ubuntu 22.04 <LTS> & "more"', family: 'linux', architecture: 'x86_64' },
  processors: { count: 4, coresPerSocket: 2 },
  memoryBytes: 3 * 2 ** 30,
  firmware: { kind: 'uefi', secureBoot: true },
  disks: [
    { id: 'a', name: 'a', files: [], bus: 'scsi', controllerModel: 'pvscsi', controller: 1, unit: 3 },
    { id: 'b', name: 'b', files: [], bus: 'virtio' },
    { id: 'c', name: 'c', files: [], bus: 'ide', controller: 0, unit: 1 },
    { id: 'd', name: 'd', files: [], bus: 'nvme' },
  ],
  nics: [
    { mac: '00:16:3e:00:00:01', network: 'lan "1"', model: 'vmxnet3' },
    { model: 'virtio', connected: false },
  ],
  description: 'line one\nline <two>',
  findings: [],
};

describe('writeDescriptor', () => {
  it('is read back as the same machine', () => {
    const files = ['a', 'b', 'c', 'd'].map((id, i) => ({
      fileName: `disk ${id}.vmdk`,
      capacityBytes: 512 * (i + 1),
      machineDisk: id,
      sizeBytes: 100 + i,
    }));
    const text = writeDescriptor('x & y', machine, files);
    const read = parseDescriptor(Buffer.from(text), 'x.ovf');
    expect(read.findings).toEqual([]);
    expect(read.networks).toEqual(['lan "1"', 'VM Network']);
    const [found] = read.machines;
    expect(found).toMatchObject({
      id: 'x & y',
      name: 'x & y',
      system: { name: machine.system!.name, family: 'linux', architecture: 'x86_64' },
      processors: machine.processors,
      memoryBytes: machine.memoryBytes,
      firmware: machine.firmware,
      description: machine.description,
      findings: [],
    });
    expect(found!.nics).toEqual([
      { mac: '00:16:3e:00:00:01', network: 'lan "1"', model: 'vmxnet3', connected: true },
      { network: 'VM Network', model: 'e1000', connected: false },
    ]);
    expect(
      found!.disks.map((d) => [
        d.files[0],
        d.bus,
        d.controllerModel,
        d.controller,
        d.unit,
        d.virtualSizeBytes,
      ]),
    ).toEqual([
      ['disk a.vmdk', 'scsi', 'pvscsi', 1, 3, 512],
      ['disk b.vmdk', 'sata', 'ahci', 0, 0, 1024],
      ['disk c.vmdk', 'ide', undefined, 0, 1, 1536],
      ['disk d.vmdk', 'nvme', 'nvme', 0, 0, 2048],
    ]);
  });

  it('gives every disk a place of its own, however many there are', () => {
    const disks = Array.from({ length: 70 }, (_, i) => ({
      id: String(i),
      name: String(i),
      files: [],
      bus: (['ide', 'scsi', 'sata'] as const)[i % 3]!,
      controller: 0,
      unit: 0,
    }));
    const files = disks.map((d) => ({
      fileName: `${d.id}.vmdk`,
      capacityBytes: 512,
      machineDisk: d.id,
      sizeBytes: 1,
    }));
    const text = writeDescriptor('many', { ...machine, disks }, files);
    const [found] = parseDescriptor(Buffer.from(text), 'many.ovf').machines;
    const places = found!.disks.map((d) => `${d.bus} ${d.controller} ${d.unit}`);
    expect(new Set(places).size).toBe(70);
    expect(places.filter((p) => p.startsWith('scsi') && p.endsWith(' 7'))).toEqual([]);
  });

  it('lists the elements of an Item in alphabetical order', () => {
    const text = writeDescriptor('x', machine, []);
    for (const item of text.match(/<Item>[\s\S]*?<\/Item>/g)!) {
      const names = [...item.matchAll(/<rasd:(\w+)>/g)].map((m) => m[1]);
      expect(names).toEqual([...names].sort());
    }
  });
});

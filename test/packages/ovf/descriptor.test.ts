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

describe('other ways to say it', () => {
  const envelope = (version: 1 | 2, inner: string) =>
    parseDescriptor(
      Buffer.from(
        `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/${version}" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/${version}" xmlns:rasd="r" xmlns:sasd="s" xmlns:epasd="e">${inner}</Envelope>`,
      ),
      'x.ovf',
    );

  it('OVF 2.0: StorageItem and EthernetPortItem', () => {
    const read = envelope(
      2,
      `<References><File ovf:id="f" ovf:href="a.vmdk"/></References>
       <DiskSection><Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="4" ovf:capacityAllocationUnits="byte * 2^30"/></DiskSection>
       <VirtualSystem ovf:id="x"><VirtualHardwareSection>
         <Item><rasd:Address>0</rasd:Address><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceSubType>AHCI</rasd:ResourceSubType><rasd:ResourceType>20</rasd:ResourceType></Item>
         <StorageItem><sasd:AddressOnParent>2</sasd:AddressOnParent><sasd:HostResource>/disk/d</sasd:HostResource><sasd:InstanceID>4</sasd:InstanceID><sasd:Parent>3</sasd:Parent><sasd:ResourceType>17</sasd:ResourceType></StorageItem>
         <EthernetPortItem><epasd:Connection>NAT</epasd:Connection><epasd:InstanceID>5</epasd:InstanceID><epasd:ResourceSubType>virtio</epasd:ResourceSubType><epasd:ResourceType>10</epasd:ResourceType></EthernetPortItem>
       </VirtualHardwareSection></VirtualSystem>`,
    );
    expect(read.version).toBe('2.0');
    expect(read.machines[0]).toMatchObject({
      disks: [
        {
          id: 'd',
          bus: 'sata',
          controllerModel: 'ahci',
          controller: 0,
          unit: 2,
          virtualSizeBytes: 4 * 2 ** 30,
        },
      ],
      nics: [{ network: 'NAT', model: 'virtio' }],
    });
  });

  it('a disk that is only named by its file is one of the package', () => {
    const read = envelope(
      1,
      `<References><File ovf:id="f" ovf:href="a.img"/></References>
       <VirtualSystem ovf:id="x"><VirtualHardwareSection>
         <Item><rasd:HostResource>ovf:/file/f</rasd:HostResource><rasd:InstanceID>4</rasd:InstanceID><rasd:ResourceType>17</rasd:ResourceType></Item>
       </VirtualHardwareSection></VirtualSystem>`,
    );
    expect(read.disks.map((d) => [d.diskId, d.file?.href])).toEqual([['file:f', 'a.img']]);
    expect(read.machines[0]!.disks.map((d) => d.id)).toEqual(['file:f']);
  });

  it('the default configuration is taken, items of others left out', () => {
    const memory = (configuration: string, mebibytes: number) =>
      `<Item${configuration}><rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>${mebibytes}</rasd:VirtualQuantity></Item>`;
    const read = envelope(
      1,
      `<DeploymentOptionSection><Configuration ovf:id="small"/><Configuration ovf:id="big" ovf:default="true"/></DeploymentOptionSection>
       <VirtualSystem ovf:id="x"><VirtualHardwareSection>
         ${memory('', 512)}${memory(' ovf:configuration="small"', 256)}${memory(' ovf:configuration="big huge"', 4096)}
       </VirtualHardwareSection></VirtualSystem>`,
    );
    expect(read.machines[0]!.memoryBytes).toBe(4 * 2 ** 30);
    expect(read.findings.map((f) => f.rule)).toEqual(['ovf.configuration']);
  });

  it('an encrypted package is refused', () => {
    expect(() => envelope(2, '<EncryptionSection/><VirtualSystem ovf:id="x"/>')).toThrow(/encrypted/);
  });
});

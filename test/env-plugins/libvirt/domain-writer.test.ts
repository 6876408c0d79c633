import { describe, expect, it } from 'vitest';
import type { DomainDisk, DomainSpec } from '../../../src/env-plugins/libvirt/domain-spec.ts';
import { writeDomain } from '../../../src/env-plugins/libvirt/domain-writer.ts';
import { attribute, child, childrenOf, parseXml, textOf, type XmlElement } from '../../../src/io/xml.ts';

const spec = (rest: Partial<DomainSpec> = {}): DomainSpec => ({
  name: 'm',
  uuid: '2f3c7a9e-5b1d-4c6e-8f70-9a1b2c3d4e5f',
  type: 'kvm',
  architecture: 'x86_64',
  machine: 'pc-q35-7.2',
  emulator: '/usr/bin/qemu-system-x86_64',
  memoryBytes: 2 ** 30,
  processors: { sockets: 1, cores: 2, threads: 1 },
  firmware: { kind: 'bios' },
  clock: 'utc',
  windows: false,
  disks: [],
  nics: [],
  cdroms: [],
  vnc: true,
  rng: true,
  ...rest,
});
const disk = (bus: DomainDisk['bus'], controllerModel?: string): DomainDisk => ({
  path: '/d',
  kind: 'file',
  format: 'raw',
  bus,
  controllerModel,
});
const written = (rest: Partial<DomainSpec>): XmlElement =>
  parseXml(Buffer.from(writeDomain(spec(rest))), 'domain');
const devices = (root: XmlElement, name: string): XmlElement[] => childrenOf(child(root, 'devices')!, name);
const places = (root: XmlElement): string[] =>
  devices(root, 'disk').map((one) => {
    const target = attribute(child(one, 'target')!, 'dev');
    const address = child(one, 'address');
    const keys = ['controller', 'bus', 'target', 'unit'];
    return [target, ...(address === undefined ? [] : keys.map((key) => attribute(address, key)))].join(' ');
  });

const hostile = `it's "a" <b> & </name>]]> \n\t end`;

describe('a domain as XML', () => {
  it('holds every text as it is, whatever is in it', () => {
    const root = written({
      name: hostile,
      description: hostile,
      disks: [{ ...disk('sata'), path: hostile, serial: hostile }],
      nics: [{ target: { kind: 'network', name: hostile }, model: 'e1000', connected: true }],
      firmware: {
        kind: 'uefi',
        secureBoot: false,
        build: { code: hostile, template: hostile, smm: false },
        nvram: hostile,
      },
      emulator: hostile,
    });
    expect(child(root, 'name')!.text).toBe(hostile);
    expect(child(root, 'description')!.text).toBe(hostile);
    const [one] = devices(root, 'disk');
    expect(attribute(child(one!, 'source')!, 'file')).toBe(hostile);
    expect(child(one!, 'serial')!.text).toBe(hostile);
    expect(attribute(child(devices(root, 'interface')[0]!, 'source')!, 'network')).toBe(hostile);
    const os = child(root, 'os')!;
    expect(child(os, 'loader')!.text).toBe(hostile);
    expect(child(os, 'nvram')!.text).toBe(hostile);
    expect(devices(root, 'emulator')[0]!.text).toBe(hostile);
  });

  it('numbers drives of each bus: six to a SATA controller, two to an IDE cable', () => {
    const sata = written({ disks: Array.from({ length: 8 }, () => disk('sata')), cdroms: [{ bus: 'sata' }] });
    expect(places(sata)).toEqual([
      ...['sda 0 0 0 0', 'sdb 0 0 0 1', 'sdc 0 0 0 2', 'sdd 0 0 0 3', 'sde 0 0 0 4', 'sdf 0 0 0 5'],
      ...['sdg 1 0 0 0', 'sdh 1 0 0 1', 'sdi 1 0 0 2'],
    ]);
    const ide = written({ disks: [disk('ide'), disk('ide'), disk('ide')], cdroms: [{ bus: 'ide' }] });
    expect(places(ide)).toEqual(['hda 0 0 0 0', 'hdb 0 0 0 1', 'hdc 0 1 0 0', 'hdd 0 1 0 1']);
  });

  it('makes one SCSI controller of each model, and another where one is full', () => {
    const root = written({
      disks: [
        disk('scsi', 'virtio-scsi'),
        disk('scsi', 'vmpvscsi'),
        disk('scsi', 'virtio-scsi'),
        ...Array.from({ length: 8 }, () => disk('scsi', 'lsilogic')),
      ],
    });
    expect(
      devices(root, 'controller').map((c) => `${attribute(c, 'index')} ${attribute(c, 'model')}`),
    ).toEqual(['0 virtio-scsi', '1 vmpvscsi', '2 lsilogic', '3 lsilogic']);
    expect(places(root).slice(0, 4)).toEqual(['sda 0 0 0 0', 'sdb 1 0 0 0', 'sdc 0 0 1 0', 'sdd 2 0 0 0']);
    expect(places(root).slice(-2)).toEqual(['sdj 2 0 0 6', 'sdk 3 0 0 0']);
  });

  it('names more than 26 drives', () => {
    const root = written({ disks: Array.from({ length: 30 }, () => disk('virtio')) });
    expect(places(root).slice(24, 28)).toEqual(['vdy', 'vdz', 'vdaa', 'vdab']);
  });

  it('asks for the firmware that is wished', () => {
    expect(child(written({}), 'os')!.attributes).toEqual([]);
    const features = (secureBoot: boolean, plain = false) => {
      const root = written({ firmware: { kind: 'uefi', secureBoot, plain } });
      const list = child(child(root, 'os')!, 'firmware')!.children;
      return list.map((f) => `${attribute(f, 'name')} ${attribute(f, 'enabled')}`);
    };
    expect(features(true)).toEqual(['secure-boot yes', 'enrolled-keys yes']);
    expect(features(false)).toEqual(['enrolled-keys no']);
    expect(features(false, true)).toEqual(['secure-boot no', 'enrolled-keys no']);
    const secure = written({ firmware: { kind: 'uefi', secureBoot: true } });
    expect(child(child(secure, 'features')!, 'smm')).toBeDefined();
  });

  it('gives Windows under KVM what it expects of a hypervisor', () => {
    const names = (rest: Partial<DomainSpec>) =>
      child(written(rest), 'features')!.children.map((c) => c.local);
    expect(names({ windows: true })).toContain('hyperv');
    expect(names({ windows: true, type: 'qemu' })).not.toContain('hyperv');
    expect(names({})).not.toContain('hyperv');
  });

  it('counts processors and memory in their units', () => {
    const root = written({ processors: { sockets: 2, cores: 3, threads: 2 }, memoryBytes: 1025 });
    expect(textOf(root, 'vcpu')).toBe('12');
    expect(textOf(root, 'memory')).toBe('2');
  });
});

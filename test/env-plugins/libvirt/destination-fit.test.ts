import { describe, expect, it } from 'vitest';
import { parseDomainCapabilities } from '../../../src/env-plugins/libvirt/domain-capabilities.ts';
import { architectureOf, fitMachine, machineTypeOf } from '../../../src/env-plugins/libvirt/fit-machine.ts';
import { fitNics } from '../../../src/env-plugins/libvirt/fit-nics.ts';
import { targetOfNetwork } from '../../../src/env-plugins/libvirt/networks.ts';
import type { Finding } from '../../../src/model/finding.ts';
import type { Machine } from '../../../src/model/machine.ts';

const values = (...all: string[]) => all.map((value) => `<value>${value}</value>`).join('');
const capabilities = (rest: { machine?: string; buses?: string[]; firmware?: string; tpm?: string } = {}) =>
  parseDomainCapabilities(`<domainCapabilities>
    <path>/usr/bin/qemu-system-x86_64</path><domain>kvm</domain>
    <machine>${rest.machine ?? 'pc-q35-7.2'}</machine><arch>x86_64</arch><vcpu max='288'/>
    <os supported='yes'><enum name='firmware'>${values(rest.firmware ?? 'efi')}</enum>
      <loader supported='yes'><enum name='secure'>${values('no')}</enum></loader></os>
    <cpu><mode name='host-model' supported='yes'/><mode name='host-passthrough' supported='yes'/>
      <mode name='maximum' supported='no'/></cpu>
    <devices>
      <disk supported='yes'><enum name='bus'>${values(...(rest.buses ?? ['scsi', 'virtio', 'usb', 'sata']))}</enum></disk>
      <graphics supported='yes'><enum name='type'>${values('vnc')}</enum></graphics>
      <video supported='yes'><enum name='modelType'>${values('vga', 'virtio')}</enum></video>
      <rng supported='no'/>
      <tpm supported='yes'><enum name='model'>${values('tpm-tis', 'tpm-crb')}</enum>
        <enum name='backendModel'>${values(rest.tpm ?? 'passthrough')}</enum></tpm>
    </devices></domainCapabilities>`);
const networks = { names: ['default', 'bridge:br0', 'user'], inactive: ['asleep'] };

const machine = (rest: Partial<Machine> = {}): Machine => ({
  id: 'm',
  name: 'm',
  state: 'off',
  disks: [],
  nics: [],
  findings: [],
  ...rest,
});
const fitted = (rest: Partial<Machine>, settings: Record<string, string> = {}, host = capabilities()) => {
  const one = machine(rest);
  const volumes = one.disks.map(({ id }) => ({
    path: `/${id}`,
    kind: 'file' as const,
    format: 'raw' as const,
  }));
  const { spec, findings } = fitMachine('m', 'u', one, volumes, settings, { capabilities: host, networks });
  return { spec, rules: findings.map((f) => f.rule) };
};
const disk = (id: string, rest: Partial<Machine['disks'][number]> = {}) => ({
  id,
  name: id,
  files: [],
  ...rest,
});

describe('the type of a machine', () => {
  it.each([
    [{}, 'q35'],
    [{ disks: [disk('a', { bus: 'ide' })] }, 'pc'],
    [{ disks: [disk('a', { bus: 'ide' })], firmware: { kind: 'uefi' } }, 'q35'],
    [{ chipset: 'pc-i440fx-9.0' }, 'pc'],
    [{ chipset: 'pc-q35-9.0', disks: [disk('a', { bus: 'ide' })] }, 'q35'],
    [{ system: { name: 'x', family: 'linux', architecture: 'aarch64' } }, 'virt'],
  ] as const)('%j is %s', (rest, expected) => {
    expect(machineTypeOf(machine(rest as Partial<Machine>), {})).toBe(expected);
  });
  it('is what the user says', () => {
    expect(machineTypeOf(machine(), { machineType: 'pc' })).toBe('pc');
    expect(machineTypeOf(machine(), { machineType: 'automatic' })).toBe('q35');
  });
  it('calls processors as QEMU does', () => {
    const of = (architecture: string) =>
      architectureOf(machine({ system: { name: '', family: 'other', architecture } }));
    expect(['amd64', 'i686', 'arm64', 'ppc64le'].map(of)).toEqual(['x86_64', 'x86_64', 'aarch64', 'ppc64le']);
    expect(architectureOf(machine())).toBeUndefined();
  });
});

describe('a machine fitted to a libvirt', () => {
  it('boots from what was marked, else from its first disk', () => {
    const orders = (rest: Partial<Machine>) => {
      const { disks, nics } = fitted(rest).spec;
      return [...disks, ...nics].map(({ bootOrder }) => bootOrder);
    };
    expect(orders({ disks: [disk('a'), disk('b')] })).toEqual([1, undefined]);
    expect(orders({ disks: [disk('a'), disk('b', { bootable: true })] })).toEqual([undefined, 1]);
    expect(
      orders({ disks: [disk('a', { bootOrder: 5 }), disk('b', { bootOrder: 5 })], nics: [{ bootOrder: 2 }] }),
    ).toEqual([2, 3, 1]);
  });

  it('keeps processors as they are arranged, where the numbers fit', () => {
    const of = (processors: NonNullable<Machine['processors']>) =>
      Object.values(fitted({ processors }).spec.processors);
    expect(of({ count: 8, coresPerSocket: 4 })).toEqual([2, 4, 1]);
    expect(of({ count: 8, coresPerSocket: 2, threadsPerCore: 2 })).toEqual([2, 2, 2]);
    expect(of({ count: 6, coresPerSocket: 4 })).toEqual([1, 6, 1]);
    expect(of({ count: 3 })).toEqual([1, 3, 1]);
    expect(fitted({ processors: { count: 999 } }).rules).toContain('machine.processors');
  });

  it('joins each NIC to a network that is there', () => {
    const of = (network: string | undefined, settings = {}) => {
      const { spec, rules } = fitted({ nics: [network === undefined ? {} : { network }] }, settings);
      return [spec.nics[0]!.target, ...rules];
    };
    expect(of('bridge:br0')).toEqual([{ kind: 'bridge', name: 'br0' }]);
    expect(of(undefined)).toEqual([{ kind: 'network', name: 'default' }]);
    expect(of('VM Network')).toEqual([{ kind: 'network', name: 'default' }, 'network.changed']);
    expect(of('VM Network', { network: 'user' })).toEqual([{ kind: 'user' }, 'network.changed']);
    expect(of('default', { network: 'asleep' }).slice(1)).toEqual(['network.not-found']);
    expect(fitted({}, { network: 'none' }).rules).toEqual(['network.not-found']);
    expect(targetOfNetwork('user')).toEqual({ kind: 'user' });
  });

  it('says so where libvirt has no network to join', () => {
    const findings: Finding[] = [];
    const names = ['user', 'bridge:docker0'];
    expect(fitNics([{}], {}, { names, inactive: [], lacking: true }, findings)[0]!.target).toEqual({
      kind: 'user',
    });
    expect(findings).toMatchObject([{ rule: 'network.none-chosen', remedy: 'choose one of bridge:docker0' }]);
    findings.length = 0;
    fitNics([{}], { network: 'user' }, { names, inactive: [], lacking: true }, findings);
    expect(findings).toEqual([]);
  });

  it('keeps a MAC address that can be one', () => {
    const of = (mac: string, settings = {}) => {
      const { spec, rules } = fitted({ nics: [{ mac, model: 'virtio' }] }, settings);
      return [spec.nics[0]!.mac, ...rules];
    };
    expect(of('00:50:56:AB:cd:ef')).toEqual(['00:50:56:ab:cd:ef']);
    expect(of('00:50:56:ab:cd:ef', { keepMac: 'no' })).toEqual([undefined]);
    expect(of('01:50:56:ab:cd:ef')).toEqual([undefined, 'nic.mac-impossible']);
    expect(of('junk')).toEqual([undefined, 'nic.mac-impossible']);
  });

  it('asks for firmware that the host has, or says what is missing', () => {
    expect(fitted({ firmware: { kind: 'uefi' } }).spec.firmware).toMatchObject({
      kind: 'uefi',
      secureBoot: false,
    });
    expect(fitted({ firmware: { kind: 'uefi' } }, {}, capabilities({ firmware: 'none' })).rules).toEqual([
      'firmware.uefi-missing',
    ]);
    expect(fitted({ firmware: { kind: 'uefi', secureBoot: true } }).rules).toEqual([
      'firmware.secure-boot-missing',
    ]);
  });

  it('gives a TPM where the host can, and says that it is empty', () => {
    const tpm = { devices: { tpm: { version: '2.0' } } } as const;
    expect(fitted(tpm).rules).toEqual(['tpm.missing']);
    const { spec, rules } = fitted(tpm, {}, capabilities({ tpm: 'emulator' }));
    expect(spec.tpm).toEqual({ model: 'tpm-crb', version: '2.0' });
    expect(rules).toEqual(['tpm.empty']);
  });

  it('shows Windows the local time, and takes the best processor', () => {
    const windows = fitted({ system: { name: 'Windows', family: 'windows' } }).spec;
    expect([windows.clock, windows.windows, windows.cpuMode]).toEqual(['localtime', true, 'host-model']);
    expect(fitted({ processors: { count: 1, model: 'host-passthrough' } }).spec.cpuMode).toBe(
      'host-passthrough',
    );
    expect(fitted({ processors: { count: 1, model: 'Nehalem' } }).spec.cpuMode).toBe('host-model');
  });

  it('tells what stays behind', () => {
    expect(fitted({ devices: { bound: ['PCI 0000:03:00.0'] } }).rules).toEqual(['device.bound']);
  });

  it('does not let an odd serial number become anything else', () => {
    const serial = (text: string) => fitted({ disks: [disk('a', { serial: text })] }).spec.disks[0]!.serial;
    expect(serial('QM00001')).toBe('QM00001');
    expect(serial('a,readonly=off')).toBeUndefined();
  });
});

/** The seed in an environment's own words, with what that one has and others do not. */
import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { vdiCodec } from '../../src/codecs/vdi/index.ts';
import { vhdxCodec } from '../../src/codecs/vhdx/index.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { sourceDisk } from '../../src/io/disk.ts';
import { escapeXml } from '../../src/io/xml.ts';
import { MiB } from '../../src/model/units.ts';
import { encodeToFile, writeRaw } from '../conformance/images.ts';
import { type FakeHyperV, putVhd } from '../servers/hyperv.ts';
import type { Libvirtd } from '../servers/libvirtd.ts';
import type { FakeXapi } from '../servers/xapi.ts';
import { tempFolder } from '../temp.ts';
import { seedDisks, seedText, seedUuid } from './seed.ts';

const { name, description, macs } = seedText;

const code = '/usr/share/OVMF/OVMF_CODE_4M.fd';
const variables = '/usr/share/OVMF/OVMF_VARS_4M.fd';

export const firmwareFiles = [code, variables];

/** A PC of today with UEFI, virtio and an agent. */
export async function defineSeed({ folder, define }: Libvirtd): Promise<void> {
  const [system, data, nvram] = ['system.raw', 'data.raw', 'seed.fd'].map((file) => join(folder, file));
  await writeRaw(system!, seedDisks[0]);
  await writeRaw(data!, seedDisks[1]);
  await copyFile(variables, nvram!);
  await define(`<domain type="qemu">
  <name>${name}</name>
  <uuid>${seedUuid(2)}</uuid>
  <description>${escapeXml(description)}</description>
  <memory unit="MiB">1024</memory>
  <vcpu>4</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <loader readonly="yes" type="pflash">${code}</loader>
    <nvram template="${variables}">${nvram}</nvram>
  </os>
  <features><acpi/></features>
  <cpu mode="maximum"><topology sockets="2" dies="1" cores="1" threads="2"/></cpu>
  <clock offset="localtime"/>
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw"/><source file="${system}"/><target dev="vda" bus="virtio"/>
      <serial>SYS-1</serial><boot order="2"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw"/><source file="${data}"/><target dev="sda" bus="scsi"/><readonly/>
      <address type="drive" controller="0" bus="0" target="0" unit="3"/>
    </disk>
    <disk type="file" device="cdrom"><target dev="sdb" bus="sata"/><readonly/></disk>
    <controller type="scsi" index="0" model="virtio-scsi"/>
    <interface type="user"><mac address="${macs[0]}"/><model type="virtio"/><boot order="1"/></interface>
    <interface type="bridge"><mac address="${macs[1]}"/><source bridge="br-none"/><model type="rtl8139"/>
      <link state="down"/></interface>
    <serial type="pty"/>
    <channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>
    <graphics type="vnc"/>
    <video><model type="cirrus"/></video>
  </devices>
</domain>`);
}

/** One of before: BIOS, IDE and an old card. */
export async function defineOldSeed({ folder, define }: Libvirtd, oldName: string): Promise<void> {
  const [system, data] = ['old-system.raw', 'old-data.raw'].map((file) => join(folder, file));
  await writeRaw(system!, seedDisks[0]);
  await writeRaw(data!, seedDisks[1]);
  const disk = (path: string, dev: string) =>
    `<disk type="file" device="disk"><driver name="qemu" type="raw"/><source file="${path}"/>
      <target dev="${dev}" bus="ide"/></disk>`;
  await define(`<domain type="qemu">
  <name>${oldName}</name>
  <uuid>${seedUuid(4)}</uuid>
  <description>${escapeXml(description)}</description>
  <memory unit="MiB">512</memory>
  <vcpu>2</vcpu>
  <os><type arch="x86_64" machine="pc">hvm</type></os>
  <features><acpi/></features>
  <clock offset="utc"/>
  <devices>
    ${disk(system!, 'hda')}${disk(data!, 'hdb')}
    <disk type="file" device="cdrom"><target dev="hdc" bus="ide"/><readonly/></disk>
    <interface type="user"><mac address="${macs[0]}"/><model type="e1000"/></interface>
    <interface type="user"><mac address="${macs[1]}"/><model type="pcnet"/><link state="down"/></interface>
    <graphics type="vnc"/>
    <video><model type="vga"/></video>
  </devices>
</domain>`);
}

export function putXapiSeed({ database, sr, network }: FakeXapi): void {
  const vm = database.createVm({
    ...{ name_label: name, name_description: description, is_a_template: false },
    ...{ memory_static_max: String(1024 * MiB), memory_dynamic_max: String(1024 * MiB) },
    ...{ VCPUs_max: '4', VCPUs_at_startup: '4', actions_after_crash: 'restart', PV_args: '' },
    HVM_boot_policy: 'BIOS order',
    HVM_boot_params: { order: 'cdn', firmware: 'uefi' },
    platform: { secureboot: 'true', 'cores-per-socket': '2', vtpm: 'true' },
    NVRAM: { 'EFI-variables': Buffer.from('VARS and more').toString('base64') },
  });
  for (const [i, bytes] of seedDisks.entries()) {
    const disk = { type: 'Disk', mode: i === 0 ? 'RW' : 'RO', bootable: i === 0, empty: false };
    const VDI = database.vdi(sr, `${name} ${i}`, bytes);
    database.attach('VBD', { VM: vm, VDI, userdevice: String(i), ...disk });
  }
  const cd = { type: 'CD', mode: 'RO', bootable: false, empty: true };
  database.attach('VBD', { VM: vm, VDI: 'OpaqueRef:NULL', userdevice: '3', ...cd });
  for (const [i, mac] of macs.entries()) {
    const locking_mode = i === 0 ? 'network_default' : 'disabled';
    database.attach('VIF', { VM: vm, network, device: String(i), MAC: mac, locking_mode });
  }
}

/** Of generation 2. */
export async function putHyperVSeed(host: FakeHyperV): Promise<void> {
  const folder = `C:\\VMs\\${name}`;
  const paths = [`${folder}\\system.vhdx`, `${folder}\\data.vhdx`];
  for (const [i, bytes] of seedDisks.entries()) {
    const file = join(await tempFolder(), 'disk.vhdx');
    await encodeToFile(vhdxCodec, sourceDisk(memorySource(bytes)), file, { blockSize: MiB });
    await putVhd(host, paths[i]!, await readFile(file), { size: bytes.length });
  }
  host.vms.push({
    ...{ id: randomUUID(), name, state: 'Off', checkpoints: [] },
    disks: paths.map((path, unit) => ({ bus: 'SCSI', controller: 0, unit, path })),
    more: {
      ...{ generation: 2, version: '9.0', processors: 4, memory: 1024 * MiB, dynamicMemory: false },
      ...{ notes: description, path: folder, bootPath: paths[0], tpm: true },
      ...{ secureBoot: 'On', secureBootTemplate: 'MicrosoftUEFICertificateAuthority' },
      dvds: [{ bus: 'SCSI', path: '' }],
      adapters: macs.map((mac, i) => ({
        ...{ mac: mac.replaceAll(':', '').toUpperCase(), dynamicMac: false },
        ...{ network: i === 0 ? 'LAN' : '', legacy: false, vlan: 0 },
      })),
    },
  });
}

/** "uuidCreate" of a VDI's header. */
function vdiUuid(file: Buffer): string {
  const [a, b, c] = [file.readUInt32LE(392), file.readUInt16LE(396), file.readUInt16LE(398)];
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  const rest = [file.toString('hex', 400, 402), file.toString('hex', 402, 408)];
  return [hex(a, 8), hex(b, 4), hex(c, 4), ...rest].join('-');
}

export async function putVboxSeed(root: string): Promise<void> {
  const folder = join(root, name);
  await mkdir(folder);
  const ids: string[] = [];
  for (const [i, bytes] of seedDisks.entries()) {
    const file = join(folder, `${i}.vdi`);
    await encodeToFile(vdiCodec, sourceDisk(memorySource(bytes)), file);
    ids.push(`{${vdiUuid(await readFile(file))}}`);
  }
  const media = ids.map((id, i) => `<HardDisk uuid="${id}" location="${i}.vdi" format="VDI" type="Normal"/>`);
  const disk = (i: number, port: number) =>
    `<AttachedDevice type="HardDisk" port="${port}" device="0"><Image uuid="${ids[i]}"/></AttachedDevice>`;
  const card = (slot: number, type: string, cable: boolean, inside: string) =>
    `<Adapter slot="${slot}" enabled="true" MACAddress="${macs[slot]!.replaceAll(':', '').toUpperCase()}"
      cable="${cable}" type="${type}">${inside}</Adapter>`;
  const text = `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
  <Machine uuid="{${seedUuid(3)}}" name="${name}" OSType="Debian12_64">
    <MediaRegistry><HardDisks>${media.join('')}</HardDisks></MediaRegistry>
    <Description>${escapeXml(description)}</Description>
    <Hardware>
      <CPU count="4"/><Memory RAMSize="1024"/><Firmware type="EFI"/><Chipset type="ICH9"/>
      <TrustedPlatformModule type="v2_0" location=""/>
      <Display controller="VMSVGA" VRAMSize="16"/><RemoteDisplay enabled="true"/>
      <BIOS><IOAPIC enabled="true"/><SmbiosUuidLittleEndian enabled="false"/></BIOS>
      <Network>${card(0, 'virtio', true, '<BridgedInterface name="eth0"/>')}
        ${card(1, '82545EM', false, '<NAT/>')}</Network>
      <RTC localOrUTC="UTC"/>
      <UART><Port slot="0" enabled="true" IOBase="0x3f8" IRQ="4" hostMode="Disconnected"/></UART>
      <StorageControllers>
        <StorageController name="SATA" type="AHCI" PortCount="3">${disk(0, 0)}
          <AttachedDevice type="DVD" port="2" device="0"/></StorageController>
        <StorageController name="VirtIO" type="VirtioSCSI" PortCount="1">${disk(1, 0)}</StorageController>
      </StorageControllers>
    </Hardware>
  </Machine>
</VirtualBox>`;
  await writeFile(join(folder, `${name}.vbox`), text);
}

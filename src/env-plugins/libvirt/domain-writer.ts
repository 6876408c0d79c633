/** A domain as XML. Format: libvirt, "Domain XML format". Pure; all text goes through one escape. */
import { escapeXml } from '../../io/xml.ts';
import { KiB } from '../../model/units.ts';
import {
  type DomainDisk,
  type DomainFirmware,
  type DomainNic,
  type DomainSpec,
  isPc,
  isQ35,
} from './domain-spec.ts';
import { DriveSlots } from './drive-slots.ts';

const quoted = (text: string | number): string => `"${escapeXml(String(text))}"`;
const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

export function writeDomain(spec: DomainSpec): string {
  const { description } = spec;
  const pc = isPc(spec.machine) || isQ35(spec.machine);
  const lines = [
    `<domain type=${quoted(spec.type)}>`,
    `  <name>${escapeXml(spec.name)}</name>`,
    `  <uuid>${escapeXml(spec.uuid)}</uuid>`,
    ...(description === undefined ? [] : [`  <description>${escapeXml(description)}</description>`]),
    `  <memory unit="KiB">${Math.ceil(spec.memoryBytes / KiB)}</memory>`,
    ...processorLines(spec),
    ...firmwareLines(spec),
    ...featureLines(spec, pc),
    ...clockLines(spec, pc),
    '  <on_poweroff>destroy</on_poweroff>',
    '  <on_reboot>restart</on_reboot>',
    '  <on_crash>destroy</on_crash>',
    '  <devices>',
    ...deviceLines(spec, pc).map((line) => `    ${line}`),
    '  </devices>',
    '</domain>',
  ];
  return `${lines.join('\n')}\n`;
}

function processorLines({ processors: { sockets, cores, threads }, cpuMode }: DomainSpec): string[] {
  const topology = `    <topology sockets="${sockets}" dies="1" cores="${cores}" threads="${threads}"/>`;
  return [
    `  <vcpu placement="static">${sockets * cores * threads}</vcpu>`,
    `  <cpu${cpuMode === undefined ? '' : ` mode=${quoted(cpuMode)}`}>`,
    topology,
    '  </cpu>',
  ];
}

function firmwareLines({ firmware, architecture, machine }: DomainSpec): string[] {
  const type = `    <type arch=${quoted(architecture)} machine=${quoted(machine)}>hvm</type>`;
  if (firmware.kind === 'bios') return ['  <os>', type, '  </os>'];
  if ('build' in firmware) {
    const { build, nvram } = firmware;
    const secure = build.smm ? ' secure="yes"' : '';
    return [
      '  <os>',
      type,
      `    <loader readonly="yes"${secure} type="pflash">${escapeXml(build.code)}</loader>`,
      `    <nvram template=${quoted(build.template)}>${escapeXml(nvram)}</nvram>`,
      '  </os>',
    ];
  }
  return [
    '  <os firmware="efi">',
    type,
    ...firmwareFeatures(firmware.secureBoot, firmware.plain === true),
    '  </os>',
  ];
}

/** Keys that are enrolled are what makes Secure Boot refuse a loader; a build that could is harmless without. */
function firmwareFeatures(secureBoot: boolean, plain: boolean): string[] {
  const told = secureBoot || plain;
  return [
    '    <firmware>',
    ...(told ? [`      <feature enabled="${yesNo(secureBoot)}" name="secure-boot"/>`] : []),
    `      <feature enabled="${yesNo(secureBoot)}" name="enrolled-keys"/>`,
    '    </firmware>',
  ];
}

/** System management mode is where Secure Boot keeps its variables safe from the guest. */
const needsSmm = (firmware: DomainFirmware): boolean =>
  firmware.kind === 'uefi' && ('build' in firmware ? firmware.build.smm : firmware.secureBoot);

function featureLines({ windows, firmware, type }: DomainSpec, pc: boolean): string[] {
  const hyperv =
    windows && type === 'kvm'
      ? [
          '    <hyperv mode="custom">',
          '      <relaxed state="on"/>',
          '      <vapic state="on"/>',
          '      <spinlocks state="on" retries="8191"/>',
          '    </hyperv>',
        ]
      : [];
  return [
    '  <features>',
    '    <acpi/>',
    ...(pc ? ['    <apic/>'] : []),
    ...hyperv,
    ...(needsSmm(firmware) ? ['    <smm state="on"/>'] : []),
    '  </features>',
  ];
}

function clockLines({ clock, windows, type }: DomainSpec, pc: boolean): string[] {
  if (!pc) return [`  <clock offset="${clock}"/>`];
  return [
    `  <clock offset="${clock}">`,
    '    <timer name="rtc" tickpolicy="catchup"/>',
    '    <timer name="pit" tickpolicy="delay"/>',
    '    <timer name="hpet" present="no"/>',
    ...(windows && type === 'kvm' ? ['    <timer name="hypervclock" present="yes"/>'] : []),
    '  </clock>',
  ];
}

function deviceLines(spec: DomainSpec, pc: boolean): string[] {
  const slots = new DriveSlots();
  const drives = [
    ...spec.disks.flatMap((disk) => diskLines(disk, slots)),
    ...spec.cdroms.flatMap(({ bus }) => [
      '<disk type="file" device="cdrom">',
      ...slots.take(bus).map((line) => `  ${line}`),
      '  <readonly/>',
      '</disk>',
    ]),
  ];
  return [
    ...(spec.emulator === '' ? [] : [`<emulator>${escapeXml(spec.emulator)}</emulator>`]),
    ...slots.controllers(),
    ...drives,
    ...spec.nics.flatMap(nicLines),
    '<serial type="pty"/>',
    '<console type="pty"><target type="serial"/></console>',
    '<channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>',
    ...(spec.vnc ? vncLines : []),
    ...(spec.vnc && pc ? ['<input type="tablet" bus="usb"/>'] : []),
    ...(spec.video === undefined ? [] : [`<video><model type=${quoted(spec.video)}/></video>`]),
    ...tpmLines(spec),
    ...(spec.rng ? ['<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>'] : []),
    '<memballoon model="virtio"/>',
  ];
}

const vncLines = [
  '<graphics type="vnc" port="-1" autoport="yes" listen="127.0.0.1">',
  '  <listen type="address" address="127.0.0.1"/>',
  '</graphics>',
];

function tpmLines({ tpm }: DomainSpec): string[] {
  if (tpm === undefined) return [];
  return [
    `<tpm model=${quoted(tpm.model)}>`,
    `  <backend type="emulator" version=${quoted(tpm.version)}/>`,
    '</tpm>',
  ];
}

function diskLines(disk: DomainDisk, slots: DriveSlots): string[] {
  const floppy = disk.bus === 'fdc';
  return [
    `<disk type="${disk.kind}" device="${floppy ? 'floppy' : 'disk'}">`,
    `  <driver name="qemu" type="${disk.format}"${floppy ? '' : ' discard="unmap"'}/>`,
    `  <source ${disk.kind === 'file' ? 'file' : 'dev'}=${quoted(disk.path)}/>`,
    ...slots.take(disk.bus, disk.controllerModel).map((line) => `  ${line}`),
    ...(disk.serial === undefined ? [] : [`  <serial>${escapeXml(disk.serial)}</serial>`]),
    ...(disk.bootOrder === undefined ? [] : [`  <boot order="${disk.bootOrder}"/>`]),
    ...(disk.readOnly ? ['  <readonly/>'] : []),
    ...(disk.shared ? ['  <shareable/>'] : []),
    '</disk>',
  ];
}

function nicLines({ target, mac, model, connected, bootOrder }: DomainNic): string[] {
  const source = target.kind === 'user' ? [] : [`  <source ${target.kind}=${quoted(target.name)}/>`];
  return [
    `<interface type="${target.kind}">`,
    ...(mac === undefined ? [] : [`  <mac address=${quoted(mac)}/>`]),
    ...source,
    `  <model type=${quoted(model)}/>`,
    ...(connected ? [] : ['  <link state="down"/>']),
    ...(bootOrder === undefined ? [] : [`  <boot order="${bootOrder}"/>`]),
    '</interface>',
  ];
}

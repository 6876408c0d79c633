// What of the fake VBoxManage makes machines: see README.md. What it keeps is $FAKE_VBOX/machines.json.
import { randomUUID } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, extname, join, relative } from 'node:path';
import { writeSettings } from './settings.mjs';

let home = '';
let machines = {};

class Failure extends Error {}
function fail(message) {
  throw new Failure(message);
}

const ids =
  /^(Other|Linux26|Debian|Ubuntu|RedHat|Oracle|Fedora|OpenSUSE|Gentoo|ArchLinux|FreeBSD|OpenBSD|NetBSD|Windows(XP|Vista|7|8|81|10|2000|2003|2008|2012|2016|2019)|Debian12)(_64)?$/;

/** The white list of characters of a machine's file name; one `_` for each byte of the others. */
function fileName(name) {
  const plain = [...name]
    .map((c) => (/[ ()\-.0-9A-Z_a-z\u{a0}-\u{d7af}]/u.test(c) ? c : '_'.repeat(Buffer.byteLength(c))))
    .join('');
  return plain
    .replace(/^[.-]/, '_')
    .replace(/\.$/, '_')
    .replace(/^ +| +$/g, (s) => '_'.repeat(s.length));
}

/** `--option VALUE …` by a table of how many values each takes; `N` in a name is a number. */
function parse(given, takes) {
  const found = {};
  for (let i = 0; i < given.length; ) {
    const option = given[i++];
    const count = takes[option] ?? takes[option.replace(/\d+$/, 'N')];
    if (count === undefined) fail(`Unknown option: ${option}`);
    if (i + count > given.length) fail(`Missing argument to '${option}'`);
    found[option] = given.slice(i, i + count);
    i += count;
  }
  return found;
}

const machineOf = (uuid) => machines[uuid] ?? fail(`Could not find a registered machine with UUID {${uuid}}`);
const among = (value, ...words) =>
  words.includes(value?.toLowerCase()) ? value.toLowerCase() : fail(`Invalid argument '${value}'`);
const isOn = (value) => among(value, 'on', 'off') === 'on';

const commands = {
  createvm(given) {
    const one = { '--name': 1, '--ostype': 1, '--uuid': 1, '--basefolder': 1, '--register': 0 };
    const options = parse(given, one);
    const [name, type, uuid, folder] = Object.keys(one).map((key) => options[key]?.[0]);
    if (!ids.test(type)) fail(`Guest OS type '${type}' is invalid`);
    const file = join(folder, fileName(name), `${fileName(name)}.vbox`);
    if (Object.values(machines).some((other) => other.name === name))
      fail(`Machine '${name}' already exists`);
    if (existsSync(file)) fail(`Machine settings file '${file}' already exists`);
    mkdirSync(dirname(file), { recursive: true });
    const nic = { mode: 'nat', type: '82540EM', cable: true, mac: '080027ABCDEF' };
    machines[uuid] = {
      ...{ uuid, name, type, file, memory: 128, cpus: 1 },
      nics: { 1: nic },
      controllers: [],
    };
    return `Virtual machine '${name}' is created and registered.\nUUID: ${uuid}\nSettings file: '${file}'\n`;
  },

  modifyvm([uuid, ...given]) {
    const machine = machineOf(uuid);
    const one = (...names) => Object.fromEntries(names.map((name) => [`--${name}`, 1]));
    const options = parse(given, {
      ...one('memory', 'cpus', 'ioapic', 'pae', 'longmode', 'vram', 'firmware', 'chipset', 'rtcuseutc'),
      ...one('graphicscontroller', 'hardwareuuid', 'system-uuid-le', 'tpm-type', 'description', 'uartmode1'),
      ...one('nicN', 'nictypeN', 'cableconnectedN', 'bridgeadapterN', 'intnetN', 'hostonlyadapterN'),
      ...one('nat-networkN', 'macaddressN'),
      '--usbohci': 1,
      '--uart1': 2,
    });
    const most = options['--chipset']?.[0] === 'ich9' ? 36 : 8;
    for (const [option, [value, second]] of Object.entries(options)) {
      const [, word, n] = /^--(.*?)(\d*)$/.exec(option);
      if (n !== '' && Number(n) > most) fail(`Invalid network adapter ${n}`);
      const nic = { mode: 'none', type: '82540EM', cable: true, ...machine.nics[n] };
      if (n !== '' && !word.startsWith('uart')) machine.nics[n] = nic;
      if (word === 'nic')
        nic.mode = among(value, 'none', 'nat', 'bridged', 'intnet', 'hostonly', 'natnetwork');
      else if (word === 'nictype') nic.type = value;
      else if (word === 'cableconnected') nic.cable = isOn(value);
      else if (word === 'macaddress') nic.mac = value === 'auto' ? '080027FEDCBA' : value;
      else if (/^(bridgeadapter|intnet|hostonlyadapter|nat-network)$/.test(word)) nic.network = value;
      else if (word === 'uart') machine.uart = [value, second];
      else if (word === 'firmware') machine.efi = among(value, 'bios', 'efi') === 'efi';
      else if (word === 'chipset') machine.ich9 = among(value, 'piix3', 'ich9') === 'ich9';
      else if (['longmode', 'rtcuseutc', 'system-uuid-le'].includes(word)) machine[word] = isOn(value);
      else machine[word] = value;
    }
  },

  storagectl([uuid, ...given]) {
    const machine = machineOf(uuid);
    const one = { '--name': 1, '--add': 1, '--controller': 1, '--portcount': 1, '--bootable': 1 };
    const options = parse(given, one);
    const [name, add, chip, count, bootable] = Object.keys(one).map((key) => options[key]?.[0]);
    const chips = {
      ...{ ide: ['piix3', 'piix4', 'ich6'], sata: ['intelahci'], scsi: ['lsilogic', 'buslogic'] },
      ...{ sas: ['lsilogicsas'], virtio: ['virtio'], pcie: ['nvme'], usb: ['usb'] },
    };
    among(chip, ...(chips[add] ?? fail(`Invalid --add argument '${add}'`)));
    if (machine.controllers.some((other) => other.name === name))
      fail(`Storage controller named '${name}' already exists`);
    const same = machine.controllers.filter((other) => other.add === add);
    if (same.length >= (machine.ich9 && add !== 'ide' && add !== 'usb' ? 8 : 1))
      fail(`Too many storage controllers of this type`);
    const [least, most] = { ide: [2, 2], scsi: [16, 16], sata: [1, 30], usb: [8, 8] }[add] ?? [
      1,
      add === 'virtio' ? 256 : 255,
    ];
    const ports = Number(count ?? least);
    if (!(ports >= least && ports <= most))
      fail(`Invalid port count: ${ports} (must be in range [${least}, ${most}])`);
    const boots = isOn(bootable);
    if (boots) for (const other of same) other.bootable = false;
    machine.controllers.push({ name, add, chip, ports, bootable: boots, instance: same.length, devices: [] });
  },

  storageattach([uuid, ...given]) {
    const machine = machineOf(uuid);
    const one = { '--storagectl': 1, '--port': 1, '--device': 1, '--type': 1, '--medium': 1 };
    const options = parse(given, one);
    const [name, port, device, type, medium] = Object.keys(one).map((key) => options[key]?.[0]);
    const controller =
      machine.controllers.find((other) => other.name === name) ??
      fail(`Could not find a controller named '${name}'`);
    if (Number(port) >= controller.ports || Number(device) > (controller.add === 'ide' ? 1 : 0))
      fail(`The port and/or device parameter are out of range`);
    const entry = { type, port: Number(port), device: Number(device) };
    if (type === 'hdd') {
      entry.uuid = uuidOf(medium);
      entry.location = relative(dirname(machine.file), medium);
      if (entry.location.startsWith('..')) entry.location = medium;
      for (const other of Object.values(machines)) {
        const taken = other.controllers.flatMap((one) => one.devices).find((one) => one.uuid === entry.uuid);
        if (taken)
          fail(
            `Cannot register the hard disk '${medium}' {${entry.uuid}} because a hard disk '${taken.location}' with UUID {${entry.uuid}} already exists`,
          );
      }
    } else if (type !== 'dvddrive' || medium !== 'emptydrive') fail(`Invalid argument '${type}' '${medium}'`);
    controller.devices.push(entry);
  },

  /** What is written from now on goes to a new file over each disk; the tests read nothing of those. */
  snapshot([uuid, how, name]) {
    const machine = machineOf(uuid);
    const disks = machine.controllers
      .flatMap(({ devices }) => devices)
      .filter((one) => one.uuid !== undefined);
    if (how === 'take') {
      if (machine.snapshot) fail('the tests take one at a time only');
      machine.snapshot = { uuid: randomUUID(), name, controllers: structuredClone(machine.controllers) };
      mkdirSync(join(dirname(machine.file), 'Snapshots'), { recursive: true });
      for (const disk of disks) {
        const above = randomUUID();
        const location = `Snapshots/{${above}}${extname(disk.location)}`;
        writeFileSync(join(dirname(machine.file), location), 'what is written while the snapshot is there');
        Object.assign(disk, { below: { uuid: disk.uuid, location: disk.location }, uuid: above, location });
      }
      return `Snapshot taken. UUID: ${machine.snapshot.uuid}\n`;
    }
    if (how !== 'delete' || machine.snapshot?.name !== name)
      fail(`Could not find a snapshot named '${name}'`);
    for (const disk of disks) {
      rmSync(join(dirname(machine.file), disk.location));
      Object.assign(disk, disk.below, { below: undefined });
    }
    machine.snapshot = undefined;
  },

  unregistervm([uuid]) {
    machineOf(uuid);
    delete machines[uuid];
  },

  /** `states` has what a machine's state is at one look after the other; the last one stays. */
  showvminfo([uuid, how]) {
    const { name, file } = machineOf(uuid);
    if (how !== '--machinereadable') fail('the tests ask for it in this form only');
    const states = join(home, 'states');
    const [now = 'running', ...later] = existsSync(states)
      ? readFileSync(states, 'utf8').trim().split('\n')
      : [];
    if (later.length > 0) writeFileSync(states, later.join('\n'));
    return `name="${name}"\nUUID="${uuid}"\nCfgFile="${file}"\nVMState="${now}"\n`;
  },
};

/** What a medium says of itself, as VirtualBox reads it when it is opened. */
function uuidOf(path) {
  if (!existsSync(path)) fail(`Could not find file for the medium '${path}' (VERR_FILE_NOT_FOUND)`);
  const bytes = readFileSync(path);
  const mixed = (b) =>
    [b.readUInt32LE(0).toString(16).padStart(8, '0')]
      .concat([4, 6].map((at) => b.readUInt16LE(at).toString(16).padStart(4, '0')))
      .concat([b.toString('hex', 8, 10), b.toString('hex', 10, 16)])
      .join('-');
  if (bytes.length > 408 && bytes.readUInt32LE(64) === 0xbeda107f) return mixed(bytes.subarray(392, 408));
  const footer = bytes.subarray(-512);
  if (footer.toString('latin1', 0, 8) === 'conectix') return mixed(footer.subarray(68, 84));
  const [, told] = /^ddb\.uuid\.image="(.{36})"/m.exec(bytes.toString('latin1', 0, 11_264)) ?? [];
  return (
    told ?? fail(`Could not get the storage format of the medium '${basename(path)}' (VERR_NOT_SUPPORTED)`)
  );
}

/** One call, with what the folder `home` keeps: what it says and its exit code. */
export function manage(folder, [command, ...args]) {
  home = folder;
  const file = (name) => join(home, name);
  appendFileSync(file('said'), `${[command, ...args].join(' ')}\n`);
  machines = existsSync(file('machines.json')) ? JSON.parse(readFileSync(file('machines.json'), 'utf8')) : {};
  try {
    const refusal = file(`refuse-${command}`);
    if (existsSync(refusal)) fail(readFileSync(refusal, 'utf8'));
    const stdout = commands[command](args) ?? '';
    if (command !== 'showvminfo')
      for (const machine of Object.values(machines)) writeFileSync(machine.file, writeSettings(machine));
    writeFileSync(file('machines.json'), JSON.stringify(machines));
    const list = Object.values(machines).map(({ name, uuid }) => `"${name}" {${uuid}}\n`);
    writeFileSync(file('vms'), list.join(''));
    return { code: 0, stdout, stderr: '' };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const details = 'VBoxManage: error: Details: code NS_ERROR_FAILURE (0x80004005)';
    return { code: 1, stdout: '', stderr: `VBoxManage: error: ${error.message}\n${details}\n` };
  }
}

/**
 * A fake Hyper-V host: SSH as Windows has it, whose only command is PowerShell with an encoded command, and SFTP with
 * Windows paths. No PowerShell runs here: each script is known by the name in its first line, its input is checked, and
 * the answer is made from a state, in the shapes that Microsoft's reference of the module Hyper-V gives (Get-VM,
 * Get-VHD, Get-VMHardDiskDrive, Checkpoint-VM, New-VM, Set-VMFirmware …) as those scripts turn them into JSON.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, win32 } from 'node:path';
import { fakeSftp } from './hyperv-sftp.ts';
import { type FakeWindows, startWindows } from './windows-sshd.ts';

export interface FakeDrive {
  bus: 'IDE' | 'SCSI';
  controller: number;
  unit: number;
  path: string;
  diskNumber?: number | null;
}

export interface FakeVm {
  id: string;
  name: string;
  state: string;
  disks: FakeDrive[];
  checkpoints: { id: string; name: string; created: string; state: string; disks: FakeDrive[] }[];
  /** The rest of what `list` tells. */
  more: Record<string, unknown>;
}

type Values = Record<string, unknown>;

export interface FakeHyperV extends FakeWindows {
  /** What is below this folder is the drive C. */
  readonly root: string;
  readonly vms: FakeVm[];
  /** What Get-VHD tells of a file. */
  readonly vhds: Map<string, Values>;
  /** By the name of a script: an answer that is given instead, as the whole JSON; or what happens before it. */
  readonly instead: Map<string, (values: Values) => unknown>;
  /** Names of scripts, in the order in which they were run. */
  readonly ran: string[];
  local(path: string): string;
}

class ScriptFailure extends Error {
  readonly told: Values;
  constructor(message: string, category = 'OperationStopped') {
    super(message);
    this.told = { message, id: message, category, code: -2146233087 };
  }
}

export async function startHyperV(root: string): Promise<FakeHyperV> {
  await mkdir(join(root, 'VMs'), { recursive: true });
  const vms: FakeVm[] = [];
  const vhds = new Map<string, Values>();
  const instead: FakeHyperV['instead'] = new Map();
  const ran: string[] = [];
  const local = (path: string) => {
    if (!/^[Cc]:\\/.test(path)) throw new ScriptFailure(`Cannot find drive of ${path}`, 'ObjectNotFound');
    const inner = win32.normalize(path).slice(3).replaceAll('\\', '/');
    return join(root, inner);
  };
  const run = async (name: string, values: Values): Promise<unknown> => {
    ran.push(name);
    const other = instead.get(name)?.(values);
    if (other !== undefined) return other;
    try {
      const script = scripts[name];
      if (script === undefined) throw new Error(`the fake knows no script "${name}"`);
      return { version: 1, result: await script({ vms, vhds, local }, values) };
    } catch (error) {
      if (error instanceof ScriptFailure) return { version: 1, error: error.told };
      throw error;
    }
  };
  const windows = await startWindows({ run, sftp: (sftp) => fakeSftp(sftp, root) });
  return Object.assign(windows, { root, vms, vhds, instead, ran, local });
}

interface World {
  readonly vms: FakeVm[];
  readonly vhds: Map<string, Values>;
  local(path: string): string;
}

type Script = (world: World, values: Values) => Promise<unknown>;

function text(values: Values, key: string): string {
  const value = values[key];
  if (typeof value !== 'string') throw new Error(`"${key}" is no text: ${JSON.stringify(value)}`);
  return value;
}

const list = (values: Values, key: string): Values[] => {
  const value = values[key];
  if (!Array.isArray(value)) throw new Error(`"${key}" is no list`);
  return value as Values[];
};

function find({ vms }: World, values: Values): FakeVm {
  const vm = vms.find(({ id }) => id === text(values, 'id').toLowerCase());
  if (vm === undefined) throw new ScriptFailure('vmferry/not-found: there is no such machine');
  return vm;
}

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

function chainOf({ vhds }: World, path: string): Values[] {
  const chain: Values[] = [];
  for (let at: string | undefined = path; at && chain.length < 64; ) {
    const { parent, ...vhd }: Values = vhds.get(at) ?? {};
    chain.push(
      vhd.format === undefined
        ? { path: at, error: 'Getting the mounted storage instance failed' }
        : { path: at, ...vhd },
    );
    at = parent as string | undefined;
  }
  return chain;
}

const drives = (world: World, all: readonly FakeDrive[]) =>
  all.map((one) => ({
    diskNumber: null,
    shared: false,
    ...one,
    chain: one.diskNumber == null ? chainOf(world, one.path) : [],
  }));

const scripts: Readonly<Record<string, Script>> = {
  async host({ vms }) {
    return {
      name: 'HV01',
      machinePath: 'C:\\VMs\\',
      diskPath: 'C:\\VMs\\Disks',
      processors: 16,
      memory: 68_632_260_608,
      switches: [
        { name: 'LAN', type: 'External' },
        { name: 'Default Switch', type: 'Internal' },
      ],
      names: vms.map(({ name }) => name),
      drives: [{ root: 'C:\\', free: 250_000_000_000, system: 'NTFS' }],
    };
  },
  async list(world, values) {
    const id = text(values, 'id').toLowerCase();
    return {
      machines: world.vms
        .filter((vm) => id === '' || vm.id === id)
        .map((vm) => ({
          ...{ id: vm.id, name: vm.name, state: vm.state, ...vm.more },
          disks: drives(world, vm.disks),
          checkpoints: vm.checkpoints.map((one) => ({
            ...one,
            disks: values.checkpointDisks === true ? drives(world, one.disks) : [],
          })),
        })),
    };
  },
  async checkpoint(world, values) {
    const vm = find(world, values);
    if (vm.more.checkpointType === 'Disabled')
      throw new ScriptFailure('vmferry/unsupported: checkpoints are turned off for this machine');
    const id = randomUUID();
    const disks = vm.disks.filter(({ diskNumber }) => diskNumber == null);
    vm.checkpoints.push({
      ...{ id, name: text(values, 'name'), created: '2026-01-02T03:04:05.0000000Z', state: 'Off' },
      disks: disks.map((disk) => ({ ...disk })),
    });
    for (const disk of disks) {
      const above = disk.path.replace(/\.a?vhdx$/, `_${randomUUID().toUpperCase()}.avhdx`);
      world.vhds.set(above, { ...world.vhds.get(disk.path), type: 'Differencing', parent: disk.path });
      // What the machine writes from now on: no byte of it may be read.
      await writeFile(world.local(above), 'the guest writes here');
      disk.path = above;
    }
    return { id, state: 'Off' };
  },
  async 'remove-checkpoint'(world, values) {
    const vm = find(world, values);
    const mine = vm.checkpoints.filter(({ name }) => name === text(values, 'name'));
    for (const one of mine) {
      vm.checkpoints.splice(vm.checkpoints.indexOf(one), 1);
      for (const frozen of one.disks) {
        const disk = vm.disks.find(({ bus, unit }) => bus === frozen.bus && unit === frozen.unit)!;
        await rm(world.local(disk.path), { force: true });
        world.vhds.delete(disk.path);
        disk.path = frozen.path;
      }
    }
    return { removed: mine.length };
  },
  async folder({ local }, values) {
    const folder = local(text(values, 'folder'));
    if (await isThere(folder)) throw new ScriptFailure('vmferry/conflict: this folder is there already');
    await mkdir(folder, { recursive: true });
    return { folder: values.folder };
  },
  async make({ vms, vhds, local }, values) {
    const name = text(values, 'name');
    if (vms.some((vm) => vm.name === name))
      throw new ScriptFailure('vmferry/conflict: there is a machine of this name already');
    for (const file of list(values, 'files')) {
      await rename(local(text(file, 'part')), local(text(file, 'path')));
      vhds.set(text(file, 'path'), { format: 'VHDX', type: 'Dynamic', size: 0, fileSize: 0, sector: 512 });
    }
    if (typeof values.memory !== 'number' || values.memory % (2 * 1024 * 1024) !== 0)
      throw new ScriptFailure('The memory must be a multiple of 2 MB.', 'InvalidArgument');
    const gen1 = values.generation === 1;
    const disks = list(values, 'disks') as unknown as FakeDrive[];
    if (disks.some(({ bus }) => bus === 'IDE') && !gen1)
      throw new ScriptFailure('Generation 2 has no IDE.', 'InvalidArgument');
    await mkdir(join(local(text(values, 'base')), name, 'Virtual Machines'), { recursive: true });
    const id = randomUUID();
    vms.push({
      id,
      name,
      state: 'Off',
      disks,
      checkpoints: [],
      more: {
        ...{ generation: values.generation, processors: values.processors, memory: values.memory },
        ...{
          notes: values.notes,
          secureBoot: values.secureBoot,
          path: win32.join(text(values, 'base'), name),
        },
        secureBootTemplate: values.secureBootTemplate,
        dvds: list(values, 'dvds').map(({ bus }) => ({ bus, path: '' })),
        adapters: list(values, 'adapters').map(({ mac = '000000000000', network = '' }) => ({
          mac,
          network,
        })),
      },
    });
    return { id };
  },
  async undo({ vms, local }, values) {
    for (const vm of vms.filter(
      ({ name, more }) => name === values.name && String(more.notes).endsWith(text(values, 'mark')),
    ))
      vms.splice(vms.indexOf(vm), 1);
    for (const file of list(values, 'files'))
      for (const key of ['part', 'path']) await rm(local(text(file, key)), { force: true });
    const folder = local(text(values, 'folder'));
    if (!(await isThere(folder))) return { done: true };
    const left = await readdir(folder, { recursive: true, withFileTypes: true });
    if (!left.some((entry) => entry.isFile())) await rm(folder, { recursive: true });
    return { done: true };
  },
  async start(world, values) {
    const vm = find(world, values);
    vm.state = 'Running';
    return { state: vm.state };
  },
};

/** Puts an image there, and tells of it as Get-VHD does. */
export async function putVhd(host: FakeHyperV, path: string, image: Buffer, more: Values): Promise<void> {
  const to = host.local(path);
  await mkdir(dirname(to), { recursive: true });
  await writeFile(to, image);
  host.vhds.set(path, { format: 'VHDX', type: 'Dynamic', fileSize: image.length, sector: 512, ...more });
}

/** With changed-block tracking the server tells what is allocated; what it tells is tried before it is believed. */
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import { allocatedBytes } from '../../../src/io/disk.ts';
import { MiB } from '../../../src/model/units.ts';
import { describeWith } from '../../oracles/requires.ts';
import { pyvmomiTools, startVcsim, type Vcsim, vcsimTools } from '../../servers/vcsim.ts';
import { connected, never, vmfsDescriptor } from './connected.ts';
import { python } from './pyvmomi.ts';

const name = 'DC0_H0_VM0';
const size = 24 * MiB;

async function trackedServer(): Promise<{ server: Vcsim; bytes: Buffer }> {
  const server = await startVcsim({ running: true });
  const bytes = Buffer.alloc(size);
  randomBytes(MiB).copy(bytes, 5 * MiB + 512);
  randomBytes(512).copy(bytes, size - 512);
  await server.put(`${name}/disk1.vmdk`, vmfsDescriptor(size, 'disk1-flat.vmdk'));
  await server.put(`${name}/disk1-flat.vmdk`, bytes);
  await python(
    server,
    [
      `vm = vms["${name}"]`,
      'disk = [d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)][0]',
      `disk.capacityInBytes = ${size}; disk.capacityInKB = ${size / 1024}`,
      "change = vim.vm.device.VirtualDeviceSpec(operation='edit', device=disk)",
      'spec = vim.vm.ConfigSpec(changeTrackingEnabled=True, deviceChange=[change])',
      'WaitForTask(vm.ReconfigVM_Task(spec))',
      // It takes effect with the first snapshot.
      'WaitForTask(vm.CreateSnapshot_Task("first", "", False, False))',
      'WaitForTask(vm.RemoveAllSnapshots_Task())',
    ].join('\n'),
  );
  return { server, bytes };
}

/** What of the held machine's disk counts as data, and its content. `meanwhile` comes between hold and reading. */
async function readHeld(server: Vcsim, meanwhile: () => Promise<void> = async () => undefined) {
  const session = await connected(server, {}, { way: 'files' });
  const source = session.source!;
  const machine = await source.inspect(name, never);
  const hold = await source.hold!(machine, { runId: 'run-1', signal: never, report: () => undefined });
  await meanwhile();
  const open = await source.open(hold.machine, hold.machine.disks[0]!.id, never);
  const image = await openImage(open, { follow: false });
  const bytes = Buffer.alloc(image.size);
  await image.read(bytes, 0);
  const allocated = await allocatedBytes(image);
  await image.close();
  expect(await hold.release()).toEqual([]);
  return { allocated, bytes };
}

describeWith([...vcsimTools, ...pyvmomiTools], 'vSphere, allocated areas', () => {
  it('are asked for where changes are tracked', async () => {
    const { server, bytes } = await trackedServer();
    const read = await readHeld(server);
    expect(read.bytes.equals(bytes)).toBe(true);
    expect(read.allocated).toBe(MiB + 64 * 1024 + 64 * 1024);
  });

  it('are not believed where bytes are found in what is said to be empty', async () => {
    const { server } = await trackedServer();
    const others = randomBytes(size);
    const read = await readHeld(server, () => server.put(`${name}/disk1-flat.vmdk`, others));
    expect(read.bytes.equals(others)).toBe(true);
    expect(read.allocated).toBe(size);
  });
});

describeWith([...vcsimTools, ...pyvmomiTools], 'vSphere, a machine of two disks', () => {
  it('is exported by one lease, each disk by its place', async () => {
    const server = await startVcsim({ args: ['-trace'] });
    const file = await python(
      server,
      [
        `vm = vms["${name}"]`,
        'first = [d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)][0]',
        'disk = vim.vm.device.VirtualDisk(key=-1, controllerKey=first.controllerKey, unitNumber=1, capacityInKB=1024)',
        "disk.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName='', diskMode='persistent')",
        "change = vim.vm.device.VirtualDeviceSpec(operation='add', fileOperation='create', device=disk)",
        'WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))',
        'disks = [d for d in vm.config.hardware.device if isinstance(d, vim.vm.device.VirtualDisk)]',
        'out = [d.backing.fileName.split("] ")[1] for d in disks]',
      ].join('\n'),
    );
    const contents = [randomBytes(3 * MiB), randomBytes(2 * MiB)];
    for (const [i, path] of (file as string[]).entries()) {
      await server.put(path, vmfsDescriptor(contents[i]!.length, `flat${i}`));
      await server.put(path.replace(/[^/]*$/, `flat${i}`), contents[i]!);
    }
    const session = await connected(server, {}, { way: 'lease' });
    const machine = await session.source!.inspect(name, never);
    expect(machine.disks).toHaveLength(2);
    const images = [];
    for (const { id } of machine.disks)
      images.push(await openImage(await session.source!.open(machine, id, never), { follow: false }));
    for (const [i, image] of images.entries()) {
      const bytes = Buffer.alloc(image.size);
      await image.read(bytes, 0);
      expect(bytes.equals(contents[i]!)).toBe(true);
    }
    for (const image of images) await image.close();
    const calls = (method: string) =>
      server.output().match(new RegExp(`<${method} xmlns=`, 'g'))?.length ?? 0;
    expect(['ExportVm', 'HttpNfcLeaseComplete', 'HttpNfcLeaseAbort'].map(calls)).toEqual([1, 1, 0]);
  });
});

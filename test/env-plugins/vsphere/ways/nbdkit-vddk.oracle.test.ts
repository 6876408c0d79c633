/** Disks by nbdkit with a stand-in of the vddk plugin (see `servers/fake-vddk`), the machines at vcsim. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openImage } from '../../../../src/convert/open-image.ts';
import { rawContent, writeRaw } from '../../../conformance/images.ts';
import { describeWith } from '../../../oracles/requires.ts';
import { startVcsim, vcsimTools } from '../../../servers/vcsim.ts';
import { tempFolder } from '../../../temp.ts';
import { connected, never, vmfsDescriptor } from '../connected.ts';

const name = 'DC0_H0_VM0';

function setEnvironment(values: Record<string, string | undefined>): void {
  for (const [key, value] of Object.entries(values)) {
    const before = process.env[key];
    onTestFinished(() => {
      if (before === undefined) delete process.env[key];
      else process.env[key] = before;
    });
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
}

/** Parameters of the last nbdkit, the disk's content, and the folder with what looks like the library. */
async function withVddk(password: string) {
  const folder = await tempFolder();
  const libdir = join(folder, 'vddk');
  await mkdir(join(libdir, 'lib64'), { recursive: true });
  await writeFile(join(libdir, 'lib64', 'libvixDiskLib.so.8'), '');
  const content = rawContent('scrambled');
  const log = join(folder, 'log');
  setEnvironment({
    FAKE_VDDK_NBDKIT: execFileSync('sh', ['-c', 'command -v nbdkit'], { encoding: 'utf8' }).trim(),
    FAKE_VDDK_DISK: await writeRaw(join(folder, 'disk.raw'), content),
    FAKE_VDDK_LOG: log,
    FAKE_VDDK_PASSWORD: password,
    FAKE_VDDK_BROKEN: undefined,
    FAKE_VDDK_FILTER: undefined,
    VDDK_LIBDIR: undefined,
    PATH: `${resolve('test/servers/fake-vddk')}${delimiter}${process.env.PATH}`,
  });
  return {
    libdir,
    content,
    parameters: async () => (await readFile(log, 'utf8')).split('\n').filter(Boolean),
  };
}

async function server(running = false) {
  const vcsim = await startVcsim({ running });
  // The datastore's own file is another one: it must not be read.
  await vcsim.put(`${name}/disk1.vmdk`, vmfsDescriptor(512, 'disk1-flat.vmdk'));
  await vcsim.put(`${name}/disk1-flat.vmdk`, Buffer.alloc(512));
  return vcsim;
}

const processesOf = (text: string): string =>
  execFileSync('sh', ['-c', 'ps -eo args | grep -F -- "$1" | grep -v grep || true', 'sh', text], {
    encoding: 'utf8',
  });

describeWith([...vcsimTools, 'nbdkit', 'ps'], "VMware's library in nbdkit", () => {
  it('a machine that is off: bytes, extents, no password among the arguments, nothing left', async () => {
    const vcsim = await server();
    const { libdir, content, parameters } = await withVddk(vcsim.password);
    const session = await connected(vcsim, {}, { way: 'vddk', vddkLibdir: libdir });
    const machine = await session.source!.inspect(name, never);
    const disk = await session.source!.open(machine, machine.disks[0]!.id, never);
    const image = await openImage(disk, { follow: false });
    const bytes = Buffer.alloc(image.size);
    await image.read(bytes, 0);
    expect(bytes.equals(content)).toBe(true);
    // VDDK reads whole sectors.
    const part = Buffer.alloc(1001);
    await image.read(part, 777);
    expect(part.equals(content.subarray(777, 1778))).toBe(true);
    expect((await image.extents(0, image.size)).map((e) => e.kind)).toContain('zero');
    expect(image.info.findings.map((f) => f.message).join()).toContain('disk library (VDDK)');
    const given = await parameters();
    expect(given).toEqual(
      expect.arrayContaining([
        ...[
          'vddk',
          `libdir=${libdir}`,
          'server=127.0.0.1',
          `port=${vcsim.port}`,
          'user=operator',
          'password=-3',
        ],
        ...[`vm=moref=${machine.id}`, `file=[LocalDS_0] ${name}/disk1.vmdk`],
      ]),
    );
    expect(given.join()).not.toContain(vcsim.password);
    expect(given.join()).not.toContain('snapshot=');
    const socket = given[given.indexOf('-U') + 1]!;
    expect(processesOf(socket)).not.toBe('');
    await image.close();
    expect(processesOf(socket)).toBe('');
  });

  it('below the snapshot of one that runs; what is still open ends with the session', async () => {
    const vcsim = await server(true);
    const { libdir, parameters } = await withVddk(vcsim.password);
    setEnvironment({ VDDK_LIBDIR: libdir });
    const session = await connected(vcsim, {}, { way: 'vddk' });
    const machine = await session.source!.inspect(name, never);
    const report = () => undefined;
    const held = await session.source!.hold!(machine, { runId: 'r', signal: never, report });
    await session.source!.open(held.machine, held.machine.disks[0]!.id, never);
    const given = await parameters();
    expect(given).toContainEqual(expect.stringMatching(/^snapshot=snapshot-\d+$/));
    const socket = given[given.indexOf('-U') + 1]!;
    expect(await held.release()).toEqual([]);
    await session.close();
    expect(processesOf(socket)).toBe('');
  });

  it('says why it is none, and the next way is taken', async () => {
    const vcsim = await server();
    const { libdir } = await withVddk(vcsim.password);
    const why = async (settings: Record<string, string>) => {
      const session = await connected(vcsim, {}, settings);
      const machine = await session.source!.inspect(name, never);
      const disk = await session.source!.open(machine, machine.disks[0]!.id, never);
      await disk.source.close();
      return disk.findings!.map((f) => f.message).join();
    };
    expect(await why({})).toContain('its folder was not found here');
    expect(await why({ vddkLibdir: '/nowhere' })).toContain('no lib64/libvixDiskLib.so in /nowhere');
    setEnvironment({ FAKE_VDDK_BROKEN: 'libvixDiskLib.so.8: wrong ELF class' });
    expect(await why({ vddkLibdir: libdir })).toContain('wrong ELF class');
    setEnvironment({ FAKE_VDDK_BROKEN: undefined, FAKE_VDDK_PASSWORD: 'another' });
    expect(await why({ vddkLibdir: libdir })).toContain('Incorrect user name or password');
    setEnvironment({ PATH: '/nowhere' });
    expect(await why({ vddkLibdir: libdir })).toContain('nbdkit is not installed here');
  });

  it('an error in the middle comes with what nbdkit says', async () => {
    const vcsim = await server();
    const { libdir } = await withVddk(vcsim.password);
    setEnvironment({ FAKE_VDDK_FILTER: '--filter=error', FAKE_VDDK_MORE: 'error-pread=EIO error-rate=100%' });
    const session = await connected(vcsim, {}, { way: 'vddk', vddkLibdir: libdir });
    const machine = await session.source!.inspect(name, never);
    const { source } = await session.source!.open(machine, machine.disks[0]!.id, never);
    await expect(source.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ kind: 'io' });
    await source.close();
  });
});

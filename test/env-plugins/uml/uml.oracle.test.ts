import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { codecById } from '../../../src/codecs/registry.ts';
import { openMachineDisk } from '../../../src/convert/open-machine.ts';
import { checkHostFolder, hostDelivery } from '../../../src/env-plugins/host-delivery.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { umlPlugin } from '../../../src/env-plugins/uml/index.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import { pour } from '../../../src/io/encoded-file.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { resolveOptions } from '../../../src/model/options.ts';
import { noSecrets, testDestination } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const signal = new AbortController().signal;
const mib = 2 ** 20;

/** A root filesystem of busybox, whose init does what `steps` says. */
function rootFilesystem(folder: string, steps: string): string {
  const root = join(folder, 'root');
  for (const name of ['bin', 'dev', 'proc', 'sbin', 'etc']) mkdirSync(join(root, name), { recursive: true });
  execFileSync('cp', ['/bin/busybox', join(root, 'bin/busybox')]);
  const script = `#!/bin/busybox sh\n/bin/busybox mount -t proc proc /proc\n${steps}\n`;
  writeFileSync(join(root, 'sbin/init'), script, { mode: 0o755 });
  const image = join(folder, 'root_fs');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, image, '24M']);
  return image;
}

const kernelArgs = ['mem=64M', 'root=/dev/ubda', 'rw', 'init=/sbin/init', 'con=null', 'con0=null,fd:1'];
const running: { kill(signal: NodeJS.Signals): void }[] = [];
const home = process.env.HOME;
afterEach(() => {
  for (const machine of running.splice(0).reverse()) {
    try {
      machine.kill('SIGKILL');
    } catch {
      // it has ended
    }
  }
  process.env.HOME = home;
});

/** Starts it; resolves when its console has said `mark`. */
async function boot(folder: string, args: readonly string[], mark: string) {
  const child = spawn('linux.uml', [...kernelArgs, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true, // its processes are a group, and end together
    env: { ...process.env, TMPDIR: '/tmp', HOME: folder },
  });
  running.push({ kill: (how) => void process.kill(-child.pid!, how) });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let said = '';
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said += chunk;
      if (said.includes(mark)) resolve();
    });
    child.once('close', () =>
      said.includes(mark) ? resolve() : reject(new Error(`it ended: ${said.slice(-800)}`)),
    );
  });
  return { child, ended };
}

async function connect(folders: string): Promise<Session> {
  return umlPlugin().connect({ folders }, noSecrets());
}

/** Others may run on this computer: only what has its files in `folder`. */
async function listed(session: Session, folder: string): Promise<Machine[]> {
  const machines: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => void machines.push(machine) });
  const own = machines.filter((machine) => machine.disks.some((disk) => disk.files[0]!.startsWith(folder)));
  return own.sort((a, b) => a.name.localeCompare(b.name));
}

describeWith(['linux.uml', 'busybox', 'mke2fs', 'debugfs'], 'User Mode Linux as source', () => {
  it('what a machine wrote into its COW file is in what is read', async () => {
    const folder = await tempFolder();
    rootFilesystem(
      folder,
      '/bin/busybox echo from-uml >/etc/written\n/bin/busybox sync\n/bin/busybox echo ALL-DONE >/dev/console\n/bin/busybox halt -f',
    );
    const { ended } = await boot(folder, ['ubd0=my.cow,root_fs', 'umid=writer'], 'ALL-DONE');
    await ended;
    writeFileSync(
      join(folder, 'start.sh'),
      '#!/bin/sh\nexec linux.uml mem=64M ubd0=my.cow,root_fs umid=writer\n',
    );
    const session = await connect(folder);
    const machines = await listed(session, folder);
    expect(machines).toMatchObject([
      {
        name: 'writer',
        state: 'off',
        memoryBytes: 64 * mib,
        disks: [{ id: 'ubd0', format: 'cow', bootable: true }],
      },
    ]);
    const machine = await session.source!.inspect(machines[0]!.id, signal);
    const source = { machine: machine.id, follow: false };
    const image = await openMachineDisk(session, source, machine, 'ubd0', { signal, runId: 'test' });
    const whole = Buffer.alloc(image.size);
    await image.read(whole, 0);
    await image.close();
    const out = join(folder, 'out.raw');
    writeFileSync(out, whole);
    expect(execFileSync('debugfs', ['-R', 'cat /etc/written', out], { encoding: 'utf8' })).toBe('from-uml\n');
    await session.close();
  }, 60_000);

  it('a running machine is listed, stands still while it is held, and goes on', async () => {
    const folder = await tempFolder();
    rootFilesystem(
      folder,
      '/bin/busybox echo UP >/dev/console\nwhile :; do /bin/busybox date +%s%N >/etc/clock; /bin/busybox sync; done',
    );
    const umid = `held${process.pid}`;
    process.env.HOME = folder; // where its console's socket is
    await boot(folder, ['ubd0=run.cow,root_fs', `umid=${umid}`], 'UP');
    running.push({
      kill: () => void execFileSync('uml_mconsole', [umid, 'halt'], { stdio: 'ignore', timeout: 5000 }),
    });
    const session = await connect(folder);
    const machine = (await listed(session, folder)).find((m) => m.id === `umid:${umid}`);
    expect(machine).toMatchObject({ state: 'running', name: umid });
    const hold = await session.source!.hold!(machine!, { runId: 'r', signal, report: () => undefined });
    const cow = join(folder, 'run.cow');
    const before = readFileSync(cow);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(readFileSync(cow).equals(before)).toBe(true);
    expect(await hold.release()).toEqual([]);
    await expect.poll(() => readFileSync(cow).equals(before), { timeout: 10_000 }).toBe(false);
    await session.close();
  }, 60_000);

  it('a machine whose console does not answer is not waited for', async () => {
    const folder = await tempFolder();
    writeFileSync(join(folder, 'uml_mconsole'), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
    rootFilesystem(folder, '/bin/busybox echo UP >/dev/console\nwhile :; do /bin/busybox sleep 1; done');
    await boot(folder, ['ubd0=quiet.cow,root_fs', `umid=quiet${process.pid}`], 'UP');
    const session = await connect(folder);
    const machine = (await listed(session, folder)).find((m) => m.state === 'running');
    const path = process.env.PATH;
    process.env.PATH = `${folder}:${path}`;
    try {
      const held = session.source!.hold!(machine!, { runId: 'r', signal, report: () => undefined });
      await expect(held).rejects.toThrow(/console does not answer/);
    } finally {
      process.env.PATH = path;
    }
    await session.close();
  }, 60_000);

  it('says which setting is wrong when a folder is not there', async () => {
    const session = await connect(join(await tempFolder(), 'nothing'));
    const list = session.source!.list({ signal, found: () => undefined });
    await expect(list).rejects.toMatchObject({
      kind: 'not-found',
      hint: expect.stringContaining('"Folders"'),
    });
    await session.close();
  });

  it('lists a bare root filesystem, and not what is none', async () => {
    const folder = await tempFolder();
    rootFilesystem(folder, '');
    writeFileSync(join(folder, 'notes.txt'), 'ubd0 is a disk');
    writeFileSync(join(folder, 'zeros'), Buffer.alloc(mib));
    const session = await connect(folder);
    expect(await listed(session, folder)).toMatchObject([{ name: 'root_fs', packaging: 'root filesystem' }]);
    await session.close();
  });
});

describeWith(['linux.uml', 'busybox', 'mke2fs'], 'User Mode Linux as destination', () => {
  const steps = '/bin/busybox echo UP-AND-RUNNING >/dev/console\nwhile :; do /bin/busybox sleep 1; done';

  it.each(['raw', 'cow'])(
    'what it delivers as %s starts',
    async (format) => {
      const folder = await tempFolder();
      const image = rootFilesystem(folder, steps);
      const target = join(folder, "it's here");
      const session = await connect(folder);
      const request = {
        name: `t${process.pid}${format}`,
        machine: { ...(await session.source!.inspect(image, signal)), memoryBytes: 64 * mib },
        settings: { folder: target },
        force: false,
        sync: false,
        runId: 'test',
        signal,
      };
      const disk = sourceDisk(await fileSource(image));
      const { encoder } = codecById(format);
      const files = await encoder!.encode(disk, `a disk.${format}`, resolveOptions(encoder!.options, {}));
      expect(
        await session.destination!.check(
          request,
          files.map((file) => file.name),
          2 ** 20,
        ),
      ).toEqual([]);
      const delivery = await session.destination!.begin(request);
      for (const file of files) await pour(file, await delivery.sink(file));
      const places = await delivery.commit();
      const start = places.at(-1)!;
      expect(start).toBe(join(target, `${request.name}.uml.sh`));
      expect(await delivery.start!(signal)).toBe('running');
      const [process_] = (await listed(session, folder)).filter((m) => m.id === `umid:${request.name}`);
      expect(process_).toMatchObject({ state: 'running', memoryBytes: 64 * mib });
      running.push({
        kill: () =>
          void execFileSync('uml_mconsole', [request.name, 'halt'], { stdio: 'ignore', timeout: 5000 }),
      });
      await expect
        .poll(() => readFileSync(`${start}.log`, 'latin1'), { timeout: 20_000 })
        .toContain('UP-AND-RUNNING');
      await session.close();
      await disk.close();
    },
    60_000,
  );
});

testDestination('a folder of a host', async () => {
  const folder = await tempFolder();
  const host = localHost();
  const names = async () => readdirSync(folder);
  return {
    session: {
      destination: {
        check: (request, files, bytes) => checkHostFolder(host, folder, request, files, bytes),
        begin: (request) => hostDelivery(host, folder, request),
      },
      close: async () => undefined,
    },
    settings: { folder },
    names,
    visible: async () =>
      Object.fromEntries(
        (await names())
          .filter((name) => !name.startsWith('.'))
          .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
      ),
  };
});

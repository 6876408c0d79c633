/** A machine's way: into libvirt, out of it over SSH, from one libvirt to another; and it boots there. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { busSession, keyringTools, startKeyring } from '../servers/keyring.ts';
import { type Libvirtd, libvirtdTools, useLibvirtd } from '../servers/libvirtd.ts';
import { serialConsole } from '../servers/serial-console.ts';
import { addUser, canAddUsers, sshdTools, startSshd } from '../servers/sshd.ts';
import { tinyGuest, tinyGuestTools } from '../servers/tiny-guest.ts';
import { choose, turn, type } from './configure.ts';
import { holds, noKeychain, place as screenPlace } from './credentials-place.ts';
import { place } from './program.ts';
import type { Terminal } from './tmux.ts';

const run = promisify(execFile);
const loginSeconds = 120;

/** A pool of directories in the libvirt's own folder. */
async function addPool(libvirtd: Libvirtd, name: string): Promise<string> {
  const folder = join(libvirtd.folder, name);
  await mkdir(folder, { recursive: true, mode: 0o777 });
  await libvirtd.virsh('pool-define-as', name, 'dir', '--target', folder);
  await libvirtd.virsh('pool-start', name);
  return folder;
}

async function expectLogin(libvirtd: Libvirtd, domain: string): Promise<void> {
  const console = await serialConsole(libvirtd, domain);
  await console.type('\n');
  await console.waitFor(/tiny login:/, loginSeconds);
  await libvirtd.virsh('destroy', domain);
}

const into = (libvirtd: Libvirtd, pool: string) => [
  '--to-env',
  'libvirt',
  '--to-set',
  `uri=${libvirtd.uri}`,
  '--to-set',
  `pool=${pool}`,
  // KVM can be there and not work, as within some machines.
  '--to-set',
  'acceleration=none',
];

describeWith([...libvirtdTools, ...tinyGuestTools, ...sshdTools], 'a guest on its way, headless', () => {
  const first = useLibvirtd();
  const second = useLibvirtd();

  it('goes from a file to libvirt, over SSH to a file, and to another libvirt, where it boots', async () => {
    const here = await place();
    const image = await tinyGuest();
    await addPool(first(), 'start');
    const pool = await addPool(second(), 'goal');
    const made = await here.run([
      'convert',
      image,
      ...into(first(), 'start'),
      ...['--name', 'tiny', '--memory', '320M', '--cpus', '2', '--start'],
    ]);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    expect(made.stderr).toContain('started: running');
    await expectLogin(first(), 'tiny');

    const server = await startSshd();
    const home = here.folder;
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    const env = { HOME: home, SSH_AUTH_SOCK: '' };
    const far = [
      ...['--env', 'libvirt', '--setting', 'host=127.0.0.1', '--setting', `port=${server.port}`],
      ...['--setting', `user=${server.user}`, '--setting', `keyFile=${server.key}`],
      ...['--setting', `uri=${first().uri}`],
    ];
    const listed = await here.run(['list', ...far], { env });
    expect(listed.stdout).toMatch(/tiny .*qcow2/);
    const file = await here.run(['convert', ...far, 'tiny', '--to', here.path('tiny.vmdk')], { env });
    expect(file, file.stderr).toMatchObject({ code: 0 });
    const { stdout } = await run('qemu-img', ['info', '--output=json', here.path('tiny.vmdk')]);
    expect(JSON.parse(stdout)).toMatchObject({ format: 'vmdk' });

    const moved = await here.run(['convert', ...far, 'tiny', ...into(second(), 'goal'), '--start'], { env });
    expect(moved, moved.stderr).toMatchObject({ code: 0 });
    expect(moved.stderr).toContain('started: running');
    const xml = await second().virsh('dumpxml', 'tiny');
    expect(xml).toMatch(/<vcpu[^>]*>2</);
    expect(xml).toContain(pool);
    await expectLogin(second(), 'tiny');
    await compareImages(here.path('tiny.vmdk'), 'vmdk', join(first().folder, 'start', 'tiny.qcow2'), 'qcow2');
  }, 400_000);
});

/** Answers the form's fields from the first on; what has no answer stays as it is. */
async function fill(terminal: Terminal, values: readonly (string | undefined)[]): Promise<void> {
  for (const [i, value] of values.entries()) {
    if (i > 0) await terminal.send('Tab');
    if (value === undefined) continue;
    await terminal.send('C-u');
    await terminal.type(value);
  }
}

describeWith(
  [...libvirtdTools, ...tinyGuestTools, ...sshdTools, ...keyringTools, 'tmux', 'script'],
  'a guest on its way, in the terminal',
  () => {
    const libvirtd = useLibvirtd();

    it.skipIf(!canAddUsers)(
      'by a new profile with its secret in the keyring, from libvirt behind SSH to the same, where it boots',
      async () => {
        const here = await screenPlace();
        await addPool(libvirtd(), 'start');
        const headless = await place();
        const made = await headless.run([
          'convert',
          await tinyGuest(),
          ...into(libvirtd(), 'start'),
          '--name',
          'tiny',
        ]);
        expect(made, made.stderr).toMatchObject({ code: 0 });
        const { name, password } = addUser(here.folder);
        await run('chmod', ['755', here.folder]);
        const server = await startSshd({ config: ['PasswordAuthentication yes', 'PubkeyAuthentication no'] });
        const session = await busSession();
        await startKeyring(session, 'the keyring');
        const { DBUS_SESSION_BUS_ADDRESS: bus = '', XDG_RUNTIME_DIR: runtime = '' } = session.env;

        const terminal = await here.open({
          ...noKeychain,
          DBUS_SESSION_BUS_ADDRESS: bus,
          XDG_RUNTIME_DIR: runtime,
        });
        await terminal.until('Continue without credentials');
        await terminal.until('keychain');
        await terminal.send('a');
        await terminal.until('of which environment');
        await terminal.send('Down');
        await terminal.send('Enter');
        await terminal.until('Add: KVM / libvirt');
        await fill(terminal, ['lab', '127.0.0.1', String(server.port), name, password]);
        // Key file, its passphrase, jump hosts, old algorithms, sudo, its password; then the URI.
        for (let i = 0; i < 7; i++) await terminal.send('Tab');
        await terminal.send('C-u');
        await terminal.type(libvirtd().uri);
        await terminal.send('Enter');
        await terminal.until(/lab +KVM/);
        const stored = await run('secret-tool', ['search', '--all', 'service', 'vmferry'], {
          env: session.env,
        }).catch(() => ({ stdout: '', stderr: '' }));
        expect(stored.stdout + stored.stderr).toContain(password);
        await terminal.send('Down');
        await terminal.send('Enter');
        await terminal.until(/KVM \/ libvirt +lab/);
        await terminal.send('Enter');
        await terminal.until(/\[y\]/);
        await terminal.send('y');
        await terminal.until(/tiny +not recognised/, 60);
        await terminal.send('Enter');
        await terminal.until('Destination');
        await choose(terminal, 'Destination', 'lab');
        await terminal.until(/Storage pool +start/);
        await turn(terminal, 'Acceleration', 'none');
        await type(terminal, 'Name', 'moved');
        await type(terminal, 'Memory', '320M');
        await turn(terminal, 'Start afterwards', 'yes');
        await terminal.until(/Ready to start/);
        await terminal.send('g');
        await terminal.until('[y] start');
        await terminal.send('y');
        await terminal.until('DONE', 60);
        await terminal.until('started: running');
        await expectLogin(libvirtd(), 'moved');
        expect(holds(await here.printed(), [password])).toBe(false);
      },
      240_000,
    );
  },
);

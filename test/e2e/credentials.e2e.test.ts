/** Credentials from end to end: kept, locked, used, deleted, and never to be found where they must not be. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeWith } from '../oracles/requires.ts';
import { busSession, keyringTools, startKeyring } from '../servers/keyring.ts';
import { addUser, canAddUsers, type Sshd, sshdTools, startSshd } from '../servers/sshd.ts';
import { tempFolder } from '../temp.ts';
import {
  filesWith,
  holds,
  noKeychain,
  type Place,
  place,
  processTexts,
  program,
} from './credentials-place.ts';
import type { Terminal } from './tmux.ts';

const run = promisify(execFile);
const passphrase = 'correct horse 7 battery';

interface Host {
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly folder: string;
  readonly server: Sshd;
}

/** An sshd that wants a password, and a disk image there. */
async function hostWithPassword(): Promise<Host> {
  const home = await tempFolder();
  await chmod(home, 0o755);
  const { name, password } = addUser(home);
  const folder = join(home, 'images');
  await mkdir(folder, { mode: 0o755 });
  await writeFile(join(folder, 'mail.raw'), Buffer.alloc(3 << 20, 'mail'), { mode: 0o644 });
  const server = await startSshd({ config: ['PasswordAuthentication yes', 'PubkeyAuthentication no'] });
  return { port: server.port, user: name, password, folder, server };
}

const nowhere: Omit<Host, 'server'> = {
  port: 9,
  user: 'operator',
  password: 'never to be seen 31',
  folder: '/srv',
};

/** From the list of profiles to the filled form, sent. */
async function addProfile(terminal: Terminal, name: string, host: Omit<Host, 'server'>): Promise<void> {
  await terminal.until('Continue without credentials');
  await terminal.send('a');
  await terminal.until('of which environment');
  await terminal.send('Enter');
  await terminal.until('Add: Disk files over SSH');
  const asItIs = ''; // key file, its passphrase, jump hosts, old algorithms
  const values = [name, '127.0.0.1', String(host.port), host.user, host.password];
  values.push(asItIs, asItIs, asItIs, asItIs, host.folder);
  for (const [i, value] of values.entries()) {
    if (i > 0) await terminal.send('Tab');
    await terminal.send('C-u');
    if (value !== '') await terminal.type(value);
  }
  await terminal.until(host.folder);
  await terminal.send('Enter');
}

async function makeVault(terminal: Terminal): Promise<void> {
  await terminal.until('A passphrase for the new vault');
  await terminal.type(passphrase);
  await terminal.send('Tab');
  await terminal.type(passphrase);
  await terminal.send('Enter');
}

async function unlock(terminal: Terminal, text: string): Promise<void> {
  await terminal.until('Unlock the vault');
  await terminal.type(text);
  await terminal.send('Enter');
}

async function quit(terminal: Terminal): Promise<void> {
  await terminal.send('q');
  await terminal.until('ended with 0');
}

/** The only profile's id, from its file. */
async function profileId({ home }: Place): Promise<string> {
  const text = await readFile(join(home, 'config', 'profiles.json'), 'utf8');
  return /"id":\s*"([^"]+)"/.exec(text)![1]!;
}

async function expectNowhere(of: Place, secrets: readonly string[]): Promise<void> {
  expect(holds(await of.printed(), secrets)).toBe(false);
  expect([...of.seen].filter((text) => text.includes('cli.js')).length).toBeGreaterThan(0);
  expect([...of.seen].filter((text) => holds(text, secrets))).toEqual([]);
  expect(await filesWith(of.home, secrets)).toEqual([]);
  expect(await filesWith(of.folder, secrets)).toEqual([]);
}

describeWith(['tmux', 'script', ...sshdTools], 'a host without a keychain', () => {
  const left = canAddUsers ? '' : ' (left out: only root can add a user with a password)';

  it.skipIf(!canAddUsers)(`keeps a password in the vault, over a restart, and uses it${left}`, async () => {
    const host = await hostWithPassword();
    const here = await place();
    const first = await here.open();
    await first.until('an encrypted file');
    await addProfile(first, 'lab', host);
    await makeVault(first);
    await first.until(/❯ lab +Disk files over SSH/);
    await quit(first);

    const second = await here.open();
    await second.until('locked: u unlocks it');
    await second.send('Down');
    await second.until(/❯ lab/);
    await second.until("Its password can't be used yet");
    await second.send('t');
    await second.until('Not now: the vault is not open; u opens it');
    await second.send('u');
    await unlock(second, 'the wrong one');
    await second.until(/! .*passphrase/);
    await unlock(second, passphrase);
    await second.until(/❯ lab/);
    await second.send('t');
    await second.until('SHA256:');
    await second.send('y');
    await second.until('test passed');
    await second.send('d');
    await second.until('Delete "lab" and its secrets?');
    await second.send('y');
    await second.until('1 row');
    await quit(second);
    await expectNowhere(here, [host.password, passphrase]);
  });

  it('keeps nothing but in memory when that is chosen, and says so', async () => {
    const here = await place();
    const first = await here.open();
    await first.until('an encrypted file');
    await first.send('s');
    await first.until('Where secrets are kept');
    await first.send('m');
    await first.until(/❯ memory only/);
    await first.send('Enter');
    await first.until(/kept in: memory only.*chosen by you/);
    await addProfile(first, 'lab', nowhere);
    await first.until(/❯ lab +Disk files over SSH/);
    await quit(first);
    expect(existsSync(join(here.home, 'config', 'vault.json'))).toBe(false);

    const second = await here.open();
    await second.until(/kept in: memory only.*chosen by you/);
    await second.until(/lab +Disk files over SSH/);
    await quit(second);
    await expectNowhere(here, [nowhere.password]);
  });

  it.skipIf(!canAddUsers)(
    `leaves no trace of a secret in a whole run, on screens or without${left}`,
    async () => {
      const host = await hostWithPassword();
      const here = await place();
      const wrong = 'not the password 99';
      const terminal = await here.open();
      await addProfile(terminal, 'lab', host);
      await makeVault(terminal);
      await terminal.until(/❯ lab +Disk files over SSH/);
      await terminal.send('Down', 'Enter');
      await terminal.until('[2 Environment]');
      await terminal.send('Enter');
      await terminal.until('SHA256:');
      await terminal.send('y');
      await terminal.until(/mail .*raw/);
      await terminal.send('Enter');
      await terminal.until('Ready to start');
      await terminal.send('g');
      await terminal.until('[y] start');
      await terminal.send('y');
      await terminal.until('DONE mail');
      await terminal.send('h');
      // The run's own log has these words as well.
      await terminal.until(/done +mail to qcow2/);
      await terminal.send('Enter');
      await terminal.until('Plan');
      await quit(terminal);
      expect(existsSync(join(here.folder, 'mail.qcow2'))).toBe(true);

      const image = `lab:${join(host.folder, 'mail.raw')}`;
      const printed: string[] = [];
      const headless = async (args: string[], secrets: Record<string, string>) => {
        const env = {
          ...process.env,
          ...noKeychain,
          HOME: here.folder,
          VMFERRY_HOME: here.home,
          VMFERRY_DEBUG: '1',
        };
        const options = { cwd: here.folder, env: { ...env, ...secrets } };
        const ended = await new Promise<string>((done) => {
          const child = execFile(process.execPath, [program, ...args], options, (error, out, err) => {
            clearInterval(timer);
            printed.push(out, err);
            done(`${error?.code ?? 0}`);
          });
          // Its environment has what the caller put there: only what it starts itself is looked at.
          const timer = setInterval(() => {
            for (const text of processTexts(child.pid!)) here.seen.add(text.slice(0, text.indexOf('\n')));
          }, 20);
        });
        return ended;
      };
      const byPassword = ['--secret', 'password=env:LAB_PASSWORD'];
      const given = { LAB_PASSWORD: host.password };
      expect(await headless(['list', 'lab', '--json', ...byPassword], given)).toBe('0');
      expect(
        await headless(['convert', image, '--to', 'a.vmdk', '--json', ...byPassword], given),
        printed.join(''),
      ).toBe('0');
      const byVault = ['--vault-passphrase', 'env:VAULT'];
      expect(
        await headless(['convert', image, '--to', 'b.ova', '--json', ...byVault], { VAULT: passphrase }),
      ).toBe('0');
      expect(await headless(['plan', image, '--to', 'c.vhd', ...byPassword], given)).toBe('0');
      expect(
        await headless(['convert', image, '--to', 'd.raw', '--json', ...byPassword], { LAB_PASSWORD: wrong }),
      ).toBe('1');
      expect(await headless(['inspect', image, ...byVault], { VAULT: wrong })).toBe('1');
      expect(await headless(['history', '--json'], {})).toBe('0');
      expect(await headless(['doctor'], {})).toBe('0');

      expect(holds(printed.join('\n'), [host.password, passphrase, wrong])).toBe(false);
      expect(printed.join('\n')).toContain('mail');
      await expectNowhere(here, [host.password, passphrase, wrong]);
      // What the test would not see if it looked wrongly: the password is where sshd's own user has it, and here.
      expect(holds(`x${Buffer.from(host.password).toString('base64')}`, [host.password])).toBe(true);
    },
  );
});

describeWith(['tmux', 'script', ...keyringTools, 'gdbus'], 'a host with a keyring', () => {
  it('keeps a password there and nowhere else, and takes it out again', async () => {
    const session = await busSession();
    await startKeyring(session, 'login');
    const bus = { DBUS_SESSION_BUS_ADDRESS: session.env.DBUS_SESSION_BUS_ADDRESS! };
    const here = await place();
    const terminal = await here.open(bus);
    await terminal.until('kept in: the system keychain');
    await addProfile(terminal, 'lab', nowhere);
    await terminal.until(/❯ lab +Disk files over SSH/);
    const account = `profile:${await profileId(here)}:password`;
    const lookup = async () =>
      run('secret-tool', ['lookup', 'service', 'vmferry', 'account', account], { env: session.env }).then(
        ({ stdout }) => stdout,
        () => undefined,
      );
    expect(await lookup()).toBe(nowhere.password);
    await terminal.send('d');
    await terminal.until('Delete "lab" and its secrets?');
    await terminal.send('y');
    await terminal.until('1 row');
    expect(await lookup()).toBeUndefined();
    await quit(terminal);
    await expectNowhere(here, [nowhere.password]);
  });
});

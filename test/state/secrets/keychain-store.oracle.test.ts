/** Against a real gnome-keyring, with secret-tool as the second reader and writer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { chooseStore } from '../../../src/state/secrets/choose-store.ts';
import { KeychainStore } from '../../../src/state/secrets/keychain-store.ts';
import { VaultStore } from '../../../src/state/secrets/vault-store.ts';
import { describeWith } from '../../oracles/requires.ts';
import { busSession, keyringTools, startKeyring, stop } from '../../servers/keyring.ts';
import { tempFolder } from '../../temp.ts';

const account = 'profile:1:password';
const secret = 'hunter2 é ☃ "$(x)\nsecond line ';

function keychain(env: NodeJS.ProcessEnv): KeychainStore {
  const store = new KeychainStore({ env });
  onTestFinished(() => store.close());
  return store;
}

async function secretTool(env: NodeJS.ProcessEnv, args: string[], input = ''): Promise<string> {
  const child = spawn('secret-tool', args, { env, stdio: ['pipe', 'pipe', 'ignore'] });
  child.stdin.end(input);
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return printed;
}
const attributes = ['service', 'vmferry', 'account', account];

describeWith([...keyringTools, 'gdbus'], 'a real keyring', () => {
  it('keeps what we store, over its restart, and gives us what another program stored', async () => {
    const session = await busSession();
    const { env } = session;
    const first = await startKeyring(session, 'login');
    const store = keychain(env);
    await store.probe();
    expect(await store.get(account)).toBeUndefined();
    await store.set(account, secret);
    expect(await store.get(account)).toBe(secret);
    expect(await secretTool(env, ['lookup', ...attributes])).toBe(secret);
    await stop(first);
    await startKeyring(session, 'login');
    expect(await keychain(env).get(account)).toBe(secret);
    await secretTool(env, ['clear', ...attributes]);
    expect(await store.get(account)).toBeUndefined();
    const schema = ['xdg:schema', 'org.freedesktop.Secret.Generic'];
    await secretTool(env, ['store', '--label=x', ...attributes, ...schema], 'theirs');
    expect(await store.get(account)).toBe('theirs');
    expect(await secretTool(env, ['search', '--all', 'service', 'vmferry'])).toContain('theirs');
    await store.delete(account);
    await store.delete(account);
    expect(await secretTool(env, ['lookup', ...attributes])).toBe('');
    // The probe left nothing behind.
    expect(await secretTool(env, ['search', '--all', 'service', 'vmferry'])).toBe('');
  });

  it('that is locked is said, and the vault is taken', async () => {
    const session = await busSession();
    const open = await startKeyring(session, 'login');
    await keychain(session.env).set(account, secret);
    await stop(open);
    await startKeyring(session);
    const store = keychain(session.env);
    await expect(store.probe()).rejects.toMatchObject({ kind: 'auth', message: /locked/ });
    const vault = new VaultStore(join(await tempFolder(), 'vault.json'));
    const chosen = await chooseStore({ preference: 'auto', keychain: store, vault, canAsk: true });
    expect(chosen).toMatchObject({ store: vault, needs: 'new-passphrase' });
    expect(chosen.tried[0]!.reason).toMatch(/locked/);
  });

  it('that is missing, or whose bus is missing or dead, is said in the words of the system', async () => {
    const session = await busSession();
    const none = keychain(session.env);
    await expect(none.probe()).rejects.toMatchObject({
      kind: 'unreachable',
      message: /org\.freedesktop\.secrets/,
    });
    const { DBUS_SESSION_BUS_ADDRESS: _, ...noBus } = session.env;
    await expect(keychain(noBus).probe()).rejects.toMatchObject({ kind: 'unreachable', message: /D-Bus/ });
    await stop(session.bus);
    await expect(keychain(session.env).probe()).rejects.toMatchObject({
      kind: 'unreachable',
      message: /Could not connect/,
    });
  });

  it('that stops in the middle hangs nothing', async () => {
    const session = await busSession();
    const daemon = await startKeyring(session, 'login');
    const store = new KeychainStore({ env: session.env, timeoutMs: 300 });
    onTestFinished(() => store.close());
    await store.set(account, secret);
    daemon.kill('SIGSTOP');
    await expect(store.get(account)).rejects.toMatchObject({
      kind: 'unreachable',
      message: /did not answer/,
    });
    daemon.kill('SIGCONT');
    expect(await keychain(session.env).get(account)).toBe(secret);
  });
});

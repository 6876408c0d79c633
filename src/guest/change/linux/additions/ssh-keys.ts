/** Keys that may log in by SSH, put behind those that may already. */
import { AppError } from '../../../../model/errors.ts';
import type { Finding } from '../../../../model/finding.ts';
import type { Editor } from '../../tree.ts';
import type { LinuxChange } from '../context.ts';
import { type GuestUser, noSuchUser, userOf } from './users.ts';

/** sshd(8), AUTHORIZED_KEYS FILE FORMAT: options, type, base64, comment. */
const keyLine =
  /^(?:[^\0-\x1f]*[ \t,])?(ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)(?:-cert-v01@openssh\.com)?[ \t]+([A-Za-z0-9+/]+=*)(?:[ \t][^\0-\x1f]*)?$/;

export const addSshKeys: LinuxChange = async (tree, { wish }) => {
  const findings: Finding[] = [];
  for (const { user: name, keys } of wish.add?.sshKeys ?? []) {
    const user = await userOf(tree.view, name);
    if (user === undefined) {
      findings.push(noSuchUser(name, 'SSH keys'));
      continue;
    }
    const path = await authorizedKeys(tree.view, user);
    if (path === undefined) {
      findings.push(elsewhere(user));
      continue;
    }
    await tree.change(
      {
        id: `ssh-keys.${name}`,
        title: `${name} may log in with ${keys.length === 1 ? 'an SSH key' : `${keys.length} SSH keys`}`,
        reason: 'as it was asked for',
        need: 'asked',
      },
      (editor) => addTo(editor, path, user, keys.map(checked)),
    );
  }
  return findings;
};

function checked(line: string): string {
  const key = line.trim();
  if (!keyLine.test(key))
    throw new AppError('usage', `no public SSH key: ${JSON.stringify(key.slice(0, 60))}`, {
      hint: 'give the line of a .pub file',
    });
  return key;
}

async function addTo(editor: Editor, path: string, { uid, gid }: GuestUser, keys: readonly string[]) {
  const before = (await editor.bytes(path))?.toString('latin1');
  const material = (line: string) => keyLine.exec(line.trim())?.[2];
  const there = new Set((before ?? '').split('\n').map(material));
  const added: string[] = [];
  for (const key of keys) {
    if (there.has(material(key))) continue;
    there.add(material(key));
    added.push(`${Buffer.from(key, 'utf8').toString('latin1')}\n`);
  }
  if (added.length === 0) return;
  const folder = path.slice(0, path.lastIndexOf('/'));
  await editor.folder(folder, { mode: 0o700, uid, gid });
  const start = before === undefined || before === '' || before.endsWith('\n') ? before : `${before}\n`;
  const content = Buffer.from((start ?? '') + added.join(''), 'latin1');
  await editor.write(path, content, before === undefined ? { mode: 0o600, uid, gid } : {});
}

/** Where sshd looks; undefined where that is no file of this user's own. */
async function authorizedKeys(view: Pick<Editor, 'text' | 'real'>, user: GuestUser) {
  const config = (await view.text('/etc/ssh/sshd_config')) ?? '';
  // The first one counts; behind a Match it is for some only.
  const [general] = config.split(/^\s*Match\s/im);
  const given = /^\s*AuthorizedKeysFile\s+"?([^\s"#]+)/im.exec(general!)?.[1] ?? '.ssh/authorized_keys';
  if (given.toLowerCase() === 'none') return undefined;
  const named = given.replace(/%([%hu])/g, (_all, letter: string) =>
    letter === 'h' ? user.home : letter === 'u' ? user.name : '%',
  );
  const own = !given.startsWith('/') || given.startsWith('%h');
  const path = await view.real(named.startsWith('/') ? named : `${user.home}/${named}`);
  const home = await view.real(user.home);
  // A link that the user made may lead to a file of somebody else.
  if (own && !path.startsWith(`${home === '/' ? '' : home}/`)) return undefined;
  return given.includes('%u') || own ? path : undefined;
}

const elsewhere = ({ name }: GuestUser): Finding => ({
  rule: 'guest.ssh-keys',
  severity: 'blocker',
  message: `the SSH keys of ${name} lie where no other user's may be touched, or are not looked at`,
  evidence: 'AuthorizedKeysFile in /etc/ssh/sshd_config, or a link in the home',
  remedy: 'add the keys inside the guest',
});

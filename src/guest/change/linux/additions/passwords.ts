/** A user's password. It is asked for here, and only its hash leaves this file. */
import { AppError } from '../../../../model/errors.ts';
import type { Finding } from '../../../../model/finding.ts';
import type { LinuxChange } from '../context.ts';
import { sha512Crypt } from './sha512-crypt.ts';
import { noSuchUser, userOf } from './users.ts';

const path = '/etc/shadow';
const maxBytes = 512;

export const setPasswords: LinuxChange = async (tree, { wish, password }) => {
  const findings: Finding[] = [];
  for (const name of wish.add?.passwordsOf ?? []) {
    if ((await userOf(tree.view, name)) === undefined) {
      findings.push(noSuchUser(name, 'password'));
      continue;
    }
    const shadow = (await tree.view.bytes(path))?.toString('latin1');
    if (shadow === undefined || password === undefined) {
      findings.push(cannot(name, shadow === undefined ? `it has no ${path}` : 'nobody gave one'));
      continue;
    }
    await tree.change(
      {
        id: `password.${name}`,
        title: `The password of ${name} is set`,
        reason: 'as it was asked for',
        need: 'asked',
      },
      async (editor) => {
        const changed = withPassword(shadow, name, hashOf(await password(name), name), today());
        await editor.write(path, Buffer.from(changed, 'latin1'), { secret: true });
      },
    );
  }
  return findings;
};

function hashOf(password: string, user: string): string {
  const bytes = Buffer.byteLength(password);
  if (bytes === 0 || bytes > maxBytes || /[\0\r\n]/.test(password))
    throw new AppError('usage', `the password is empty, has lines, or more than ${maxBytes} bytes`, {
      where: `user ${user}`,
    });
  return sha512Crypt(password);
}

const today = () => Math.floor(Date.now() / 86_400_000);

/** shadow(5): name, hash, day of the last change, and six more. `text` is Latin-1, to keep every byte. */
export function withPassword(text: string, name: string, hash: string, day: number): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`${name}:`));
  if (at < 0) {
    const end = lines.at(-1) === '' ? lines.length - 1 : lines.length;
    return [...lines.slice(0, end), `${name}:${hash}:${day}:0:99999:7:::`, ''].join('\n');
  }
  const fields = lines[at]!.split(':');
  fields[1] = hash;
  fields[2] = String(day);
  return lines.with(at, fields.join(':')).join('\n');
}

const cannot = (name: string, why: string): Finding => ({
  rule: 'guest.password',
  severity: 'blocker',
  message: `the password of ${name} can't be set in the guest: ${why}`,
  remedy: 'leave it out, or set it in the guest',
});

/** What an operator says of a guest's additions, from text. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { AppError } from './errors.ts';

/** A path on this computer; `~` is the user's own folder. */
export const pathHere = (path: string): string =>
  path === '~' || path.startsWith('~/') ? resolve(homedir(), `.${path.slice(1)}`) : resolve(path);

/** @throws AppError `usage`. */
export function parseHostname(name: string): string {
  const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
  if (name.length <= 253 && name.split('.').every((part) => label.test(part))) return name;
  throw new AppError('usage', `"${name}" is no name of a host`, {
    hint: 'letters, digits and "-", in parts of at most 63 with "." between',
  });
}

/** `FROM:TO`. @throws AppError `usage`. */
export function parseCopy(text: string): { from: string; to: string } {
  const at = text.lastIndexOf(':');
  const to = text.slice(at + 1);
  if (at > 0 && to.startsWith('/')) return { from: pathHere(text.slice(0, at)), to };
  throw new AppError('usage', `"${text}" is not FROM:TO`, {
    hint: 'TO is an absolute path in the guest, such as ./motd:/etc/motd',
  });
}

/** `USER:FILE`. @throws AppError `usage`. */
export function parseKeyFile(text: string): { user: string; file: string } {
  const at = text.indexOf(':');
  if (at > 0 && at < text.length - 1)
    return { user: text.slice(0, at), file: pathHere(text.slice(at + 1).trim()) };
  throw new AppError('usage', `"${text}" is not USER:FILE`, {
    hint: 'such as root:~/.ssh/id_ed25519.pub',
  });
}

/** Whether a list such as `GuestPlan.without` names it: by its id, or by what is before its first point. */
export const namesChange = (list: readonly string[], id: string): boolean =>
  list.includes(id) || list.includes(id.split('.')[0]!);

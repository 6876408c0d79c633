/** The lines of an OpenSSH client configuration, ssh_config(5): keyword, arguments, quotes, patterns, included files. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';

export interface ConfigLine {
  /** In small letters. */
  readonly keyword: string;
  readonly args: readonly string[];
  /** All that follows the keyword, as it stands: a command is not split. */
  readonly rest: string;
  /** `file:line`. */
  readonly where: string;
}

const largestBytes = 4 * 1024 * 1024;

/** No lines for a file that is not there. @throws AppError for one that can't be read, or that others may write to. */
export async function configLines(path: string, mustBeOurs: boolean): Promise<ConfigLine[]> {
  try {
    const { size, mode, uid } = await stat(path);
    if (size > largestBytes) {
      throw new AppError('unsupported', 'this is too large for a configuration of ssh', { where: path });
    }
    // It may name commands to run: ssh refuses such a file as well.
    const own = process.getuid?.();
    if (mustBeOurs && own !== undefined && ((uid !== own && uid !== 0) || (mode & 0o022) !== 0)) {
      throw new AppError(
        'auth',
        'this configuration of ssh belongs to, or can be changed by, somebody else',
        {
          where: path,
          hint: `make it yours: chmod go-w ${path}`,
        },
      );
    }
    return linesIn(await readFile(path, 'utf8'), path);
  } catch (error) {
    const failure = toAppError(error);
    if (failure.kind === 'not-found') return [];
    throw failure;
  }
}

export function linesIn(text: string, file: string): ConfigLine[] {
  return text.split('\n').flatMap((raw, index) => {
    const line = raw.trim();
    const found = /^([A-Za-z0-9]+)(?:\s*=\s*|\s+)(.*)$/.exec(line);
    if (found === null || line.startsWith('#')) return [];
    const rest = found[2]!;
    const args = splitArgs(rest);
    if (args.length === 0) return [];
    return [{ keyword: found[1]!.toLowerCase(), args, rest, where: `${file}:${index + 1}` }];
  });
}

/** Words, some of them quoted; `#` where a word could begin starts a comment. An open quote ends with the line. */
export function splitArgs(text: string): string[] {
  const args: string[] = [];
  for (let at = 0; at < text.length; ) {
    const char = text[at]!;
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    if (char === '#') break;
    let word = '';
    let quote = '';
    for (; at < text.length; at++) {
      const c = text[at]!;
      const next = text[at + 1];
      if (c === '\\' && next !== undefined && /["'\\]/.test(next)) {
        word += next;
        at++;
      } else if (quote === '' && (c === '"' || c === "'")) quote = c;
      else if (c === quote) quote = '';
      else if (quote === '' && /\s/.test(c)) break;
      else word += c;
    }
    args.push(word);
  }
  return args;
}

/** Whether one of the patterns fits and none with `!` does. */
export function matchesList(patterns: readonly string[], name: string): boolean {
  let found = false;
  for (const pattern of patterns) {
    if (pattern.startsWith('!')) {
      if (matchesPattern(pattern.slice(1), name)) return false;
    } else if (matchesPattern(pattern, name)) found = true;
  }
  return found;
}

/** `*` and `?`, ssh_config(5), PATTERNS. Never more steps than the lengths multiplied, whatever the pattern. */
export function matchesPattern(pattern: string, name: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  for (let i = 0; i < name.length; ) {
    const char = pattern[at];
    if (char === '*') {
      star = at++;
      resume = i;
    } else if (char === '?' || char === name[i]) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1; // the last star takes one more
      i = ++resume;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(at));
}

/** The files that the name of an `Include` means, in name order. */
export async function includedFiles(
  pattern: string,
  folders: { readonly home: string; readonly base: string },
): Promise<string[]> {
  const tilde = pattern.startsWith('~/') ? join(folders.home, pattern.slice(2)) : pattern;
  const full = isAbsolute(tilde) ? tilde : join(folders.base, tilde);
  let found = ['/'];
  for (const part of full.split('/').filter((p) => p !== '')) {
    if (!/[*?[]/.test(part)) {
      found = found.map((folder) => join(folder, part));
      continue;
    }
    const lists = await Promise.all(
      found.map(async (folder) => {
        const names = await readdir(folder).catch(() => []);
        return names.filter((name) => matchesGlob(part, name)).map((name) => join(folder, name));
      }),
    );
    found = lists.flat().sort();
  }
  return found;
}

const source = (pattern: string): string =>
  pattern
    .replace(/[\\^$.+()[\]{}|]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');

/** One part of a path, glob(7): `*`, `?`, `[…]`; hidden files only where they are named. */
function matchesGlob(pattern: string, name: string): boolean {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false;
  const parts = pattern.replace(/\*+/g, '*').split(/(\[[!^]?\]?[^\]]*\])/);
  const expression = parts
    .map((part, index) =>
      index % 2 === 0
        ? source(part)
        : `[${part
            .slice(1, -1)
            .replace(/^[!^]/, '^')
            .replace(/[\\[\]]/g, '\\$&')}]`,
    )
    .join('');
  try {
    return new RegExp(`^${expression}$`, 's').test(name);
  } catch {
    return false; // a range such as [z-a] fits nothing
  }
}

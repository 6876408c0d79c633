/** The one place where a remote command is made from an argument list. */
import { AppError } from '../../model/errors.ts';

/**
 * One command line for a POSIX shell; each argument arrives as it is, whatever is in it (POSIX.1-2017 shell, 2.2.2
 * Single-Quotes). @throws AppError `usage` for what no command line can carry.
 */
export function quoteArgs(args: readonly string[]): string {
  if (args.length === 0) throw new AppError('bug', 'a command without a name');
  return args.map(quoteArg).join(' ');
}

function quoteArg(arg: string): string {
  if (arg.includes('\0')) {
    throw new AppError('usage', 'a name with a NUL byte in it can not be given to a command');
  }
  // Always quoted: an unquoted word may be an alias, a keyword or, in zsh, an expansion (`=ls`).
  return `'${arg.replaceAll("'", "'\\''")}'`;
}

/**
 * For a server whose shell is none of POSIX, such as Windows: words that mean themselves to cmd.exe and to PowerShell,
 * as they are. @throws AppError `bug` for any other: names never go this way.
 */
export function plainCommand(words: readonly string[]): string {
  const bad = words.find((word) => !/^[A-Za-z0-9+/=.-]+$/.test(word));
  if (bad !== undefined || words.length === 0) throw new AppError('bug', 'this is no plain command');
  return words.join(' ');
}

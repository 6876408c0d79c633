/** Commands of guestfish as text: the one place where arguments are quoted. guestfish(1), "QUOTING". */
import { AppError } from '../../../../model/errors.ts';
import { nameBytes } from '../../../filesystems/names.ts';

/** Every byte that could mean something becomes `\xhh`. @throws AppError `unsupported` for NUL, which can't be given. */
export function quoted(argument: string): string {
  let text = '';
  for (const byte of nameBytes(argument)) {
    if (byte === 0) throw new AppError('unsupported', 'guestfish takes no NUL in an argument');
    const plain = /[\w./:@%+=,-]/.test(String.fromCharCode(byte)) && byte < 0x80;
    text += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}"`;
}

/** `options`: those with a name, which are not quoted: `format:raw`. */
export function commandLine(
  name: string,
  args: readonly (string | number)[],
  options: Readonly<Record<string, string | number>> = {},
): string {
  const own = Object.entries(options).map(([key, value]) => {
    if (!/^[\w./:-]+$/.test(String(value)))
      throw new AppError('bug', `the option ${key} of ${name} holds ${JSON.stringify(value)}`);
    return `${key}:${value}`;
  });
  return [name, ...args.map((arg) => (typeof arg === 'number' ? String(arg) : quoted(arg))), ...own].join(
    ' ',
  );
}

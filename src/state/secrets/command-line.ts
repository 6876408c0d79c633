import { AppError } from '../../model/errors.ts';

/**
 * An argument list from one text: words, '…', "…" and backslash as a POSIX shell reads them (XCU 2.2), and nothing
 * else of a shell. What would mean something there and not here (`$`, `|`, `*`, `~`…) is refused, not
 * passed on to be misread.
 * @throws AppError `usage`. It never shows the text.
 */
export function splitCommand(text: string): string[] {
  const args: string[] = [];
  let word: string | undefined;
  let rest = text;
  while (rest !== '') {
    const [token, value] = nextToken(rest);
    rest = rest.slice(token.length);
    if (value !== undefined) {
      word = (word ?? '') + value;
    } else if (word !== undefined) {
      args.push(word);
      word = undefined;
    }
  }
  if (word !== undefined) args.push(word);
  if (!args[0]) throw new AppError('usage', 'there is no command after cmd:');
  return args;
}

/** The text of the next token and what it adds to the word; undefined for blanks, which end one. */
function nextToken(text: string): [token: string, value: string | undefined] {
  const blanks = /^[ \t]+/.exec(text);
  if (blanks) return [blanks[0], undefined];
  const single = /^'([^']*)'/.exec(text);
  if (single) return [single[0], single[1]];
  const double = /^"((?:[^"\\$`]|\\[\s\S])*)"/.exec(text);
  if (double) return [double[0], double[1]!.replace(/\\(["\\$`])/g, '$1').replaceAll('\\\n', '')];
  const escaped = /^\\([^\n])/.exec(text);
  if (escaped) return [escaped[0], escaped[1]];
  const plain = /^[^\s'"\\$`|&;<>()*?[\]#~{}]+/.exec(text);
  if (plain) return [plain[0], plain[0]];
  throw new AppError('usage', `the command has a ${JSON.stringify(text[0])} that only a shell could read`, {
    hint: `close or quote it, or write cmd:sh -c '…'`,
  });
}

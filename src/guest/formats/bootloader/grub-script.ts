/**
 * The script of GRUB 2 (grub.cfg), read as a tree of commands without running it: words, quotes, blocks in braces.
 * Conditions are not judged: both branches are read. GRUB manual 2.06, 6.2.
 */
import { textOf } from '../reader.ts';

export interface Command {
  readonly words: readonly string[];
  /** What is in braces behind the words. */
  readonly body?: readonly Command[];
}

const maxBytes = 1024 * 1024;
const maxDepth = 16;
const maxCommands = 50_000;
/** Put in for variables, in all. */
const maxExpanded = 4 * 1024 * 1024;

export type Variables = ReadonlyMap<string, string>;

/** What is deeper, or too much, is left out. `variables` are put in where they are known; others are empty. */
export function parseGrubScript(content: Buffer | string, variables: Map<string, string>): Command[] {
  const text = textOf(content, maxBytes);
  let at = 0;
  let count = 0;
  let expanded = 0;

  const variable = (): string => {
    const match = /^(?:\{([A-Za-z0-9_]+)\}|([A-Za-z_][A-Za-z0-9_]*|[0-9?@*#]))/.exec(
      text.slice(at + 1, at + 256),
    );
    if (match === null) return '$';
    at += match[0].length;
    const value = variables.get(match[1] ?? match[2]!) ?? '';
    expanded += value.length;
    return expanded > maxExpanded ? '' : value;
  };

  /** At a quote; ends at the one that closes it. */
  const quoted = (quote: string): string => {
    let out = '';
    for (at++; at < text.length && text[at] !== quote; at++) {
      if (quote === '"' && text[at] === '\\' && at + 1 < text.length) out += text[++at]!;
      else if (quote === '"' && text[at] === '$') out += variable();
      else out += text[at];
    }
    return out;
  };

  const word = (): string => {
    let out = '';
    for (; at < text.length; at++) {
      const char = text[at]!;
      if (/[\s;{}]/.test(char)) break;
      if (char === "'" || char === '"') out += quoted(char);
      else if (char === '\\' && at + 1 < text.length) out += text[++at] === '\n' ? '' : text[at];
      else if (char === '$') out += variable();
      else out += char;
    }
    return out;
  };

  const commands = (depth: number): Command[] => {
    const found: Command[] = [];
    let words: string[] = [];
    const end = (body?: Command[]) => {
      if (words.length === 0) return;
      const command = { words, ...(body === undefined ? {} : { body }) };
      words = [];
      if (++count > maxCommands) return;
      remember(command, variables);
      found.push(command);
    };
    while (at < text.length) {
      const char = text[at]!;
      if (char === '\n' || char === ';') {
        at++;
        end();
      } else if (/\s/.test(char)) at++;
      else if (char === '#') {
        const line = text.indexOf('\n', at);
        at = line < 0 ? text.length : line;
      } else if (char === '}') {
        if (depth > 0) break;
        at++;
      } else if (char === '{') {
        at++;
        // Deeper than any real one: read on in this block, so that nothing recurses without end.
        if (depth >= maxDepth) continue;
        const body = commands(depth + 1);
        at++;
        end(body);
      } else {
        words.push(word());
        // `then`, `else` and the like begin a command, they are none.
        if (words.length === 1 && /^(?:then|else|do|if|elif|while|until)$/.test(words[0]!)) words = [];
      }
    }
    end();
    return found;
  };
  return commands(0);
}

function remember({ words, body }: Command, variables: Map<string, string>): void {
  if (words[0] !== 'set' || body !== undefined) return;
  const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(words[1] ?? '');
  if (match !== null && variables.size < 1000) variables.set(match[1]!, match[2]!.slice(0, 4096));
}

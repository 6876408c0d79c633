/** A file that starts a machine: a shell script with the one command line. Reading those of others, writing ours. */
import { AppError } from '../../model/errors.ts';

/**
 * The command lines of a script, as words. Quotes and line ends behind a backslash are understood; a line with
 * anything that the shell would have to work out (`$`, backquotes) is left out.
 */
export function commandLines(script: string): string[][] {
  return script
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .flatMap((line) => {
      // What it is given as arguments comes last, and may be nothing.
      const words = shellWords(line.trim().replace(/ "\$@"$/, ''));
      if (words === undefined) return [];
      const start = words.findIndex((word) => word !== 'exec' && word !== 'nohup' && !/^\w+=/.test(word));
      return start < 0 ? [] : [words.slice(start)];
    });
}

/** Undefined where a shell would have to be asked. */
function shellWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (c === '#' && word === undefined) break;
    if (c === ' ' || c === '\t') {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (c === "'" || c === '"') {
      const end = line.indexOf(c, i + 1);
      if (end < 0) return undefined;
      const inside = line.slice(i + 1, end);
      if (c === '"' && /[$`\\]/.test(inside)) return undefined;
      word = (word ?? '') + inside;
      i = end;
    } else if (c === '\\') {
      i++;
      word = (word ?? '') + (line[i] ?? '');
    } else if (/[$`*?(){}]/.test(c)) return undefined;
    else if (/[<>|&;]/.test(c)) {
      // What follows is where its streams go, or another command.
      if (/^\d$/.test(word ?? '')) word = undefined;
      break;
    } else word = (word ?? '') + c;
  }
  if (word !== undefined) words.push(word);
  return words;
}

export interface StartFile {
  readonly kernel: string;
  readonly name: string;
  readonly memoryBytes: number;
  readonly processors: number;
  /** In the order of the units: a file beside the script, or a COW file and what lies below. */
  readonly disks: readonly {
    readonly name: string;
    readonly backing?: string;
    readonly readOnly?: boolean;
  }[];
  readonly macs: readonly (string | undefined)[];
  /** `/dev/ubda`, or a partition of it. */
  readonly root: string;
}

/** An sh script that becomes the machine; what it is given as arguments goes behind. */
export function writeStartFile(start: StartFile): string {
  const disks = start.disks.map(({ name, backing, readOnly }, unit) => {
    const files = [name, ...(backing === undefined ? [] : [backing])];
    refuseOddNames(files);
    const value = files.join(',');
    // The kernel splits its line at spaces, and takes quotes for what they are.
    return `ubd${unit}${readOnly ? 'r' : ''}=${/\s/.test(value) ? `"${value}"` : value}`;
  });
  const nics = start.macs.map((mac, i) => `eth${i}=tuntap,,${mac ?? ''}`.replace(/,+$/, ''));
  const words = [
    `mem=${Math.max(32, Math.round(start.memoryBytes / 2 ** 20))}M`,
    ...(start.processors > 1 ? [`ncpus=${start.processors}`] : []),
    ...disks,
    `root=${start.root}`,
    'rw',
    `umid=${start.name.replace(/[^\w.-]/g, '_').slice(0, 60)}`,
  ];
  return [
    '#!/bin/sh',
    '# Starts this machine with User Mode Linux. Arguments are added to its command line:',
    '#   con=null con0=fd:0,fd:1   its console is this terminal',
    ...(nics.length === 0 ? [] : [`# Its network, where the host allows tap devices: ${nics.join(' ')}`]),
    'cd "$(dirname "$0")" || exit',
    `exec ${[start.kernel, ...words].map(quoted).join(' \\\n  ')} "$@"`,
    '',
  ].join('\n');
}

/** These are what the kernel splits at, and nothing can protect. */
function refuseOddNames(files: readonly string[]): void {
  const odd = files.find((file) => /[:,"\n]/.test(file));
  if (odd === undefined) return;
  throw new AppError(
    'unsupported',
    'User Mode Linux takes no file with a colon, a comma or a quote in its name',
    {
      where: odd,
      hint: 'choose another name for the machine',
    },
  );
}

const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

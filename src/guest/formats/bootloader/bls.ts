/**
 * Boot Loader Specification, type 1: loader/entries/*.conf, as GRUB 2 of Fedora and systemd-boot read them; with
 * loader.conf of the latter. Unified kernel images (EFI/Linux) are no text.
 */
import { given, plainText } from '../../text.ts';
import { type ConfigFile, linesOf } from '../config-file.ts';
import { type BootConfig, type BootEntry, commandLine, maxBootEntries, seconds } from './boot-config.ts';

/** More is no command line, and variables make it longer. */
const maxLineBytes = 16 * 1024;

export interface BlsOptions {
  /** GRUB 2 puts its variables into options: `$kernelopts`. */
  readonly variables?: ReadonlyMap<string, string>;
  /** The id of an entry, or a pattern with `*`; GRUB 2 also takes an index. */
  readonly chosen?: string | undefined;
  readonly timeout?: string | undefined;
}

/** The newest version first, as both loaders list them. */
export function parseBls(files: readonly ConfigFile[], options: BlsOptions = {}): BootConfig {
  const entries = files
    .filter(({ name }) => name.endsWith('.conf'))
    .slice(0, maxBootEntries)
    .map((file) => entryOf(file, options.variables ?? new Map()))
    .sort((a, b) => (b.id ?? '').localeCompare(a.id ?? '', 'en', { numeric: true }));
  const index = chosenIndex(entries, options.chosen);
  return {
    kind: 'bls',
    entries,
    ...(index === undefined ? {} : { defaultEntry: index }),
    ...seconds(options.timeout),
    includesBls: true,
  };
}

function chosenIndex(entries: readonly BootEntry[], chosen: string | undefined): number | undefined {
  const first = entries.length > 0 ? 0 : undefined;
  if (chosen === undefined || chosen === '') return first;
  if (/^\d{1,4}$/.test(chosen)) return Number(chosen) < entries.length ? Number(chosen) : first;
  // `@saved` is in a variable of the firmware.
  if (chosen.startsWith('@')) return undefined;
  const wanted = chosen.replace(/\.conf$/, '');
  const index = entries.findIndex(({ id, title }) => fits(wanted, id ?? '') || title === wanted);
  return index < 0 ? undefined : index;
}

/** fnmatch(3) with `*` and `?` only, without the blow-up that a regular expression of many `*` would have. */
function fits(pattern: string, text: string): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

function entryOf({ name, content }: ConfigFile, variables: ReadonlyMap<string, string>): BootEntry {
  const values = new Map<string, string[]>();
  for (const line of linesOf(content)) {
    const match = /^\s*([a-z][a-z_-]*)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const own = values.get(match[1]!) ?? [];
    own.push(match[2]!);
    values.set(match[1]!, own);
  }
  const expanded = (key: string) =>
    (values.get(key) ?? [])
      .join(' ')
      .slice(0, maxLineBytes)
      .replace(
        /\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
        (_, a, b) => variables.get(a ?? b) ?? '',
      );
  const kernel = values.get('linux')?.at(-1) ?? values.get('efi')?.at(-1);
  return {
    title: plainText(values.get('title')?.at(-1) ?? name),
    id: plainText(name.replace(/\.conf$/, '')),
    menus: [],
    ...given('kernel', kernel === undefined ? undefined : plainText(kernel, 1024)),
    initrds: commandLine(expanded('initrd')),
    args: commandLine(expanded('options')),
  };
}

/** loader/loader.conf of systemd-boot. */
export function parseLoaderConf(content: Buffer | string): { chosen?: string; timeout?: string } {
  const found = new Map<string, string>();
  for (const line of linesOf(content)) {
    const match = /^\s*([a-z-]+)\s+(.*)$/.exec(line);
    if (match !== null) found.set(match[1]!, plainText(match[2]!));
  }
  return { ...given('chosen', found.get('default')), ...given('timeout', found.get('timeout')) };
}

/** GRUB 2: menu entries of grub.cfg, and which of them is started. */
import { given, plainText } from '../../text.ts';
import { linesOf } from '../config-file.ts';
import {
  type BootConfig,
  type BootEntry,
  commandLine,
  matches,
  maxBootEntries,
  seconds,
} from './boot-config.ts';
import { type Command, parseGrubScript } from './grub-script.ts';

/** grubenv: `name=value` after its first line, filled up with `#`. A backslash quotes. */
export function parseGrubenv(content: Buffer | string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of linesOf(content)) {
    const match = /^([^#=][^=]*)=(.*)$/.exec(line);
    if (match !== null) found.set(match[1]!, match[2]!.slice(0, 4096).replace(/\\(.)/g, '$1'));
  }
  return found;
}

interface Menu {
  readonly title: string;
  readonly id?: string;
  /** Index of the entry, or the menu's own items. */
  readonly items: number | readonly Menu[];
}

/** `environment`: that of grubenv, where there is one. */
export function parseGrubConfig(
  content: Buffer | string,
  environment?: ReadonlyMap<string, string>,
): BootConfig {
  const variables = new Map(environment);
  // What a name of an entry's id is put behind, since 2.00; otherwise it would vanish.
  variables.set('menuentry_id_option', '--id');
  const commands = parseGrubScript(content, variables);
  const entries: BootEntry[] = [];
  const menus = menusOf(commands, [], entries);
  const chosen = variables.get('default');
  const index = chosen === undefined || chosen === '' ? firstEntry(menus) : find(menus, chosen);
  return {
    kind: 'grub2',
    entries,
    ...(index === undefined ? {} : { defaultEntry: index }),
    ...seconds(variables.get('timeout')),
    includesBls: commands.some(({ words }) => words.includes('blscfg')),
  };
}

const firstEntry = (menus: readonly Menu[]): number | undefined =>
  typeof menus[0]?.items === 'number' ? menus[0].items : undefined;

/** "1>2" and "title>id" go into menus. */
function find(menus: readonly Menu[], chosen: string): number | undefined {
  let here: readonly Menu[] = menus;
  const steps = chosen.split('>');
  for (const [depth, step] of steps.entries()) {
    const found = here.find((menu, i) => matches(menu, i, step));
    if (found === undefined) return undefined;
    if (typeof found.items === 'number') return depth === steps.length - 1 ? found.items : undefined;
    here = found.items;
  }
  return firstEntry(here);
}

function menusOf(commands: readonly Command[], around: readonly string[], entries: BootEntry[]): Menu[] {
  const menus: Menu[] = [];
  for (const { words, body } of commands) {
    if (body === undefined || entries.length >= maxBootEntries) continue;
    if (words[0] !== 'menuentry' && words[0] !== 'submenu') continue;
    const title = plainText(words[1] ?? '');
    const id = words[words.indexOf('--id', 2) + 1];
    const named = {
      title,
      ...given('id', words.includes('--id', 2) && id !== undefined ? plainText(id) : undefined),
    };
    if (words[0] === 'submenu') {
      menus.push({ ...named, items: menusOf(body, [...around, title], entries) });
    } else {
      menus.push({ ...named, items: entries.length });
      entries.push({ ...named, menus: around, ...bodyOf(body) });
    }
  }
  return menus;
}

/** `($root)/vmlinuz`: the device is told by search and set root. */
const pathOf = (word: string) => plainText(word.replace(/^\([^)]*\)/, ''), 1024);

function bodyOf(body: readonly Command[]): Omit<BootEntry, 'title' | 'id' | 'menus'> {
  let kernel: string | undefined;
  let args: string[] = [];
  let initrds: string[] = [];
  let volume: { uuid?: string; label?: string; device?: string } = {};
  for (const { words } of body) {
    const [command, ...rest] = words;
    if (/^(?:linux|linuxefi|linux16|linuxxen)$/.test(command ?? '')) {
      kernel = pathOf(rest[0] ?? '');
      args = commandLine(rest.slice(1).join(' '));
    } else if (/^(?:initrd|initrdefi|initrd16)$/.test(command ?? '')) {
      initrds = rest.filter(Boolean).map(pathOf);
    } else if (command === 'set' && rest[0]?.startsWith('root=')) {
      volume = { ...volume, device: plainText(rest[0].slice(5).replace(/^\((.*)\)$/, '$1')) };
    } else if (command === 'search') {
      volume = { ...volume, ...searched(rest) };
    }
  }
  return {
    ...given('kernel', kernel),
    initrds,
    args,
    ...(Object.keys(volume).length === 0 ? {} : { volume }),
  };
}

/** `search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 UUID`, and its short options. */
function searched(words: readonly string[]): { uuid?: string; label?: string } {
  const value = words.findLast((word) => !word.startsWith('-') && word !== 'root');
  if (value === undefined) return {};
  if (words.some((word) => word === '--fs-uuid' || /^-[a-z]*u/.test(word))) return { uuid: plainText(value) };
  if (words.some((word) => word === '--label' || /^-[a-z]*l/.test(word))) return { label: plainText(value) };
  return {};
}

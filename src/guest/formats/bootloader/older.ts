/** GRUB 1 (menu.lst, grub.conf) and SYSLINUX (extlinux.conf, also what U-Boot reads): lines of keywords. */
import { given, plainText } from '../../text.ts';
import { linesOf } from '../config-file.ts';
import { type BootConfig, type BootEntry, commandLine, maxBootEntries, seconds } from './boot-config.ts';

type Draft = { -readonly [K in keyof BootEntry]: BootEntry[K] };

const draft = (title: string): Draft => ({ title: plainText(title), menus: [], initrds: [], args: [] });

/** A number, where the configuration has that many entries. */
const atIndex = (entries: readonly unknown[], index: number) =>
  Number.isInteger(index) && index >= 0 && index < entries.length ? { defaultEntry: index } : {};

/** `saved`: GRUB 1 keeps the number in a file of its own, boot/grub/default. */
export function parseGrub1(content: Buffer | string, saved?: string): BootConfig {
  const entries: Draft[] = [];
  const top = new Map<string, string>();
  for (const line of linesOf(content)) {
    const match = /^\s*([a-z]+)(?:\s*=\s*|\s+|$)(.*)$/.exec(line);
    if (match === null) continue;
    const [, keyword, rest] = match as unknown as [string, string, string];
    const entry = entries.at(-1);
    if (keyword === 'title') {
      if (entries.length < maxBootEntries) entries.push(draft(rest));
    } else if (entry === undefined) top.set(keyword, rest);
    else if (keyword === 'kernel') {
      const [path, ...args] = commandLine(rest).filter((word) => !/^--(?:no-mem-option|type=)/.test(word));
      entry.kernel = pathOf(entry, path ?? '');
      entry.args = args;
    } else if (keyword === 'initrd') entry.initrds = commandLine(rest).map((path) => pathOf(entry, path));
    // Behind a hypervisor, the kernel and its initramfs are modules.
    else if (keyword === 'module') asModule(entry, rest);
    else if (keyword === 'root' || keyword === 'rootnoverify') entry.volume = { device: plainText(rest) };
    else if (keyword === 'uuid') entry.volume = { uuid: plainText(rest) };
  }
  const chosen = top.get('default') ?? '0';
  return {
    kind: 'grub1',
    entries,
    ...atIndex(entries, Number.parseInt(chosen === 'saved' ? (saved ?? '') : chosen, 10)),
    ...seconds(top.get('timeout')),
    includesBls: false,
  };
}

function asModule(entry: Draft, rest: string): void {
  const [path, ...args] = commandLine(rest);
  if (path === undefined) return;
  if (/vmlinu/.test(path)) {
    entry.kernel = pathOf(entry, path);
    entry.args = args;
  } else entry.initrds = [...entry.initrds, pathOf(entry, path)];
}

function pathOf(entry: Draft, path: string): string {
  const match = /^\(([^)]*)\)(.*)$/.exec(path);
  if (match === null) return path;
  entry.volume = { device: match[1]! };
  return match[2]!;
}

export function parseExtlinux(content: Buffer | string): BootConfig {
  const entries: Draft[] = [];
  const top = new Map<string, string>();
  let marked: number | undefined;
  for (const line of linesOf(content)) {
    const match = /^\s*([a-z]+)(?:\s+(.*))?$/i.exec(line);
    if (match === null) continue;
    const keyword = match[1]!.toLowerCase();
    const rest = match[2] ?? '';
    const entry = entries.at(-1);
    if (keyword === 'label') {
      if (entries.length < maxBootEntries) entries.push({ ...draft(rest), id: plainText(rest) });
    } else if (entry === undefined) top.set(keyword, rest);
    else if (keyword === 'menu' && /^default$/i.test(rest)) marked = entries.length - 1;
    else if (keyword === 'menu') {
      const label = /^label\s+(.*)$/i.exec(rest)?.[1];
      // `^` marks the letter to press.
      if (label !== undefined) entry.title = plainText(label.replace('^', ''));
    } else if (keyword === 'kernel' || keyword === 'linux')
      Object.assign(entry, given('kernel', plainText(rest, 1024)));
    else if (keyword === 'initrd') entry.initrds = commandLine(rest.replaceAll(',', ' '));
    else if (keyword === 'append') append(entry, rest);
  }
  const chosen = top.get('default') ?? top.get('ontimeout');
  const named = entries.findIndex(({ id }) => id === chosen);
  return {
    kind: 'extlinux',
    entries,
    ...atIndex(entries, marked ?? (chosen === undefined ? 0 : named)),
    // TIMEOUT counts tenths of a second.
    ...seconds(
      /^\d+$/.test(top.get('timeout') ?? '') ? String(Math.ceil(Number(top.get('timeout')) / 10)) : undefined,
    ),
    includesBls: false,
  };
}

/** SYSLINUX takes the initramfs from the kernel's own command line, too. */
function append(entry: Draft, rest: string): void {
  if (rest === '-') return;
  const words = commandLine(rest);
  entry.args = words.filter((word) => !word.startsWith('initrd='));
  const initrd = words.find((word) => word.startsWith('initrd='));
  if (initrd !== undefined) entry.initrds = initrd.slice('initrd='.length).split(',');
}

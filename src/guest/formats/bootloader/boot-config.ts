/** What a bootloader's configuration says, whichever it is. */
import { plainText } from '../../text.ts';

export type BootConfigKind = 'grub2' | 'grub1' | 'bls' | 'extlinux';

export interface BootEntry {
  readonly title: string;
  /** How a default names it, beside its title. */
  readonly id?: string;
  /** Titles of the menus around it, outermost first. */
  readonly menus: readonly string[];
  /** A path on the volume that the entry names, or on the loader's own. */
  readonly kernel?: string;
  readonly initrds: readonly string[];
  /** The kernel's command line, in words. */
  readonly args: readonly string[];
  /** The volume that paths are on: by the UUID of its filesystem, its label, or as the loader calls its device. */
  readonly volume?: { readonly uuid?: string; readonly label?: string; readonly device?: string };
}

export interface BootConfig {
  readonly kind: BootConfigKind;
  readonly entries: readonly BootEntry[];
  /** An index of `entries`; absent where the file does not tell or names one that is not there. */
  readonly defaultEntry?: number;
  readonly timeoutSeconds?: number;
  /** GRUB 2: further entries are in loader/entries. */
  readonly includesBls: boolean;
}

export const maxBootEntries = 1000;

/** Words of a command line, fit to be shown. */
export function commandLine(text: string): string[] {
  return text
    .split(/\s+/)
    .filter(Boolean)
    .slice(0, 1000)
    .map((word) => plainText(word, 2048));
}

/** `ia` of `a>b`: an index, an id or a title, as GRUB and others name their default. */
export function matches(entry: { title: string; id?: string }, index: number, wanted: string): boolean {
  return wanted === String(index) || wanted === entry.id || wanted === entry.title;
}

/** A whole number of seconds; -1 and words such as `menu-force` are none. */
export function seconds(text: string | undefined): { timeoutSeconds?: number } {
  return text !== undefined && /^\d{1,6}$/.test(text) ? { timeoutSeconds: Number(text) } : {};
}

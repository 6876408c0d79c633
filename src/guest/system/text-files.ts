/** The small text files that say what a system is. Pure: text in, facts out. */
import type { MountEntry } from '../../model/guest-report.ts';
import { plainText } from '../text.ts';

/** os-release(5): shell assignments, with or without quotes. */
export function parseOsRelease(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line);
    if (match !== null) found[match[1]!] = plainText(unquote(match[2]!));
  }
  return found;
}

function unquote(text: string): string {
  const quote = text[0];
  if (quote === "'" && text.endsWith("'")) return text.slice(1, -1);
  const inner = quote === '"' && text.length > 1 && text.endsWith('"') ? text.slice(1, -1) : text;
  return inner.replace(/\\([\\"$`])/g, '$1');
}

const maxMounts = 256;

/** fstab(5): fields between blanks, `\040` for a blank inside one. */
export function parseFstab(text: string): MountEntry[] {
  const mounts: MountEntry[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue;
    const [device, mountPoint, kind, options] = line.trim().split(/\s+/).map(unescapeOctal);
    if (device === undefined || mountPoint === undefined) continue;
    mounts.push({ device, mountPoint, kind: kind ?? 'auto', options: options ?? 'defaults' });
    if (mounts.length >= maxMounts) break;
  }
  return mounts;
}

const unescapeOctal = (field: string): string =>
  plainText(
    field.replace(/\\([0-3][0-7]{2})/g, (_all, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    1024,
  );

/** The first line that is neither empty nor a comment, as in /etc/hostname. */
export function firstLine(text: string): string | undefined {
  const line = text.split('\n').find((l) => !/^\s*(#|$)/.test(l));
  return line === undefined ? undefined : plainText(line);
}

/** Kernel versions from names in /boot, oldest name first; numbers in them are compared as numbers. */
export function kernelVersions(names: readonly string[]): string[] {
  return names
    .flatMap((name) => /^vmlinu[xz]-(.+)$/.exec(name)?.[1] ?? [])
    .map((version) => plainText(version))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

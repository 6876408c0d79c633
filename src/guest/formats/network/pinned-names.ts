/** Where names of cards are bound to their addresses: udev's rules, and .link files of systemd. */
import { plainText } from '../../text.ts';
import { type ConfigFile, iniSections, iniValues, linesOf } from '../config-file.ts';
import { listOf, macOf } from './interface.ts';

export interface PinnedName {
  readonly name: string;
  readonly mac: string;
  readonly file: string;
}

const maxPins = 1000;

/** 70-persistent-net.rules and others: `ATTR{address}=="…"` with `NAME="…"`. */
export function pinsOfUdev({ name: file, content }: ConfigFile): PinnedName[] {
  return linesOf(content)
    .flatMap((line) => {
      if (line.trimStart().startsWith('#')) return [];
      const mac = macOf(/(?:ATTRS?|SYSFS)\{address\}\s*==\s*"([^"]*)"/.exec(line)?.[1]);
      const name = /(?:^|[\s,])NAME\s*:?=\s*"([^"]+)"/.exec(line)?.[1];
      return mac === undefined || name === undefined ? [] : [{ name: plainText(name), mac, file }];
    })
    .slice(0, maxPins);
}

/** systemd.link(5). */
export function pinsOfLinks(files: readonly ConfigFile[]): PinnedName[] {
  return files
    .filter(({ name }) => name.endsWith('.link'))
    .flatMap(({ name: file, content }) => {
      const sections = iniSections(content);
      const name = iniValues(sections, 'Link', 'Name').at(-1);
      const keys = ['MACAddress', 'PermanentMACAddress'];
      const macs = keys.flatMap((key) => iniValues(sections, 'Match', key)).flatMap(listOf);
      return name === undefined
        ? []
        : macs.flatMap((m) => macOf(m) ?? []).map((mac) => ({ name: plainText(name), mac, file }));
    })
    .slice(0, maxPins);
}

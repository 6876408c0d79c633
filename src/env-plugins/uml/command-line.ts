/**
 * The command line of a User Mode Linux: which machine it makes. Documentation/virt/uml/user_mode_linux_howto_v2.rst
 * of the kernel, and what `linux --help` says.
 */
import { posix } from 'node:path';
import type { Nic } from '../../model/machine.ts';

export interface UmlDisk {
  /** 0 for `ubda`. */
  readonly unit: number;
  /** What is written to; absolute. */
  readonly path: string;
  /** Where `path` is a COW file and the command line names what lies below; absolute. */
  readonly backing?: string;
  readonly readOnly: boolean;
  readonly shared: boolean;
}

export interface UmlCommand {
  readonly kernel: string;
  readonly umid?: string;
  readonly memoryBytes?: number;
  readonly processors?: number;
  readonly disks: readonly UmlDisk[];
  readonly nics: readonly Nic[];
  /** What mounts the root: `/dev/ubda`, `/dev/root` … */
  readonly root?: string;
  /** What is taken from the host's own folders (hostfs), and could not be carried along. */
  readonly hostFolders: readonly string[];
}

const suffixes: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `folder` is what relative names start from. Undefined when the words name no disk of such a machine. */
export function parseUmlCommand(words: readonly string[], folder: string): UmlCommand | undefined {
  // Quotes in a word are the kernel's, which splits its line at spaces.
  const plain = words.map((word) => word.replaceAll('"', ''));
  return words.length === 0 ? undefined : umlCommand(plain, folder);
}

function umlCommand(words: readonly string[], folder: string): UmlCommand | undefined {
  const disks = words.slice(1).flatMap((word) => diskOf(word, folder) ?? []);
  if (disks.length === 0) return undefined;
  const value = (key: string) => words.findLast((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const memory = /^(\d{1,12})([kmg]?)$/i.exec(value('mem') ?? '');
  const processors = Number(value('ncpus') ?? Number.NaN);
  const umid = value('umid');
  const root = value('root');
  const flags = value('rootfstype') === 'hostfs' ? [value('rootflags') ?? '/'] : [];
  return {
    kernel: words[0]!,
    ...(umid === undefined || umid === '' ? {} : { umid }),
    ...(memory === null ? {} : { memoryBytes: Number(memory[1]) * suffixes[memory[2]!.toLowerCase()]! }),
    ...(Number.isInteger(processors) && processors > 0 ? { processors } : {}),
    disks: byUnit(disks),
    nics: words.flatMap((word) => nicOf(word) ?? []),
    ...(root === undefined ? {} : { root }),
    hostFolders: flags,
  };
}

/** `ubd0=cow,root_fs`, `ubdar=file` (read-only), `ubd1sc=file`: the unit is a digit or a letter, then flags. */
function diskOf(word: string, folder: string): UmlDisk | undefined {
  const match = /^ubd(\d{1,2}|[a-p])([a-z]*)=(.+)$/s.exec(word);
  if (match === null) return undefined;
  const [, unit, flags, rest] = match as unknown as [string, string, string, string];
  const [first = '', second = ''] = rest.split(/[:,]/);
  if (first === '') return undefined;
  const absolute = (name: string) => posix.resolve(folder, name);
  // `d` says: not a COW file, whatever it looks like.
  const backing = second === '' || flags.includes('d') ? {} : { backing: absolute(second) };
  return {
    unit: /\d/.test(unit) ? Number(unit) : unit.charCodeAt(0) - 'a'.charCodeAt(0),
    path: absolute(first),
    ...backing,
    readOnly: flags.includes('r'),
    shared: flags.includes('c'),
  };
}

/** The last one of a unit counts, as in the kernel. */
function byUnit(disks: readonly UmlDisk[]): UmlDisk[] {
  const last = new Map(disks.map((disk) => [disk.unit, disk]));
  return [...last.values()].sort((a, b) => a.unit - b.unit);
}

/** `eth0=tuntap,tap0,fe:fd:0:0:0:1`, `eth0=daemon,…`, `vec0:transport=tap,ifname=tap0,mac=…`. */
function nicOf(word: string): Nic | undefined {
  const match = /^(?:eth\d+=|vec\d+:)(.+)$/s.exec(word);
  if (match === null) return undefined;
  const parts = match[1]!.split(',');
  const named = new Map(
    parts.flatMap((part) => (part.includes('=') ? [part.split('=') as [string, string]] : [])),
  );
  const transport = named.get('transport') ?? parts[0]!;
  const mac = macOf(named.get('mac') ?? parts.slice(1).find((part) => macOf(part) !== undefined) ?? '');
  const device = named.get('ifname') ?? (transport === 'tuntap' ? parts[1] : undefined);
  return {
    ...(mac === undefined ? {} : { mac }),
    network: device === undefined || device === '' ? transport : `${transport} ${device}`,
    model: 'uml',
    connected: true,
  };
}

/** Each of its six parts may be a single digit. */
function macOf(text: string): string | undefined {
  if (!/^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){5}$/i.test(text)) return undefined;
  return text
    .toLowerCase()
    .split(':')
    .map((part) => part.padStart(2, '0'))
    .join(':');
}

/**
 * The lists that the products keep of their machines: Workstation and Player (inventory, recently used), Fusion,
 * VMware Server 1 (`vm-list`) and 2, and ESXi (`vmInventory.xml`). Also those of another system whose disk is mounted
 * here, be it Linux, Windows or macOS: then its paths begin where it is mounted.
 */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { parseXml, type XmlElement } from '../../io/xml.ts';
import { mayBePassedOver, wholeFile } from '../host-folders.ts';
import { parseDictionary } from './dictionary.ts';
import { isMachineFile, largestText } from './find-vmx.ts';

type ReadList = (bytes: Buffer, where: string) => string[];

/** What products' own lists may name. */
const mostListed = 10_000;
/** Users that a system has. */
const mostUsers = 1000;

/** `vmlist1.config = "…"`, `pref.mruVM0.filename = "…"`. */
export const inventoryPaths: ReadList = (bytes, where) => {
  const dictionary = parseDictionary(bytes, where);
  return [...dictionary.keys()]
    .filter((key) => /^(vmlist\d+\.config|pref\.mruvm\d+\.filename)$/.test(key))
    .map((key) => dictionary.get(key) ?? '');
};

/** `config "/var/lib/vmware/…/x.vmx"`, a line each. */
export const serverListPaths: ReadList = (bytes) =>
  [...bytes.toString('utf8').matchAll(/^[ \t]*config[ \t]+"([^"\r\n]*)"/gm)].map((match) => match[1]!);

export const hostdPaths: ReadList = (bytes, where) => {
  const paths: string[] = [];
  const walk = (element: XmlElement) => {
    if (element.local === 'vmxCfgPath') paths.push(element.text.trim());
    else element.children.forEach(walk);
  };
  walk(parseXml(bytes, where));
  return paths;
};

const ofUser = (home: string): [string, ReadList][] => [
  [`${home}/.vmware/inventory.vmls`, inventoryPaths],
  [`${home}/.vmware/preferences`, inventoryPaths],
  [`${home}/Library/Application Support/VMware Fusion/vmInventory`, inventoryPaths],
];

const ofWindowsData = (folder: string): [string, ReadList][] => [
  [`${folder}/VMware/inventory.vmls`, inventoryPaths],
  [`${folder}/VMware/preferences.ini`, inventoryPaths],
  [`${folder}/VMware/VMware Server/vm-list`, serverListPaths],
  [`${folder}/VMware/VMware Server/hostd/vmInventory.xml`, hostdPaths],
];

const ofServer: readonly [string, ReadList][] = [
  ['etc/vmware/vm-list', serverListPaths],
  ['etc/vmware/hostd/vmInventory.xml', hostdPaths],
];

/** From the root of a system; `*` is each user's folder. */
const ofSystem: readonly [string, ReadList][] = [
  ...ofServer,
  ...ofUser('root'),
  ...ofUser('home/*'),
  ...ofUser('Users/*'),
  ...ofWindowsData('Users/*/AppData/Roaming'),
  ...ofWindowsData('ProgramData'),
  ...ofWindowsData('Documents and Settings/*/Application Data'),
];

/** Where a Linux on Windows (WSL, Cygwin) has the drive of Windows. */
const windowsHere = ['/mnt/c', '/cygdrive/c'];

/** Of the user whose home it is, and of Windows around this host. */
export const listedMachines = (host: Host, home: string, signal: AbortSignal): Promise<string[]> =>
  collected(
    host,
    [
      { root: '/', lists: [...ofServer, ...ofUser(home.slice(1))] },
      ...windowsHere.map((root) => ({ root, lists: ofSystem })),
    ],
    signal,
  );

/** Of systems that are mounted at these folders; most folders are none. */
export const listedBelow = (host: Host, roots: readonly string[], signal: AbortSignal): Promise<string[]> =>
  collected(
    host,
    roots.map((root) => ({ root, lists: ofSystem })),
    signal,
  );

interface System {
  readonly root: string;
  readonly lists: readonly (readonly [path: string, read: ReadList])[];
}

async function collected(host: Host, systems: readonly System[], signal: AbortSignal): Promise<string[]> {
  const found = new Set<string>();
  for (const { root, lists } of systems) {
    // One look at the folder instead of one for each list.
    const inRoot = new Set(await namesIn(host, root, signal));
    for (const [pattern, read] of lists) {
      if (!inRoot.has(pattern.slice(0, pattern.indexOf('/')))) continue;
      for (const path of await expanded(host, root, pattern, signal)) {
        for (const name of await namesOf(host, path, read, signal)) {
          const here = pathHere(name, root);
          if (here !== undefined && isMachineFile(here)) found.add(here);
        }
      }
    }
  }
  return [...found];
}

async function namesOf(host: Host, path: string, read: ReadList, signal: AbortSignal): Promise<string[]> {
  try {
    if ((await host.files.stat(path, signal))?.kind !== 'file') return [];
    return read(await wholeFile(host, path, signal, largestText), path).slice(0, mostListed);
  } catch (error) {
    if (!mayBePassedOver(error)) throw error; // a list that can't be read has nothing to tell
    return [];
  }
}

async function expanded(host: Host, root: string, pattern: string, signal: AbortSignal): Promise<string[]> {
  const [before = '', after] = pattern.split('/*/');
  if (after === undefined) return [posix.join(root, pattern)];
  const users = await namesIn(host, posix.join(root, before), signal);
  return users.slice(0, mostUsers).map((user) => posix.join(root, before, user, after));
}

async function namesIn(host: Host, folder: string, signal: AbortSignal): Promise<string[]> {
  const entries = await host.files.list(folder, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return [];
  });
  return entries.map(({ path }) => posix.basename(path));
}

/**
 * Where a file is that a system names which is mounted at `root`: `/srv/a.vmx`, `C:\VMs\a.vmx`. Another drive than
 * the one at `/mnt/c` is beside it; elsewhere a drive's letter says nothing. Undefined for names of a network share.
 */
export function pathHere(name: string, root: string): string | undefined {
  if (name.includes('\0')) return undefined;
  const hostd = /^\[standard\] *(.+)$/s.exec(name)?.[1];
  if (hostd !== undefined) return posix.join(root, posix.join('/var/lib/vmware/Virtual Machines', hostd));
  if (name.startsWith('/')) return posix.join(root, posix.normalize(name));
  const [, drive, rest] = /^([a-z]):[\\/](.*)$/is.exec(name) ?? [];
  if (drive === undefined || root === '/') return undefined;
  const base = windowsHere.includes(root) ? posix.join(posix.dirname(root), drive.toLowerCase()) : root;
  return posix.join(base, posix.join('/', rest!.replaceAll('\\', '/')));
}

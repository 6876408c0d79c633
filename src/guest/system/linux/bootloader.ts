/** Which bootloader a Linux has, and what it starts when nobody chooses. Paths are those of the running system. */
import type { GuestBootloader } from '../../../model/guest-report.ts';
import { parseBls, parseLoaderConf } from '../../formats/bootloader/bls.ts';
import { type BootConfig, type BootEntry, commandLine } from '../../formats/bootloader/boot-config.ts';
import { parseGrubConfig, parseGrubenv } from '../../formats/bootloader/grub2.ts';
import { parseExtlinux, parseGrub1 } from '../../formats/bootloader/older.ts';
import { readUnifiedImage } from '../../formats/kernel/unified-image.ts';
import type { GuestMount } from '../../guest.ts';
import type { MountedFiles } from '../../mounted-files.ts';
import { given } from '../../text.ts';
import { filesIn, isPlain, readerAt, textAt } from './guest-text.ts';

type Tree = MountedFiles<GuestMount>;

/** An entry with its files where the guest sees them. */
export interface FoundEntry {
  readonly kernel?: string;
  readonly initrds: readonly string[];
  readonly args: readonly string[];
  readonly isDefault: boolean;
}

export interface Booting {
  readonly bootloader?: GuestBootloader;
  readonly entries: readonly FoundEntry[];
}

/** A configuration of a distribution with many kernels has some ten thousand bytes. */
const maxConfigBytes = 1024 * 1024;

export async function readBootloader(files: Tree): Promise<Booting> {
  for (const look of [grub2, systemdBoot, grub1, extlinux, lilo]) {
    const found = await look(files);
    if (found !== undefined) return found;
  }
  return { entries: [] };
}

const espFolders = ['/boot/efi', '/efi', '/boot'];

async function grub2(files: Tree): Promise<Booting | undefined> {
  const folders = ['/boot/grub2', '/boot/grub', '/boot/efi/boot/grub', '/grub2', '/grub'];
  for (const esp of espFolders) {
    const efi = await efiFolder(files, esp);
    if (efi !== undefined)
      for (const vendor of (await files.list(efi)).filter(isPlain).slice(0, 32))
        folders.push(`${efi}/${vendor}`);
  }
  let stub: Booting | undefined;
  for (const folder of folders) {
    const path = `${folder}/grub.cfg`;
    const text = await textAt(files, path, maxConfigBytes);
    if (text === undefined) continue;
    const environment = parseGrubenv((await textAt(files, `${folder}/grubenv`)) ?? '');
    const config = parseGrubConfig(text, environment);
    const bls = config.includesBls ? await blsEntries(files, environment) : undefined;
    const found = await booting(files, { kind: 'grub2', config: path }, bls ?? config, path);
    // What lies on the EFI system partition often only leads to the real one.
    if (found.entries.length > 0) return found;
    stub ??= found;
  }
  return stub;
}

/** FAT knows no case. */
async function efiFolder(files: Tree, esp: string): Promise<string | undefined> {
  const name = (await files.list(esp)).find((n) => n.toLowerCase() === 'efi');
  return name === undefined ? undefined : `${esp}/${name}`;
}

interface BlsConfig extends BootConfig {
  readonly folder: string;
}

async function blsEntries(
  files: Tree,
  variables: ReadonlyMap<string, string>,
  choice: { chosen?: string; timeout?: string } = {},
): Promise<BlsConfig | undefined> {
  for (const top of ['/boot', '/efi', '/boot/efi']) {
    const folder = `${top}/loader/entries`;
    const entries = await filesIn(files, folder, (name) => name.endsWith('.conf'));
    if (entries.length === 0) continue;
    return {
      ...parseBls(entries, { variables, chosen: variables.get('saved_entry'), ...choice }),
      folder,
    };
  }
  return undefined;
}

async function systemdBoot(files: Tree): Promise<Booting | undefined> {
  for (const top of ['/boot', '/efi', '/boot/efi']) {
    const path = `${top}/loader/loader.conf`;
    const text = await textAt(files, path);
    if (text === undefined) continue;
    const bls = await blsEntries(files, new Map(), parseLoaderConf(text));
    const found = await booting(files, { kind: 'systemd-boot', config: path, bls: true }, bls, path);
    return found.entries.length > 0 ? found : ((await unified(files, path)) ?? found);
  }
  return unified(files);
}

const maxUnified = 32;

/** Images that are kernel, initramfs and command line in one: the newest name is the default. */
async function unified(files: Tree, config?: string): Promise<Booting | undefined> {
  for (const esp of espFolders) {
    const efi = await efiFolder(files, esp);
    const folder = efi && (await files.list(efi)).find((name) => name.toLowerCase() === 'linux');
    if (folder === undefined) continue;
    const entries: FoundEntry[] = [];
    const names = (await files.list(`${efi}/${folder}`)).filter(
      (name) => isPlain(name) && /\.efi$/i.test(name),
    );
    const sorted = names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
    for (const name of sorted.slice(0, maxUnified)) {
      const kernel = `${efi}/${folder}/${name}`;
      const reader = await readerAt(files, kernel);
      const image = reader && (await readUnifiedImage(reader));
      if (image === undefined) continue;
      const args = commandLine(image.arguments ?? '');
      entries.push({ kernel, initrds: [], args, isDefault: entries.length === 0 });
    }
    if (entries.length === 0) continue;
    const loader = { kind: config === undefined ? ('other' as const) : ('systemd-boot' as const) };
    return {
      bootloader: {
        ...loader,
        ...given('config', config),
        ...given('arguments', entries[0]!.args.join(' ')),
      },
      entries,
    };
  }
  return undefined;
}

async function grub1(files: Tree): Promise<Booting | undefined> {
  for (const path of ['/boot/grub/grub.conf', '/boot/grub/menu.lst']) {
    const text = await textAt(files, path, maxConfigBytes);
    if (text === undefined) continue;
    const saved = (await textAt(files, '/boot/grub/default'))?.split('\n')[0];
    return booting(files, { kind: 'grub1', config: path }, parseGrub1(text, saved), path);
  }
  return undefined;
}

async function extlinux(files: Tree): Promise<Booting | undefined> {
  for (const path of [
    '/boot/extlinux/extlinux.conf',
    '/boot/extlinux.conf',
    '/boot/syslinux/syslinux.cfg',
    '/boot/syslinux/extlinux.conf',
    '/extlinux.conf',
  ]) {
    const text = await textAt(files, path, maxConfigBytes);
    if (text !== undefined)
      return booting(files, { kind: 'extlinux', config: path }, parseExtlinux(text), path);
  }
  return undefined;
}

async function lilo(files: Tree): Promise<Booting | undefined> {
  const config = '/etc/lilo.conf';
  return (await files.stat(config)) && { bootloader: { kind: 'lilo', config }, entries: [] };
}

async function booting(
  files: Tree,
  loader: GuestBootloader,
  config: BootConfig | BlsConfig | undefined,
  path: string,
): Promise<Booting> {
  const entries: FoundEntry[] = [];
  const from = config !== undefined && 'folder' in config ? config.folder : path;
  for (const [i, entry] of (config?.entries ?? []).entries()) {
    if (entry.kernel === undefined) continue;
    entries.push(await found(files, entry, i === config!.defaultEntry, from));
  }
  const chosen = config?.defaultEntry === undefined ? undefined : config.entries[config.defaultEntry];
  return {
    bootloader: {
      ...loader,
      ...(config?.kind === 'bls' ? { bls: true } : {}),
      ...given('arguments', chosen?.args.join(' ')),
    },
    entries,
  };
}

async function found(files: Tree, entry: BootEntry, isDefault: boolean, from: string): Promise<FoundEntry> {
  const kernel = await seenByGuest(files, entry.kernel!, from);
  const initrds: string[] = [];
  for (const path of entry.initrds.slice(0, 16)) {
    const seen = await seenByGuest(files, path, from);
    if (seen !== undefined) initrds.push(seen);
  }
  return { ...given('kernel', kernel), initrds, args: entry.args, isDefault };
}

/**
 * A loader names a file by its path on its volume, which is mounted somewhere; on btrfs the path begins at the top,
 * above the subvolume. Undefined where there is no such file.
 */
async function seenByGuest(files: Tree, path: string, config: string): Promise<string | undefined> {
  const name = path.startsWith('/') ? path : `/${path}`;
  const { mountPoint } = files.place(config).mount;
  const tried = [
    ...(path.startsWith('/') ? [] : [`${config.slice(0, config.lastIndexOf('/'))}/${path}`]),
    mountPoint === '/' ? name : `${mountPoint}${name}`,
    `/boot${name}`,
    name,
  ];
  for (const { subvolume } of files.mounts)
    if (subvolume !== undefined && name.startsWith(`/${subvolume.replace(/^\/+/, '')}/`))
      tried.push(name.slice(subvolume.replace(/^\/+/, '').length + 1));
  for (const at of tried) if ((await files.stat(at))?.kind === 'file') return at;
  return undefined;
}

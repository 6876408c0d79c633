/** The kernels of a Linux: each with its initramfs and where it has the drivers that a destination may need. */
import type { DriverPlace, GuestKernel } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import { type InitramfsSummary, summariseInitramfs } from '../../formats/initramfs/summary.ts';
import { hasDriver, type KernelFacts } from '../../formats/kernel/drivers.ts';
import { readKernelImage } from '../../formats/kernel/image.ts';
import {
  parseBuiltinModinfo,
  parseKernelConfig,
  parseModulesBuiltin,
  parseModulesDep,
} from '../../formats/kernel/modules.ts';
import { readUnifiedImage } from '../../formats/kernel/unified-image.ts';
import type { Reader } from '../../formats/reader.ts';
import { addFinding, type Looking } from '../../looking.ts';
import { given, plainText } from '../../text.ts';
import { wantedDrivers } from '../wanted-drivers.ts';
import type { FoundEntry } from './bootloader.ts';
import { isPlain, readerAt, unlessBroken } from './guest-text.ts';

export interface KernelsRequest {
  readonly entries: readonly FoundEntry[];
  readonly looking: Looking;
  /** Every kernel's initramfs, not only that of the default one. */
  readonly thorough: boolean;
}

const maxKernels = 64;
const maxIndexBytes = 8 * 1024 * 1024;
const byVersion = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });

interface Image {
  readonly version: string;
  readonly path: string;
  readonly initramfs?: string;
  readonly isDefault: boolean;
}

export async function readKernels(files: Files, request: KernelsRequest): Promise<GuestKernel[]> {
  const images = await kernelImages(files, request.entries);
  const summaries = new Map<string, Promise<InitramfsSummary | undefined>>();
  const kernels: GuestKernel[] = [];
  for (const { version, path, initramfs, isDefault } of images) {
    const packed = initramfs ?? (isUnified(path) ? path : undefined);
    const looked = packed !== undefined && (isDefault || request.thorough);
    if (looked && !summaries.has(packed)) summaries.set(packed, summaryOf(files, packed, request));
    const summary = looked ? await summaries.get(packed) : undefined;
    const known = packed === undefined || summary?.complete === true;
    const drivers = known ? await driversOf(files, version, summary) : undefined;
    kernels.push({
      version,
      image: path,
      ...given('initramfs', initramfs),
      ...(isUnified(path) ? { unified: true } : {}),
      ...given('initramfsMaker', summary?.generator === 'unknown' ? undefined : summary?.generator),
      isDefault,
      ...given('drivers', drivers),
    });
  }
  return kernels;
}

/** Oldest first. The default one is what the bootloader says; without one, what is left to be it. */
async function kernelImages(files: Files, entries: readonly FoundEntry[]): Promise<Image[]> {
  const names = (await files.list('/boot')).filter(isPlain);
  const paths = new Set<string>();
  const started = entries.find((entry) => entry.isDefault)?.kernel;
  for (const name of names)
    if (/^(?:vmlinu[xz]|kernel|Image|bzImage)-/.test(name) && !/\.(?:hmac|old|sig|efi\.signed)$/.test(name))
      paths.add(`/boot/${name}`);
  for (const { kernel } of entries) if (kernel !== undefined) paths.add(kernel);
  const found = new Map<string, Image>();
  for (const path of [...paths].slice(0, maxKernels)) {
    const real = await followed(files, path);
    const version = await versionOf(files, real);
    if (version === undefined) continue;
    const entry = entries.find(({ kernel }) => kernel === path && kernel !== undefined);
    const initramfs = isUnified(real)
      ? undefined
      : ((await realInitrd(files, entry)) ?? (await initramfsOf(files, names, real, version)));
    const isDefault = path === started || found.get(real)?.isDefault === true;
    const before = found.get(real);
    found.set(real, {
      ...{ version, path: real, isDefault },
      ...given('initramfs', initramfs ?? before?.initramfs),
    });
  }
  const images = [...found.values()].sort((a, b) => byVersion(a.version, b.version));
  if (started !== undefined || images.length === 0) return images;
  // GRUB's own order, and what most firmware or direct boots are given: the newest.
  const last = images.findLast(({ version }) => !/rescue|\.old$/.test(version)) ?? images.at(-1)!;
  return images.map((image) => (image === last ? { ...image, isDefault: true } : image));
}

/** Where a link in /boot leads, if that is beside it: `vmlinuz` → `boot/vmlinuz-6.1`. */
async function followed(files: Files, path: string): Promise<string> {
  const target = await files.readlink(path);
  if (target === undefined) return path;
  const folder = path.slice(0, path.lastIndexOf('/'));
  for (const at of target.startsWith('/') ? [target] : [`${folder}/${target}`, `/${target}`])
    if (isPlain(at) && !at.includes('..') && (await files.lstat(at))?.kind === 'file') return at;
  return path;
}

const isUnified = (path: string) => /\.efi$/i.test(path);

/** By the file's name, or the folder of the Boot Loader Specification; what its own header says where they don't. */
async function versionOf(files: Files, path: string): Promise<string | undefined> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const named = /^(?:vmlinu[xz]|kernel|Image|bzImage)-(.+)$/.exec(name)?.[1];
  if (named !== undefined && /^\d+\.|rescue/.test(named)) return plainText(named);
  const folder = path.split('/').at(-2) ?? '';
  if (/^\d+\.\d+/.test(folder)) return plainText(folder);
  const reader = await readerAt(files, path);
  if (reader === undefined) return undefined;
  if (isUnified(path)) return (await readUnifiedImage(reader))?.release;
  const image = await unlessBroken(() => readKernelImage(reader));
  if (image?.release !== undefined) return plainText(image.release);
  // Alpine and Arch: `vmlinuz-lts` has its modules in /lib/modules/6.6.14-0-lts.
  const modules = (await files.list('/lib/modules')).filter(
    (v) => named !== undefined && v.endsWith(`-${named}`),
  );
  if (modules.length > 0) return plainText(modules.sort(byVersion).at(-1)!);
  return image === undefined && named === undefined ? undefined : plainText(named ?? name);
}

/** The last one: microcode comes before it. */
async function realInitrd(files: Files, entry: FoundEntry | undefined): Promise<string | undefined> {
  const path = entry?.initrds.findLast((p) => !/ucode|microcode/.test(p));
  return path === undefined ? undefined : followed(files, path);
}

async function initramfsOf(
  files: Files,
  names: readonly string[],
  image: string,
  version: string,
): Promise<string | undefined> {
  const flavour = /-(.+)$/.exec(image.slice(image.lastIndexOf('/') + 1))?.[1];
  for (const v of new Set([version, flavour ?? version])) {
    const tried = [
      `initrd.img-${v}`,
      `initramfs-${v}.img`,
      `initrd-${v}`,
      `initramfs-${v}`,
      `initrd-${v}.img`,
    ];
    const name = tried.find((n) => names.includes(n));
    if (name !== undefined) return followed(files, `/boot/${name}`);
  }
  const beside = `${image.slice(0, image.lastIndexOf('/'))}/initrd`;
  return (await files.stat(beside))?.kind === 'file' ? beside : undefined;
}

async function summaryOf(
  files: Files,
  path: string,
  { looking }: KernelsRequest,
): Promise<InitramfsSummary | undefined> {
  const file = await readerAt(files, path);
  if (file === undefined) return undefined;
  const reader = isUnified(path) ? await initramfsIn(file) : file;
  if (reader === undefined) return undefined;
  const summary = await unlessBroken(() => summariseInitramfs(reader, looking.signal));
  if (summary?.complete !== true)
    addFinding(looking, 'initramfs-unreadable', 'warning', 'the initramfs can not be read to its end', {
      evidence: plainText(path, 1024),
      remedy: 'which drivers are in it is not known; see that the destination has a bus that it has now',
    });
  return summary;
}

/** Of a unified image. */
async function initramfsIn(file: Reader): Promise<Reader | undefined> {
  const section = (await readUnifiedImage(file))?.initramfs;
  if (section === undefined) return undefined;
  return { size: section.length, read: (at, length) => file.read(section.offset + at, length) };
}

async function driversOf(
  files: Files,
  version: string,
  summary: InitramfsSummary | undefined,
): Promise<Readonly<Record<string, DriverPlace>> | undefined> {
  const facts = await factsOf(files, version);
  const all: KernelFacts = { ...facts, ...(summary === undefined ? {} : { initramfs: summary.drivers }) };
  const places: Record<string, DriverPlace> = {};
  for (const driver of wantedDrivers) {
    const place = hasDriver(all, driver);
    if (place === 'unknown') continue;
    places[driver] = place === 'none' ? 'missing' : place === 'configured' ? 'module' : place;
  }
  return Object.keys(places).length === 0 ? undefined : places;
}

async function factsOf(files: Files, version: string): Promise<KernelFacts> {
  const home = `/lib/modules/${version}`;
  const read = (name: string) => files.read(`${home}/${name}`, maxIndexBytes);
  const list = await read('modules.builtin');
  const info = await read('modules.builtin.modinfo');
  const dep = await read('modules.dep');
  const builtin = new Set([
    ...(list === undefined ? [] : parseModulesBuiltin(list)),
    ...(info === undefined ? [] : parseBuiltinModinfo(info)),
  ]);
  const told = list !== undefined || info !== undefined;
  const facts: KernelFacts = {
    ...(told ? { builtin } : {}),
    ...(dep === undefined ? {} : { modules: parseModulesDep(dep) }),
  };
  if (told && dep !== undefined) return facts;
  const config = (await files.read(`/boot/config-${version}`, maxIndexBytes)) ?? (await read('config'));
  return config === undefined ? facts : { ...facts, config: parseKernelConfig(config) };
}

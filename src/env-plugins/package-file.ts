/** An OVA, an XVA (one archive) or an OVF (a descriptor with its files beside it), opened wherever it lies. */
import type { PlatformPath } from 'node:path';
import { type ByteSource, readBytes, windowOf } from '../io/byte-source.ts';
import { largestXmlBytes } from '../io/xml.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Machine } from '../model/machine.ts';
import type { ByteWindow } from '../model/window.ts';
import { parseDescriptor } from '../packages/ovf/descriptor.ts';
import {
  type DigestThere,
  type ManifestEntry,
  type ManifestHash,
  parseManifest,
  uncoveredMembers,
  verifyManifest,
} from '../packages/ovf/manifest.ts';
import { isGzip, openStored } from '../packages/ovf/members.ts';
import type { OvfPackage } from '../packages/ovf/package.ts';
import { readTarIndex, safeName } from '../packages/ovf/tar.ts';
import { extensionOf } from './image-names.ts';
import { packageMachines, unreadablePackage } from './package-machines.ts';
import { placeOfParts, wholeName } from './package-parts.ts';
import type { OpenDisk } from './plugin.ts';
import { isXvaName, openXvaArchive } from './xva-archive.ts';

/** Where packages lie. Paths are absolute. */
export interface PackagePlace {
  readonly paths: PlatformPath;
  /** @throws AppError `not-found` … */
  open(path: string, signal: AbortSignal): Promise<ByteSource>;
  /** Of the files in a folder. */
  names(folder: string, signal: AbortSignal): Promise<string[]>;
  /** Whether the file lies outside of the folder, by its name or through a link. */
  leadsOut(folder: string, path: string, signal: AbortSignal): Promise<boolean>;
  /**
   * The checksum (hex) of these bytes of a file, worked out where it lies; undefined where that can't be done. Absent
   * where reading is as good.
   */
  digest?(
    path: string,
    part: ByteWindow | undefined,
    hash: ManifestHash,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined>;
}

export interface OpenPackage {
  readonly machines: readonly Machine[];
  /** The disk's bytes; closing its source closes the package. */
  openDisk(diskId: string): Promise<OpenDisk>;
  /** Compares every file with the manifest. Absent where each byte is checked as it is read. @throws AppError `corrupt`. */
  verify?(signal: AbortSignal): Promise<void>;
  /** What the firmware of a machine in it keeps; absent where the kind of package has none. */
  nvram?(machine: string): Uint8Array | undefined;
  close(): Promise<void>;
}

/** The files of a package, wherever they are. Each opened source is closed by `close`. */
interface Files {
  readonly names: readonly string[];
  readonly findings: readonly Finding[];
  open(name: string): Promise<ByteSource | undefined>;
  /** As `PackagePlace.digest`. */
  readonly digest: DigestThere;
  /** Whether a file that was opened is a link that leads out of the package's folder. */
  readonly outside: boolean;
  close(): Promise<void>;
}

export const packageExtensions: readonly string[] = ['ova', 'ovf', 'xva'];

/** Also one in parts, by any of them or their list. */
export function isPackage(path: string): boolean {
  const whole = wholeName(path);
  return packageExtensions.includes(extensionOf(whole)) || isXvaName(whole);
}

export async function withPackage<T>(
  path: string,
  place: PackagePlace,
  signal: AbortSignal,
  use: (pack: OpenPackage) => Promise<T>,
): Promise<T> {
  const pack = await openPackage(path, place, signal);
  try {
    return await use(pack);
  } finally {
    await pack.close();
  }
}

/** What it holds. One that can't be understood is told all the same, with the reason: as `bare`, without disks. */
export async function machinesOfPackage(
  path: string,
  place: PackagePlace,
  signal: AbortSignal,
  bare: () => Promise<Machine | undefined>,
): Promise<readonly Machine[]> {
  try {
    return await withPackage(path, place, signal, async (pack) => packageMachines(pack, path));
  } catch (error) {
    if (!(error instanceof AppError) || ['cancelled', 'unreachable'].includes(error.kind)) throw error;
    const machine = await bare();
    const kind = isXvaName(wholeName(path)) ? 'XVA' : extensionOf(wholeName(path)).toUpperCase();
    return machine === undefined ? [] : [unreadablePackage(machine, kind, error)];
  }
}

/** A disk of it; what is opened closes the package. @throws AppError as `openPackage`. */
export async function openPackageDisk(
  path: string,
  diskId: string,
  place: PackagePlace,
  signal: AbortSignal,
): Promise<OpenDisk> {
  const pack = await openPackage(path, place, signal);
  try {
    return await pack.openDisk(diskId);
  } catch (error) {
    await pack.close();
    throw error;
  }
}

/** @throws AppError `corrupt`, `unsupported`, `not-found`. */
export async function openPackage(
  path: string,
  place: PackagePlace,
  signal: AbortSignal,
): Promise<OpenPackage> {
  const whole = wholeName(path);
  if (whole !== path) {
    const parts = placeOfParts(path, place);
    const pack = await openWhole(path, whole, parts, signal);
    return { ...pack, verify: (until) => parts.verify(until) };
  }
  return openWhole(path, path, place, signal);
}

/** `whole`: what its name is, without a part's number. */
async function openWhole(
  path: string,
  whole: string,
  place: PackagePlace,
  signal: AbortSignal,
): Promise<OpenPackage> {
  if (isXvaName(whole)) return openXvaArchive(await place.open(path, signal), path, signal);
  const open = extensionOf(whole) === 'ova' ? archiveFiles : folderFiles;
  const files = await open(path, place, signal);
  try {
    return await readPackage(path, place, files, signal);
  } catch (error) {
    await files.close();
    throw error;
  }
}

async function archiveFiles(path: string, place: PackagePlace, signal: AbortSignal): Promise<Files> {
  const archive = await place.open(path, signal);
  try {
    const { members, findings } = await readTarIndex(archive, signal);
    const byName = new Map(members.map((m) => [m.name, m]));
    return {
      names: members.map((m) => m.name),
      findings,
      async open(name) {
        const member = byName.get(name);
        return member && windowOf(archive, member.offset, member.size, `${path}:${name}`);
      },
      async digest(name, hash, abort) {
        const member = byName.get(name);
        if (member === undefined) return undefined;
        return place.digest?.(path, { offset: member.offset, length: member.size }, hash, abort);
      },
      outside: false,
      close: () => archive.close(),
    };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

async function folderFiles(descriptor: string, place: PackagePlace, signal: AbortSignal): Promise<Files> {
  const { paths } = place;
  const folder = paths.dirname(descriptor);
  const names = await place.names(folder, signal);
  const own = paths.basename(descriptor);
  const manifest = `${paths.basename(descriptor, '.ovf')}.mf`;
  const opened: ByteSource[] = [];
  let outside = false;
  return {
    // Other packages may lie in the same folder: of these two kinds only ours count.
    names: [
      own,
      ...names.filter((name) => name !== own && (!/\.(ovf|mf)$/i.test(name) || name === manifest)),
    ],
    findings: [],
    async open(name) {
      const path = paths.join(folder, safeName(name, descriptor));
      const source = await place.open(path, signal).catch((error) => {
        if (toAppError(error).kind === 'not-found') return undefined;
        throw error;
      });
      if (source === undefined) return undefined;
      opened.push(source);
      outside ||= await place.leadsOut(folder, path, signal);
      return source;
    },
    digest: async (name, hash, abort) =>
      place.digest?.(paths.join(folder, safeName(name, descriptor)), undefined, hash, abort),
    get outside() {
      return outside;
    },
    async close() {
      await Promise.all(opened.splice(0).map((source) => source.close()));
    },
  };
}

async function readPackage(
  path: string,
  place: PackagePlace,
  files: Files,
  signal: AbortSignal,
): Promise<OpenPackage> {
  const descriptorName = files.names.find((name) => extensionOf(name) === 'ovf');
  if (descriptorName === undefined) {
    throw new AppError('corrupt', 'there is no descriptor (.ovf) in it', {
      where: path,
      hint: 'this is not an OVA, or it is damaged',
    });
  }
  const content = parseDescriptor(
    await readSmall(files, descriptorName, signal),
    `${path}:${descriptorName}`,
  );
  const manifest = await readManifest(path, files, signal);
  const findings = [...files.findings, ...content.findings, ...manifestFindings(content, files, manifest)];
  return {
    machines: content.machines.map((machine) => ({
      ...machine,
      state: 'off',
      packaging: extensionOf(wholeName(path)).toUpperCase(),
      disks: machine.disks.map((disk) => placed(disk, path, place, content)),
      findings: [...machine.findings, ...findings],
    })),
    openDisk: (diskId) => openDisk(path, files, content, diskId, signal),
    async verify(abort) {
      if (manifest !== undefined) await verifyManifest(manifest, files.open, abort, files.digest);
    },
    close: files.close,
  };
}

/** The disk with the place of its file: the archive itself, or the file beside the descriptor. */
function placed(
  disk: Machine['disks'][number],
  path: string,
  { paths }: PackagePlace,
  content: OvfPackage,
): Machine['disks'][number] {
  const file = content.disks.find((d) => d.diskId === disk.id)?.file;
  const at =
    extensionOf(wholeName(path)) === 'ova'
      ? path
      : file === undefined
        ? undefined
        : paths.join(paths.dirname(path), file.href);
  return {
    ...disk,
    files: at === undefined ? [] : [at],
    ...(file?.sizeBytes === undefined ? {} : { allocatedSizeBytes: file.sizeBytes }),
  };
}

async function readSmall(files: Files, name: string, signal: AbortSignal): Promise<Buffer> {
  const source = await files.open(name);
  if (source === undefined) throw new AppError('not-found', 'the file is missing', { where: name });
  if (source.size > largestXmlBytes) {
    throw new AppError('corrupt', `${source.size} bytes are too many for this kind of file`, {
      where: source.name,
    });
  }
  return readBytes(source, 0, source.size, signal);
}

async function readManifest(
  path: string,
  files: Files,
  signal: AbortSignal,
): Promise<ManifestEntry[] | undefined> {
  const name = files.names.find((n) => extensionOf(n) === 'mf');
  return name === undefined
    ? undefined
    : parseManifest(await readSmall(files, name, signal), `${path}:${name}`);
}

function manifestFindings(
  content: OvfPackage,
  files: Files,
  manifest: ManifestEntry[] | undefined,
): Finding[] {
  if (manifest === undefined) {
    return [
      {
        rule: 'ovf.no-manifest',
        severity: 'note',
        message: "the package has no manifest: damage on its way here can't be noticed",
      },
    ];
  }
  const own = new Set(content.files.map((file) => file.href));
  return uncoveredMembers(
    manifest,
    files.names.filter((name) => own.has(name)),
  );
}

async function openDisk(
  path: string,
  files: Files,
  content: OvfPackage,
  diskId: string,
  signal: AbortSignal,
): Promise<OpenDisk> {
  const disk = content.disks.find((d) => d.diskId === diskId);
  if (disk === undefined) throw new AppError('not-found', `there is no disk "${diskId}"`, { where: path });
  if (disk.parentRef !== undefined) {
    throw new AppError('unsupported', `"${diskId}" is a delta of another disk`, {
      where: path,
      hint: 'export the machine again without snapshots',
    });
  }
  if (disk.file === undefined) {
    throw new AppError('unsupported', `"${diskId}" has no file: it is to be created empty`, {
      where: path,
      hint: 'leave this disk out and add an empty one at the destination',
    });
  }
  const stored = await openStored(disk.file, files.open);
  const gzip = disk.file.compression === 'gzip' || (await isGzip(stored, signal));
  const source: ByteSource = { ...stored, read: stored.read.bind(stored), close: files.close };
  return {
    source,
    ...(gzip ? { gzip } : {}),
    ...(files.outside ? { outside: true } : {}),
    async sibling(name) {
      const found = await files.open(safeName(name, path));
      if (found === undefined)
        throw new AppError('not-found', 'not in the package', { where: `${path}:${name}` });
      return {
        source: found,
        ...(files.outside ? { outside: true } : {}),
        sibling: async () => {
          throw new AppError('unsupported', 'a chain of files inside a package', { where: path });
        },
      };
    },
  };
}

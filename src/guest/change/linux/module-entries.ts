/** What an initramfs has of a kernel's modules, and what is to be added to it for more of them. */
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { Files } from '../../filesystems/files.ts';
import type { NewEntry } from '../../formats/initramfs/build-cpio.ts';
import { fileKind } from '../../formats/initramfs/cpio.ts';
import { readInitramfs } from '../../formats/initramfs/read-initramfs.ts';
import { loadOrder, type ModuleFile, parseModulesDep } from '../../formats/kernel/modules.ts';
import type { Reader } from '../../formats/reader.ts';

/** What modprobe and udev look in; the binary ones before the text. */
const indexes = ['dep', 'dep.bin', 'alias', 'alias.bin', 'softdep', 'symbols', 'symbols.bin', 'devname'];
const maxIndexBytes = 16 * MiB;
const maxModuleBytes = 64 * MiB;
const linkMode = fileKind.link | 0o777;

export interface ModulesInside {
  /** Of the kernel's modules, without `/` before it. */
  readonly folder: string;
  /** Its modules, from there. */
  readonly files: readonly string[];
}

/**
 * A folder in the added archive would take the place of a link of the same name (`lib` → `usr/lib`) and hide all behind
 * it: the path must be the one that the archive itself uses.
 */
export async function modulesInside(
  reader: Reader,
  version: string,
  signal: AbortSignal,
): Promise<ModulesInside> {
  const files: string[] = [];
  let home: string | undefined;
  let merged = false;
  for await (const found of readInitramfs(reader, { signal })) {
    if (found.kind === 'segment') {
      const { packing } = found.segment;
      if (packing === 'lzo' || packing === 'unknown')
        throw new AppError('unsupported', `its packing (${packing}) is not known`);
      continue;
    }
    const { name, mode } = found.entry;
    const [, own, of, path] = /^((?:usr\/)?lib\/modules)\/([^/]+)\/(.*)/.exec(name) ?? [];
    home ??= own;
    if (of === version && isModule.test(path!)) files.push(path!);
    if (name === 'lib' && (mode & fileKind.mask) === fileKind.link) merged = true;
  }
  return { folder: `${home ?? `${merged ? 'usr/lib' : 'lib'}/modules`}/${version}`, files };
}

const isModule = /\.ko(?:\.[a-z0-9]+)?$/;
const unpacked = (path: string) => path.replace(/\.ko\.[a-z0-9]+$/, '.ko');
/** Below /lib/modules/VERSION, however modules.dep writes it. */
const inside = (path: string) => path.replace(/^\/?(?:usr\/)?lib\/modules\/[^/]+\//, '');

/** `names` with what they need, and the lists of all of the kernel's modules. @throws AppError. */
export async function moduleEntries(
  files: Pick<Files, 'read'>,
  version: string,
  there: ModulesInside,
  names: readonly string[],
): Promise<NewEntry[]> {
  const home = `/lib/modules/${version}`;
  const dep = await files.read(`${home}/modules.dep`, maxIndexBytes);
  if (dep === undefined) throw new AppError('not-found', `${home}/modules.dep is not there`);
  const known = parseModulesDep(dep);
  const paths = new Set(
    names.flatMap((name) => {
      const order = loadOrder(known, name);
      if (order === undefined) throw new AppError('not-found', `${home}/modules.dep does not list ${name}`);
      return order.map(inside);
    }),
  );
  const entries: NewEntry[] = [];
  for (const path of paths) {
    const content = await files.read(`${home}/${path}`, maxModuleBytes);
    if (content === undefined) throw new AppError('not-found', `${home}/${path} is not there`);
    entries.push({ name: `${there.folder}/${path}`, content });
  }
  entries.push(...otherNames(there, known, paths));
  for (const index of indexes) {
    const content = await files.read(`${home}/modules.${index}`, maxIndexBytes);
    if (content !== undefined) entries.push({ name: `${there.folder}/modules.${index}`, content });
  }
  return entries;
}

/**
 * Some tools unpack the modules that they take (`ext4.ko.zst` is `ext4.ko` in an initramfs of Ubuntu 24.04), and list them
 * so. The lists that are added name them as the guest has them: links lead there. kmod goes by the content.
 */
function otherNames(
  { folder, files }: ModulesInside,
  known: ReadonlyMap<string, ModuleFile>,
  added: ReadonlySet<string>,
): NewEntry[] {
  const present = new Set(files);
  const byName = new Map(files.map((path) => [unpacked(path), path]));
  return [...known.values()].flatMap(({ path: listed }) => {
    const path = inside(listed);
    const other = byName.get(unpacked(path));
    if (other === undefined || present.has(path) || added.has(path)) return [];
    const target = other.slice(other.lastIndexOf('/') + 1);
    return [{ name: `${folder}/${path}`, mode: linkMode, content: Buffer.from(target) }];
  });
}

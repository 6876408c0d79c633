/**
 * Drivers that the root is reached by, put into the initramfs: the kernel unpacks every archive that follows the
 * first, so one is added with the modules of that very kernel and the guest's own lists of all its modules. udev finds
 * the driver by the device, as on any start. No program of the guest is run, and the old archive stays as it is.
 */
import { AppError, toAppError } from '../../../model/errors.ts';
import type { Finding } from '../../../model/finding.ts';
import type { GuestKernel } from '../../../model/guest-report.ts';
import { MiB } from '../../../model/units.ts';
import type { Files } from '../../filesystems/files.ts';
import { addedSegment, buildCpio, type NewEntry, withFolders } from '../../formats/initramfs/build-cpio.ts';
import { readInitramfs } from '../../formats/initramfs/read-initramfs.ts';
import { loadOrder, parseModulesDep } from '../../formats/kernel/modules.ts';
import type { Reader } from '../../formats/reader.ts';
import { bootModules } from '../target.ts';
import type { PlannedTree } from '../tree.ts';
import type { LinuxChange, LinuxContext } from './context.ts';

/** What modprobe and udev look in; the binary ones before the text. */
const indexes = ['dep', 'dep.bin', 'alias', 'alias.bin', 'softdep', 'symbols', 'symbols.bin', 'devname'];
const maxIndexBytes = 16 * MiB;
const maxModuleBytes = 64 * MiB;
const symbolicLink = 0o120000;
const kindMask = 0o170000;

export const addBootDrivers: LinuxChange = async (tree, context) => {
  const findings: Finding[] = [];
  const wanted = bootModules(context.target);
  for (const kernel of context.system.bootKernels ?? []) {
    const places = kernel.drivers;
    if (places === undefined) continue;
    const lacking = wanted.filter((name) => places[name] === 'missing');
    if (lacking.length > 0 && kernel.isDefault) findings.push(lackingFinding(kernel, lacking));
    const modules = wanted.filter((name) => places[name] === 'module');
    if (modules.length === 0 || isRescue(kernel)) continue;
    try {
      await addTo(tree, context, kernel, modules);
    } catch (error) {
      const { kind, message } = toAppError(error);
      if (kind === 'cancelled') throw error;
      findings.push({
        rule: 'guest.initramfs',
        severity: kernel.isDefault ? 'blocker' : 'warning',
        message: `the initramfs of kernel ${kernel.version} lacks ${modules.join(', ')}, and they can't be added: ${message}`,
        evidence: kernel.initramfs ?? kernel.version,
        remedy:
          'make a new one in the guest (update-initramfs -u, dracut -f --no-hostonly), or choose another bus',
      });
    }
  }
  return findings;
};

const isRescue = ({ version }: GuestKernel) => version.includes('rescue');

const lackingFinding = ({ version }: GuestKernel, lacking: readonly string[]): Finding => ({
  rule: 'guest.driver-missing',
  severity: 'blocker',
  message: `kernel ${version} has no driver ${lacking.join(', ')}: it would not find its disk`,
  evidence: version,
  remedy:
    'choose another bus for the disks, or install a kernel with it in the guest (linux-image-amd64, not a cloud one)',
});

async function addTo(
  tree: PlannedTree,
  context: LinuxContext,
  kernel: GuestKernel,
  modules: readonly string[],
) {
  const { version, initramfs } = kernel;
  if (initramfs === undefined) {
    throw new AppError('unsupported', 'the kernel is started without one', { where: version });
  }
  const { files, signal } = context;
  const reader = await readerAt(files, initramfs);
  if (reader === undefined) throw new AppError('not-found', 'it is not there', { where: initramfs });
  const folder = await modulesFolder(reader, version, signal);
  const entries = await moduleEntries(files, version, folder, modules);
  const segment = addedSegment(reader.size, buildCpio(withFolders(entries)), 'gzip');
  await tree.change(
    {
      id: `initramfs.${version}`,
      title: `Kernel ${version} finds its disk: ${modules.join(', ')} in its initramfs`,
      reason: 'the root is reached by a driver that the initramfs does not have',
      need: 'needed',
    },
    async (editor) => {
      if (hasRoom(context, initramfs, reader.size + segment.length))
        await editor.copy(initramfs, `${await editor.real(initramfs)}.before-vmferry`);
      await editor.append(initramfs, segment);
    },
  );
}

async function readerAt(files: Files, path: string): Promise<Reader | undefined> {
  const file = await files.open(path);
  return file && { size: file.stat.size, read: (offset, length) => file.readAt(offset, length) };
}

/** The old one is kept where that leaves the /boot some room. */
function hasRoom({ system, files }: LinuxContext, path: string, bytes: number): boolean {
  const { mountPoint } = files.place(path).mount;
  const free = system.space?.find((s) => s.mountPoint === mountPoint)?.freeBytes;
  return free === undefined || free > bytes + 16 * MiB;
}

/**
 * Where modules lie in this initramfs. A folder in the added archive would take the place of a link of the same name
 * (`lib` → `usr/lib`) and hide all behind it: the path must be the one that the archive itself uses.
 */
export async function modulesFolder(reader: Reader, version: string, signal: AbortSignal): Promise<string> {
  let merged = false;
  for await (const found of readInitramfs(reader, { signal })) {
    if (found.kind === 'segment') {
      const { packing } = found.segment;
      if (packing === 'lzo' || packing === 'unknown')
        throw new AppError('unsupported', `its packing (${packing}) is not known`);
      continue;
    }
    const { name, mode } = found.entry;
    const own = /^((?:usr\/)?lib\/modules)\/[^/]+\//.exec(name)?.[1];
    if (own !== undefined) return `${own}/${version}`;
    if (name === 'lib' && (mode & kindMask) === symbolicLink) merged = true;
  }
  return `${merged ? 'usr/lib' : 'lib'}/modules/${version}`;
}

export async function moduleEntries(
  files: Pick<Files, 'read'>,
  version: string,
  folder: string,
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
      return order;
    }),
  );
  const entries: NewEntry[] = [];
  for (const path of paths) {
    const inside = path.replace(/^\/?(?:usr\/)?lib\/modules\/[^/]+\//, '');
    const content = await files.read(`${home}/${inside}`, maxModuleBytes);
    if (content === undefined) throw new AppError('not-found', `${home}/${inside} is not there`);
    entries.push({ name: `${folder}/${inside}`, content });
  }
  for (const index of indexes) {
    const content = await files.read(`${home}/modules.${index}`, maxIndexBytes);
    if (content !== undefined) entries.push({ name: `${folder}/modules.${index}`, content });
  }
  return entries;
}

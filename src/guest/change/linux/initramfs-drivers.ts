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
import { addedSegment, buildCpio, withFolders } from '../../formats/initramfs/build-cpio.ts';
import type { Reader } from '../../formats/reader.ts';
import { bootModules } from '../target.ts';
import type { PlannedTree } from '../tree.ts';
import type { LinuxChange, LinuxContext } from './context.ts';
import { moduleEntries, modulesInside } from './module-entries.ts';

export const addBootDrivers: LinuxChange = async (tree, context) => {
  const findings: Finding[] = [];
  const wanted = bootModules(context.target);
  for (const kernel of context.system.bootKernels ?? []) {
    const places = kernel.drivers;
    if (places === undefined) continue;
    const lacking = wanted.filter((name) => places[name] === 'missing');
    if (lacking.length > 0 && kernel.isDefault) findings.push(lackingFinding(kernel, lacking));
    const modules = wanted.filter((name) => places[name] === 'module');
    if (modules.length === 0 || isRescue(kernel) || isLeftover(kernel, context)) continue;
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

/** systemd-boot starts a copy on the ESP; what is in /boot it was made from. */
const isLeftover = ({ version, initramfs }: GuestKernel, { system }: LinuxContext) =>
  initramfs === undefined &&
  system.bootKernels?.some((other) => other.version === version && other.initramfs !== undefined) === true;

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
  const there = await modulesInside(reader, version, signal);
  const entries = await moduleEntries(files, version, there, modules);
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

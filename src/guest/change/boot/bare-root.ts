/**
 * A root filesystem that never started by itself, of User Mode Linux or of a container: it gets a kernel (one that the
 * user gives, or its own) and GRUB for a BIOS around it. The partition table is there already: `withPartitionTable`.
 */
import { AppError, toAppError } from '../../../model/errors.ts';
import type { Finding } from '../../../model/finding.ts';
import { MiB } from '../../../model/units.ts';
import { addedSegment, buildCpio, withFolders } from '../../formats/initramfs/build-cpio.ts';
import type { Upload } from '../edit.ts';
import type { LinuxChange, LinuxContext } from '../linux/context.ts';
import { moduleEntries, modulesInside } from '../linux/module-entries.ts';
import { lackingNetwork } from '../linux/network-drivers.ts';
import { localFiles, localUpload } from '../local-files.ts';
import { bootModules, networkModules } from '../target.ts';
import type { PlannedTree } from '../tree.ts';
import { type KernelHere, kernelHere, withReader } from './given-kernel.ts';
import { makeBiosLoader } from './grub-bios.ts';
import { settleUserland } from './userland.ts';

/** The kernel and initramfs as the guest will have them. */
interface Started {
  readonly version: string;
  readonly image: string;
  readonly initramfs?: string;
  readonly findings?: readonly Finding[];
}

/** Consoles that are not there are passed over by the kernel. Its names of network cards are those of a container. */
const alwaysArguments = 'ro net.ifnames=0 console=ttyS0,115200n8 console=tty0';
const filesystemModules: Readonly<Record<string, string>> = {
  ...{ ext2: 'ext4', ext3: 'ext4', ext4: 'ext4', xfs: 'xfs', btrfs: 'btrfs' },
};

export const makeBareRootStart: LinuxChange = async (tree, context) => {
  if (!isBare(context)) return [];
  const root = context.volumes.find(
    (v) => v.partition === context.system.rootPartition && v.uuid !== undefined,
  );
  const kind = root?.kind ?? '';
  if (root?.uuid === undefined) return [cannot('its root has no UUID')];
  const refused = refusal(context, root.disk);
  if (refused !== undefined) return [refused];
  try {
    const loader = await makeBiosLoader(kind, root.uuid);
    const gap = firstByte(context, root.disk);
    if (loader.core.length > gap - 512)
      return [cannot(`GRUB takes ${loader.core.length} bytes, and the first partition begins at ${gap}`)];
    const kernel = await startedKernel(tree, context, kind);
    if (kernel === undefined) return [noKernel];
    const change = {
      id: 'bare.loader',
      title: `GRUB starts kernel ${kernel.version} from the disk's first sector`,
      reason: 'the guest was started from outside, and nothing on its disk starts it',
      need: 'needed',
      sectors: [
        { disk: root.disk, offset: 0, content: loader.code },
        { disk: root.disk, offset: 512, content: loader.core },
      ],
    } as const;
    await tree.change(change, (editor) => editor.write('/boot/grub/grub.cfg', grubConfig(kernel, root)));
    return [...(kernel.findings ?? []), ...(await settleUserland(tree, context, root.uuid, kind))];
  } catch (error) {
    const failure = toAppError(error);
    if (failure.kind === 'cancelled') throw error;
    return [cannot([failure.where, failure.message].filter(Boolean).join(': '), failure.hint)];
  }
};

/** No code in its first sector, no system partition of a firmware, no configuration of a loader. */
function isBare({ system, reports, target }: LinuxContext): boolean {
  if (target.product === 'uml' || system.bootloader !== undefined) return false;
  return (
    reports.length > 0 &&
    reports.every(
      ({ partitionTable, firmware }) =>
        (partitionTable.bootCode === 'none' || partitionTable.kind === 'none') && firmware === 'unknown',
    )
  );
}

function refusal({ reports, target, wish, system }: LinuxContext, disk: number): Finding | undefined {
  const kind = reports[disk]?.partitionTable.kind;
  if (wish.kernel === undefined && (system.bootKernels ?? []).length === 0) return noKernel;
  if (kind === 'none')
    return cannot('it has no partition table', 'let one be put around it: --partition-table mbr');
  if (kind === 'gpt')
    return cannot(
      'GRUB for a BIOS finds no room in a GPT',
      'let an MBR be put around it: --partition-table mbr',
    );
  if (target.firmware === 'uefi')
    return cannot('it can be made to start by a BIOS only', 'give the machine a BIOS: --firmware bios');
  return undefined;
}

const firstByte = ({ reports }: LinuxContext, disk: number): number =>
  Math.min(MiB, ...(reports[disk]?.partitions ?? []).map(({ startBytes }) => startBytes));

function grubConfig(
  { version, image, initramfs }: Started,
  root: { uuid?: string; partUuid?: string },
): string {
  // Without an initramfs nobody looks for filesystems: the kernel knows partitions only.
  const name = initramfs === undefined ? `PARTUUID=${root.partUuid}` : `UUID=${root.uuid}`;
  const initrd = initramfs === undefined ? '' : `\tinitrd ${initramfs}\n`;
  return `set default=0\nset timeout=1\nmenuentry 'Linux ${version}' {\n\tlinux ${image} root=${name} ${alwaysArguments}\n${initrd}}\n`;
}

async function startedKernel(
  tree: PlannedTree,
  context: LinuxContext,
  kind: string,
): Promise<Started | undefined> {
  const { wish, system, signal } = context;
  if (wish.kernel !== undefined)
    return bringKernel(tree, context, await kernelHere(wish.kernel, signal), kind);
  const own = system.bootKernels?.find(({ isDefault }) => isDefault) ?? system.bootKernels?.at(-1);
  if (own?.image === undefined) return undefined;
  const { version, image, initramfs } = own;
  return { version, image, ...(initramfs === undefined ? {} : { initramfs }) };
}

/** @throws AppError `unsupported` when it would not find its root. */
async function bringKernel(
  tree: PlannedTree,
  context: LinuxContext,
  kernel: KernelHere,
  kind: string,
): Promise<Started> {
  const { version } = kernel;
  const needed = [...bootModules(context.target), filesystemModules[kind] ?? kind];
  const reached = (name: string) => ['builtin', 'initramfs'].includes(kernel.place(name));
  const lacking = needed.filter((name) => !reached(name));
  const inFolder = (name: string) => kernel.place(name) !== 'builtin';
  const none = lacking.filter((name) => kernel.place(name) !== 'module');
  if (none.length > 0 || (lacking.length > 0 && kernel.initramfs === undefined)) {
    throw new AppError(
      'unsupported',
      `kernel ${version} has no driver ${(none.length > 0 ? none : lacking).join(', ')}`,
      {
        where: kernel.image,
        hint:
          none.length > 0
            ? 'give a kernel with it (linux-image-amd64, not a cloud one) and the folder of its modules'
            : 'give its initramfs too',
      },
    );
  }
  const image = `/boot/vmlinuz-${version}`;
  const initramfs = kernel.initramfs === undefined ? undefined : `/boot/initrd.img-${version}`;
  // Many such guests have nobody who loads the driver of a network card: what is in the initramfs is loaded there.
  const network = networkModules(context.target).filter((name) => kernel.place(name) === 'module');
  const added = [...new Set([...lacking, ...network])];
  await tree.change(
    {
      id: 'bare.kernel',
      title: `Kernel ${version} is put into /boot, with its drivers for the new hardware`,
      reason: 'the guest was started by a kernel from outside',
      need: 'needed',
    },
    async (editor) => {
      await editor.upload(image, await localUpload(kernel.image), { mode: 0o644 });
      if (initramfs !== undefined)
        await editor.upload(initramfs, await withDrivers(kernel, kernel.initramfs!, added, context.signal), {
          mode: 0o644,
        });
      if (kernel.modules === undefined) return;
      for (const { name, content } of await moduleEntries(
        localFiles(kernel.modules, version),
        version,
        { folder: `lib/modules/${version}`, files: [] },
        [...new Set([...needed.filter(inFolder), ...network])],
      ))
        if (content !== undefined) await editor.upload(`/${name}`, held(kernel.modules, content));
    },
  );
  const findings = lackingNetwork(version, context.target, (name) => kernel.place(name) === 'none');
  return { version, image, findings, ...(initramfs === undefined ? {} : { initramfs }) };
}

/** The initramfs, and behind it an archive of the drivers that it lacks. */
async function withDrivers(
  { version, modules }: KernelHere,
  path: string,
  lacking: readonly string[],
  signal: AbortSignal,
): Promise<Upload> {
  const upload = await localUpload(path);
  if (lacking.length === 0 || modules === undefined) return upload;
  const there = await withReader(path, (reader) => modulesInside(reader, version, signal));
  const entries = await moduleEntries(localFiles(modules, version), version, there, lacking);
  const segment = addedSegment(upload.size, buildCpio(withFolders(entries)), 'gzip');
  return {
    from: `${path}, with ${lacking.join(', ')} added`,
    size: upload.size + segment.length,
    async *chunks() {
      yield* upload.chunks();
      yield* held(path, segment).chunks();
    },
  };
}

const held = (from: string, content: Uint8Array): Upload => ({
  from,
  size: content.length,
  async *chunks() {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.length);
    for (let at = 0; at < bytes.length; at += MiB) yield bytes.subarray(at, at + MiB);
  },
});

const noKernel: Finding = {
  rule: 'guest.no-kernel',
  severity: 'warning',
  message: 'the guest has no kernel of its own: it was started by one from outside, and starts nowhere else',
  remedy: 'give it one of this computer: --kernel /boot/vmlinuz-…',
};

const cannot = (why: string, remedy = 'put a kernel and a bootloader into it by hand'): Finding => ({
  rule: 'guest.not-bootable',
  severity: 'warning',
  message: `nothing starts the guest, and it can't be made to start: ${why}`,
  remedy,
});

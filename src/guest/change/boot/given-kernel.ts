/** A kernel of this computer that a guest is to start with: what it is, and where it has its drivers. */
import { open, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError, toAppError } from '../../../model/errors.ts';
import type { GivenKernel } from '../../../model/guest-plan.ts';
import { MiB } from '../../../model/units.ts';
import { summariseInitramfs } from '../../formats/initramfs/summary.ts';
import { type DriverPlace, hasDriver, type KernelFacts } from '../../formats/kernel/drivers.ts';
import { readKernelImage } from '../../formats/kernel/image.ts';
import { parseModulesBuiltin, parseModulesDep } from '../../formats/kernel/modules.ts';
import type { Reader } from '../../formats/reader.ts';

export interface KernelHere {
  readonly version: string;
  readonly image: string;
  readonly initramfs?: string;
  /** The folder `/lib/modules/VERSION`, wherever it lies here. */
  readonly modules?: string;
  place(driver: string): DriverPlace;
}

const maxIndexBytes = 16 * MiB;

/** What is not named is looked for beside the image, as distributions name it. @throws AppError. */
export async function kernelHere(given: GivenKernel, signal: AbortSignal): Promise<KernelHere> {
  const { image } = given;
  const version = await versionOf(image);
  const folder = dirname(image);
  const initramfs =
    given.initramfs ??
    (await firstThere(
      [`initrd.img-${version}`, `initramfs-${version}.img`, `initrd-${version}`].map((name) =>
        join(folder, name),
      ),
    ));
  const modules = given.modules ?? (await firstThere([join(folder, '../lib/modules', version)]));
  const facts: KernelFacts = {
    ...(modules === undefined
      ? {}
      : {
          modules: parseModulesDep(await indexOf(modules, 'modules.dep')),
          builtin: parseModulesBuiltin(await indexOf(modules, 'modules.builtin')),
        }),
    ...(initramfs === undefined ? {} : { initramfs: await driversIn(initramfs, signal) }),
  };
  return {
    ...{ version, image },
    ...(initramfs === undefined ? {} : { initramfs }),
    ...(modules === undefined ? {} : { modules }),
    place: (driver) => hasDriver(facts, driver),
  };
}

async function versionOf(image: string): Promise<string> {
  const found = await withReader(image, (reader) => readKernelImage(reader));
  if (found?.kind !== 'bzImage' || found.release === undefined)
    throw new AppError('unsupported', 'this is not a kernel that a PC starts (bzImage)', {
      where: image,
      hint: 'give a /boot/vmlinuz-… of a distribution',
    });
  const [release] = found.release.split(' ');
  if (release === undefined || !/^[\w.+~-]+$/.test(release))
    throw new AppError('unsupported', `the kernel's release is ${JSON.stringify(found.release)}`, {
      where: image,
    });
  return release;
}

const driversIn = (path: string, signal: AbortSignal) =>
  withReader(path, async (reader) => (await summariseInitramfs(reader, signal)).drivers);

async function indexOf(folder: string, name: string): Promise<Buffer> {
  const path = join(folder, name);
  try {
    const { size } = await stat(path);
    if (size <= maxIndexBytes) return await readFile(path);
  } catch (error) {
    throw toAppError(error);
  }
  throw new AppError('unsupported', 'the list of modules is too large', { where: path });
}

/** A file of this computer, for what reads files of guests. @throws AppError. */
export async function withReader<T>(path: string, work: (reader: Reader) => Promise<T>): Promise<T> {
  const handle = await open(path).catch((error) => {
    throw toAppError(error);
  });
  try {
    const { size } = await handle.stat();
    return await work({
      size,
      async read(offset, length) {
        const bytes = Buffer.alloc(length);
        const { bytesRead } = await handle.read(bytes, 0, length, offset);
        if (bytesRead < length)
          throw new AppError('corrupt', `the file ends at ${offset + bytesRead}`, { where: basename(path) });
        return bytes;
      },
    });
  } finally {
    await handle.close();
  }
}

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths)
    if (
      await stat(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  return undefined;
}

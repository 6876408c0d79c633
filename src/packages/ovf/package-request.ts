/** What is packed, and what every package consists of besides its disks: descriptor and manifest. */
import { createHash } from 'node:crypto';
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import type { Machine } from '../../model/machine.ts';
import type { Finished } from './hashing-sink.ts';
import { formatManifest, type ManifestEntry } from './manifest.ts';
import type { PackedDisk } from './package.ts';
import { type DescribedFile, writeDescriptor } from './write-descriptor.ts';

/** What is needed of a delivery: structurally the one of the environments' contract. */
export interface PackageDelivery {
  sink(file: { readonly name: string; readonly size?: number }): Promise<ByteSink>;
  commit(): Promise<string[]>;
  rollback(): Promise<readonly Leftover[]>;
}

export interface PackageRequest {
  /** Of the machine and of the package's files. Must be fit for a file name. */
  readonly name: string;
  readonly machine: Machine;
  /** In the machine's order; each must be poured before `commit`. */
  readonly disks: readonly PackedDisk[];
  /** What the firmware keeps; for packages that have a place for it. */
  readonly nvram?: Uint8Array | undefined;
  /** Time of the archive's members, seconds since 1970. Default now. */
  readonly mtimeSeconds?: number;
}

export function checkRequest({ name, disks }: PackageRequest): void {
  const names = [name, ...disks.map((d) => d.fileName)];
  for (const one of names) {
    if (one === '' || one.startsWith('.') || /[/\\\0-\x1f\x7f]/.test(one)) {
      throw new AppError('usage', `${JSON.stringify(one)} can't be the name of a file`, {
        hint: 'choose another name',
      });
    }
  }
  if (new Set(names).size !== names.length)
    throw new AppError('bug', 'two files of the package have one name');
}

export function checkKnown(
  request: PackageRequest,
  finished: ReadonlyMap<string, unknown>,
  name: string,
): void {
  if (!request.disks.some((d) => d.fileName === name))
    throw new AppError('bug', `"${name}" is no disk of the package`);
  if (finished.has(name)) throw new AppError('bug', `"${name}" is written twice`);
}

export function describe(request: PackageRequest, finished: ReadonlyMap<string, Finished>): string {
  const files: DescribedFile[] = request.disks.map((disk) => ({
    ...disk,
    sizeBytes: finishedOf(finished, disk.fileName).sizeBytes,
  }));
  return writeDescriptor(request.name, request.machine, files);
}

function finishedOf(finished: ReadonlyMap<string, Finished>, name: string): Finished {
  const result = finished.get(name);
  if (result === undefined) throw new AppError('bug', `the disk "${name}" has not been written`);
  return result;
}

export function manifestOf(
  request: PackageRequest,
  finished: ReadonlyMap<string, Finished>,
  descriptorName: string,
  descriptor: Buffer,
): Buffer {
  const entries: ManifestEntry[] = [{ name: descriptorName, hash: 'sha256', hex: sha256(descriptor) }];
  for (const { fileName } of request.disks) {
    entries.push({ name: fileName, hash: 'sha256', hex: finishedOf(finished, fileName).sha256 });
  }
  return Buffer.from(formatManifest(entries));
}

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/**
 * A delivery of disks turned into one of a package: what is poured into its sinks (streamOptimized VMDK files, one
 * after the other) is hashed on its way, and `commit` adds the descriptor and the manifest.
 */
import { createHash } from 'node:crypto';
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { type Finished, hashingSink } from './hashing-sink.ts';
import { formatManifest, type ManifestEntry } from './manifest.ts';
import type { PackedDisk } from './package.ts';
import { type DescribedFile, writeDescriptor } from './write-descriptor.ts';

/** What is needed of a delivery: structurally the one of the environments' contract. */
export interface PackageDelivery {
  sink(file: { readonly name: string; readonly size?: number }): Promise<ByteSink>;
  commit(): Promise<string[]>;
  rollback(): Promise<void>;
}

export interface PackageRequest {
  /** Of the machine and of the package's files. Must be fit for a file name. */
  readonly name: string;
  readonly machine: Machine;
  /** In the machine's order; each must be poured before `commit`. */
  readonly disks: readonly PackedDisk[];
  /** Time of the archive's members, seconds since 1970. Default now. */
  readonly mtimeSeconds?: number;
}

/** `name.ovf`, `name.mf` and the disks, each a file of the inner delivery. */
export function packAsOvf(inner: PackageDelivery, request: PackageRequest): PackageDelivery {
  checkRequest(request);
  const finished = new Map<string, Finished>();
  const open = new Set<ByteSink>();
  const write = async (name: string, bytes: Buffer) => {
    const sink = await inner.sink({ name, size: bytes.length });
    open.add(sink);
    await sink.write(bytes, 0);
    await sink.finish(bytes.length);
    open.delete(sink);
  };
  return {
    async sink(file) {
      checkKnown(request, finished, file.name);
      const sink = await inner.sink(file);
      open.add(sink);
      return hashingSink(sink, (result) => {
        open.delete(sink);
        finished.set(file.name, result);
      });
    },
    async commit() {
      const descriptor = Buffer.from(describe(request, finished));
      const descriptorName = `${request.name}.ovf`;
      await write(descriptorName, descriptor);
      await write(`${request.name}.mf`, manifestOf(request, finished, descriptorName, descriptor));
      return inner.commit();
    },
    async rollback() {
      for (const sink of open) await sink.abort();
      open.clear();
      await inner.rollback();
    },
  };
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

/** A package as a folder of files. */
import type { ByteSink } from '../../io/byte-source.ts';
import { type Finished, hashingSink } from './hashing-sink.ts';
import {
  checkKnown,
  checkRequest,
  describe,
  manifestOf,
  type PackageDelivery,
  type PackageRequest,
} from './package-request.ts';

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
      return inner.rollback();
    },
  };
}

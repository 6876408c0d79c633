/**
 * A package as one tar archive, written in one pass: the descriptor comes first (DSP0243 5.3), though the sizes in
 * it are known last, so a slot is left open for it; headers and descriptor are filled in afterwards.
 *
 *   header, descriptor (padded with spaces inside the XML) | header, disk … | header, manifest | zeros
 */
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { type Finished, hashingSink } from './hashing-sink.ts';
import {
  checkKnown,
  checkRequest,
  describe,
  manifestOf,
  type PackageDelivery,
  type PackageRequest,
} from './package-request.ts';
import { encodeTarHeader, tarBlockBytes } from './tar-header.ts';

/** tar's record: an archive's size is a multiple of it. */
const recordBytes = 20 * tarBlockBytes;

/** `name.ova`, the only file of the inner delivery; its sink must be random. Disks come one after the other. */
export function packAsOva(inner: PackageDelivery, request: PackageRequest): PackageDelivery {
  checkRequest(request);
  const mtime = request.mtimeSeconds ?? Math.floor(Date.now() / 1000);
  const descriptorName = `${request.name}.ovf`;
  // Names that don't fit are refused before the first byte.
  for (const name of [descriptorName, ...request.disks.map((d) => d.fileName)])
    encodeTarHeader(name, 0, mtime);
  const slotBytes = descriptorSlot(request);
  const finished = new Map<string, Finished>();
  let archive: ByteSink | undefined;
  let busy: string | undefined;
  let end = tarBlockBytes + slotBytes;

  const openArchive = async (): Promise<ByteSink> => {
    if (archive !== undefined) return archive;
    const sink = await inner.sink({ name: `${request.name}.ova` });
    archive = sink;
    if (sink.access !== 'random')
      throw new AppError('bug', `an OVA can't be written to ${sink.name}, which is forward only`);
    return sink;
  };
  const member = async (sink: ByteSink, at: number, name: string, bytes: Buffer) => {
    await sink.write(Buffer.concat([encodeTarHeader(name, bytes.length, mtime), bytes]), at);
    return at + tarBlockBytes + padded(bytes.length);
  };

  return {
    async sink({ name, size }) {
      checkKnown(request, finished, name);
      if (busy !== undefined)
        throw new AppError('bug', `"${name}" is opened while "${busy}" is being written`);
      busy = name;
      const sink = await openArchive();
      const start = end + tarBlockBytes;
      const part = partOf(sink, name, start, size, async (bytes) => {
        await sink.write(encodeTarHeader(name, bytes, mtime), start - tarBlockBytes);
        end = start + padded(bytes);
        busy = undefined;
      });
      return hashingSink(part, (result) => finished.set(name, result));
    },
    async commit() {
      if (busy !== undefined) throw new AppError('bug', `"${busy}" is not finished`);
      const sink = await openArchive();
      const descriptor = paddedDescriptor(describe(request, finished), slotBytes);
      end = await member(
        sink,
        end,
        `${request.name}.mf`,
        manifestOf(request, finished, descriptorName, descriptor),
      );
      await member(sink, 0, descriptorName, descriptor);
      await sink.finish(Math.ceil((end + 2 * tarBlockBytes) / recordBytes) * recordBytes);
      archive = undefined;
      return inner.commit();
    },
    async rollback() {
      await archive?.abort();
      archive = undefined;
      return inner.rollback();
    },
  };
}

const padded = (bytes: number): number => Math.ceil(bytes / tarBlockBytes) * tarBlockBytes;

/** Room for the descriptor with the largest sizes that can come. */
function descriptorSlot(request: PackageRequest): number {
  const largest = { sizeBytes: Number.MAX_SAFE_INTEGER, sha256: '' };
  const text = describe(request, new Map(request.disks.map((d) => [d.fileName, largest])));
  return padded(Buffer.byteLength(text));
}

/** The descriptor of exactly `bytes`: white space before the last tag means nothing in XML. */
function paddedDescriptor(text: string, bytes: number): Buffer {
  const end = text.lastIndexOf('</Envelope>');
  const missing = bytes - Buffer.byteLength(text);
  return Buffer.from(`${text.slice(0, end)}${' '.repeat(missing)}${text.slice(end)}`);
}

function partOf(
  archive: ByteSink,
  name: string,
  start: number,
  size: number | undefined,
  close: (bytes: number) => Promise<void>,
): ByteSink {
  return {
    name: `${archive.name}:${name}`,
    access: 'forward',
    write: (bytes, offset, signal) => archive.write(bytes, start + offset, signal),
    async finish(bytes) {
      if (size !== undefined && bytes !== size) {
        throw new AppError('bug', `${name}: ${bytes} bytes written of a file announced as ${size}`);
      }
      await close(bytes);
    },
    // The archive is the packer's: it is aborted with the whole delivery.
    abort: () => Promise.resolve(),
  };
}

/** The descriptor of a file: embedded behind a sparse extent's header, or the whole of it. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import {
  type Descriptor,
  looksLikeDescriptor,
  maximumDescriptorBytes,
  parseDescriptor,
} from './descriptor.ts';
import { hostedMagic, parseHeader, type SparseHeader, sectorBytes } from './layout.ts';

/** The descriptor's bytes; absent where there is no room for one, or it is empty as in the extents of a split disk. */
export async function readEmbedded(
  source: ByteSource,
  header: SparseHeader,
  { signal }: { readonly signal?: AbortSignal },
): Promise<Buffer | undefined> {
  const { descriptorOffset, descriptorSectors } = header;
  if (descriptorOffset === 0 || descriptorSectors === 0) return undefined;
  const length = descriptorSectors * sectorBytes;
  const end = descriptorOffset * sectorBytes + length;
  if (length > maximumDescriptorBytes || end > source.size) {
    throw new AppError(
      'corrupt',
      `VMDK descriptor of ${descriptorSectors} sectors at sector ${descriptorOffset}`,
      {
        where: source.name,
        hint: 'the file is cut short or damaged; fetch it again',
      },
    );
  }
  const bytes = await readBytes(source, descriptorOffset * sectorBytes, length, signal);
  return bytes[0] === 0 ? undefined : bytes;
}

/** Undefined where the file has none. @throws AppError `corrupt`. */
export async function readDescriptor(
  source: ByteSource,
  context: { readonly signal?: AbortSignal },
): Promise<Descriptor | undefined> {
  const head = await readBytes(source, 0, Math.min(sectorBytes, source.size), context.signal);
  if (head.subarray(0, 4).toString('latin1') === hostedMagic) {
    const text = await readEmbedded(source, parseHeader(head, source.name), context);
    return text === undefined ? undefined : parseDescriptor(text, source.name);
  }
  if (!looksLikeDescriptor(head) || source.size > maximumDescriptorBytes) return undefined;
  return parseDescriptor(await readBytes(source, 0, source.size, context.signal), source.name);
}

/** Compression or encryption around a whole file (`disk.raw.gz`): known by its magic, named by its extension. */
import { AppError } from '../../model/errors.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';

export const wrappers = ['gzip', 'xz', 'zstd', 'bzip2', 'lz4', 'age'] as const;
export type Wrapper = (typeof wrappers)[number];
export type Compression = Exclude<Wrapper, 'age'>;

const extensions: Readonly<Record<string, Wrapper>> = {
  gz: 'gzip',
  xz: 'xz',
  zst: 'zstd',
  bz2: 'bzip2',
  lz4: 'lz4',
  age: 'age',
};
export const wrapperExtensions = Object.keys(extensions);

/** The wrapper by the name's last extension, and the name without it. */
export function splitWrapperName(name: string): { readonly inner: string; readonly wrapper?: Wrapper } {
  const match = /^(.*[^/\\.])\.([a-z0-9]+)$/i.exec(name);
  const wrapper = match === null ? undefined : extensions[match[2]!.toLowerCase()];
  return wrapper === undefined ? { inner: name } : { inner: match![1]!, wrapper };
}

/** Without the extensions of all that is around it: `disk.qcow2` for `disk.qcow2.gz.age`. */
export function withoutWrappers(name: string): string {
  const { inner, wrapper } = splitWrapperName(name);
  return wrapper === undefined ? name : withoutWrappers(inner);
}

/**
 * By what the bytes begin with, whatever the name. No disk begins so: these are no boot code and no header.
 * @throws AppError `unsupported`.
 */
export async function detectWrapper(source: ByteSource, signal?: AbortSignal): Promise<Wrapper | undefined> {
  if (source.size < 8 || source.access === 'forward') return undefined;
  const head = await readBytes(source, 0, Math.min(headBytes, source.size), signal);
  if (head.toString('latin1').startsWith(armorMark)) {
    throw new AppError('unsupported', 'it is encrypted with age, and written as text', {
      where: source.name,
      hint: 'decrypt it first, with age -d; or encrypt it without --armor',
    });
  }
  return wrapperOf(head);
}

const ageMagic = 'age-encryption.org/v1\n';
const armorMark = '-----BEGIN AGE ENCRYPT';
const headBytes = ageMagic.length;

export function wrapperOf(head: Buffer): Wrapper | undefined {
  if (head.toString('latin1').startsWith(ageMagic)) return 'age';
  const hex = head.toString('hex');
  if (hex.startsWith('1f8b08')) return 'gzip'; // RFC 1952, 2.3.1
  if (hex.startsWith('fd377a585a00')) return 'xz'; // ".xz file format", 2.1.1.1
  if (hex.startsWith('28b52ffd')) return 'zstd'; // RFC 8878, 3.1.1
  if (hex.startsWith('04224d18') || hex.startsWith('02214c18')) return 'lz4'; // "LZ4 Frame Format", the legacy one too
  // A block (the digits of pi) or, of nothing at all, the end of the stream (those of its square root).
  if (/^425a683[1-9](314159265359|177245385090)/.test(hex)) return 'bzip2';
  return undefined;
}

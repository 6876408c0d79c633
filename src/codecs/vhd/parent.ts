/** Where a differencing disk says that its parent lies. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { OpenContext, OpenImage } from '../codec.ts';
import { type DynamicHeader, formatUniqueId, parentLocator } from './layout.ts';

const longestName = 4096;

/**
 * The disk below, tried by every name that the header gives.
 * @throws AppError `not-found`, or `corrupt` when what is found there has another id.
 */
export async function openParent(
  source: ByteSource,
  header: DynamicHeader,
  context: OpenContext,
): Promise<OpenImage> {
  const names = await parentNames(source, header, context.signal);
  const wanted = formatUniqueId(header.parentUniqueId);
  for (const name of names) {
    let parent: OpenImage;
    try {
      parent = await context.parent(name, 'vhd');
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not-found') continue;
      throw error;
    }
    if (parent.info.details.uniqueId === wanted) return parent;
    await parent.close();
    throw new AppError(
      'corrupt',
      `"${name}" has the id ${parent.info.details.uniqueId}, its child expects ${wanted}`,
      {
        where: source.name,
        hint: 'put the right parent beside it',
      },
    );
  }
  throw new AppError(
    'not-found',
    `the parent of this differencing VHD (${names[0] ?? 'without a name'}) is not there`,
    {
      where: source.name,
      hint: 'put the parent beside it, or name both folders',
    },
  );
}

/** Relative names first, as a chain is mostly moved as a whole; then the plain name beside the child. */
async function parentNames(
  source: ByteSource,
  header: DynamicHeader,
  signal?: AbortSignal,
): Promise<string[]> {
  const relative: string[] = [];
  const absolute: string[] = [];
  for (let i = 0; i < 8; i++) {
    const { platformCode, dataLength, dataOffset } = parentLocator.decode(header.parentLocators, i * 24);
    if (!['W2ru', 'W2ku', 'MacX', 'Wi2r', 'Wi2k'].includes(platformCode) || dataLength === 0) continue;
    if (dataLength > longestName || dataOffset > source.size - dataLength) {
      throw new AppError('corrupt', `VHD parent locator ${i}: ${dataLength} bytes at ${dataOffset}`, {
        where: source.name,
      });
    }
    const bytes = await readBytes(source, dataOffset, dataLength, signal);
    if (platformCode === 'MacX') {
      // A URL; vhd-util of XenServer writes file://./name for a relative one.
      const path = decodeUrl(bytes.toString('utf8').replace(/\0.*$/s, ''));
      (path.startsWith('/') ? absolute : relative).push(path);
    } else if (platformCode === 'W2ru' || platformCode === 'W2ku') {
      const name = bytes.toString('utf16le').replace(/\0.*$/s, '').replaceAll('\\', '/');
      (platformCode === 'W2ru' ? relative : absolute).push(name);
    }
  }
  const unicode = Buffer.from(header.parentUnicodeName)
    .swap16()
    .toString('utf16le')
    .replace(/\0.*$/s, '')
    .replaceAll('\\', '/');
  // An absolute Windows path leads nowhere here: only its last part is looked for.
  const plain = [...absolute, unicode].map((name) => name.split('/').at(-1)!);
  const found = absolute.filter((name) => name.startsWith('/'));
  return [...new Set([...relative, ...plain, ...found])].filter((name) => name !== '');
}

function decodeUrl(url: string): string {
  const path = url.replace(/^file:\/\/(?:localhost(?=\/))?/, '');
  try {
    return decodeURIComponent(path);
  } catch {
    return path; // a percent sign that is no escape: vhd-util does not escape
  }
}

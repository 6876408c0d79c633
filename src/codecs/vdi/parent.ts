/** The disk below a differencing one: it is known by its UUIDs only, so it is looked for among the neighbours. */
import type { ByteSource } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { OpenContext, OpenImage } from '../codec.ts';
import { readHeader } from './header.ts';
import { formatUuid, type Header, isNullUuid } from './layout.ts';

/** Files looked into before giving up. */
const mostLooks = 2000;

/** @throws AppError `not-found`; `corrupt` when the parent was changed after its child was made. */
export async function openParent(
  source: ByteSource,
  header: Header,
  context: OpenContext,
): Promise<OpenImage> {
  const wanted = formatUuid(header.uuidLink);
  const own = source.name.split('/').at(-1);
  const names = ((await context.neighbours?.()) ?? []).filter((name) => name !== own);
  const isVdi = (name: string) => name.toLowerCase().endsWith('.vdi');
  const candidates = [...names.filter(isVdi), ...names.filter((name) => !isVdi(name))];
  let changed: string | undefined;
  for (const name of candidates.slice(0, mostLooks)) {
    const found = await headerOf(name, context);
    if (found === undefined || formatUuid(found.uuidCreate) !== wanted) continue;
    const expected = formatUuid(header.uuidParentModify);
    // A copy that was changed may lie beside the right one.
    if (isNullUuid(header.uuidParentModify) || formatUuid(found.uuidModify) === expected)
      return context.parent(name, 'vdi');
    changed = name;
  }
  if (changed !== undefined) {
    throw new AppError(
      'corrupt',
      `"${changed}", the parent of this VDI, was changed after its child was made`,
      {
        where: source.name,
        hint: 'put the parent beside it as it was then',
      },
    );
  }
  throw new AppError(
    'not-found',
    `the parent of this differencing VDI, with the UUID ${wanted}, is not there`,
    {
      where: source.name,
      hint: 'put the parent into the same folder',
    },
  );
}

async function headerOf(name: string, context: OpenContext): Promise<Header | undefined> {
  let candidate: ByteSource | undefined;
  try {
    candidate = await context.sibling(name);
    return await readHeader(candidate, context.signal);
  } catch (error) {
    if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
    return undefined; // another kind of file, or one that can't be opened: not the parent
  } finally {
    await candidate?.close();
  }
}

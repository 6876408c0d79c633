/**
 * The layer below a VMDK. VMware's products name it (`parentFileNameHint`) with its content id; VirtualBox names it by
 * its UUID only (`ddb.uuid.parent`), and its content ids say that there is none.
 */
import type { ByteSource } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { OpenContext, OpenImage } from '../codec.ts';
import { contentId, type Descriptor, fieldOf, hexId, noParent } from './descriptor.ts';
import { firstOf } from './named-files.ts';
import { readDescriptor } from './read-descriptor.ts';

/** Files looked into before giving up. */
const mostLooks = 2000;

interface Child {
  readonly descriptor: Descriptor;
  readonly findings: Finding[];
}

/** @throws AppError `not-found`, `corrupt`. */
export async function openParent(
  child: Child,
  source: ByteSource,
  context: OpenContext,
): Promise<OpenImage | undefined> {
  const { descriptor } = child;
  const hint = fieldOf(descriptor, 'parentFileNameHint');
  if (hint === '') {
    const uuid = uuidField(descriptor, 'parent');
    if (uuid !== undefined) return openByUuid(descriptor, uuid, source, context);
  }
  const expected = contentId(descriptor, 'parentCID');
  if (expected === noParent) return undefined;
  if (hint !== '') return openByName(child, hint, expected, source.name, context);
  const text = fieldOf(descriptor, 'parentCID');
  if (text === '') return undefined;
  throw new AppError('corrupt', `VMDK with a parent (content id ${text}) that it does not name`, {
    where: source.name,
  });
}

async function openByName(
  { findings }: Child,
  hint: string,
  expected: number | undefined,
  where: string,
  context: OpenContext,
): Promise<OpenImage> {
  const { found: parent, asNamed } = await firstOf(hint, where, (place) => context.parent(place, 'vmdk'));
  const found = parent.info.details.CID ?? 'unknown';
  const wanted = expected === undefined ? 'of unknown content id' : hexId(expected);
  if (found !== wanted && !asNamed) {
    // Only its name is alike: nothing says that it is the one that was meant.
    await parent.close();
    throw new AppError('not-found', `the parent "${hint}" is not there`, {
      where,
      hint: `a file of that name lies beside it, but has content id ${found}, and not ${wanted}: put the right one there`,
    });
  }
  if (found !== wanted) {
    findings.push({
      rule: 'vmdk.parent-changed',
      severity: 'warning',
      message: `the parent has content id ${found}, the child was made over ${wanted}: it may have changed since`,
      evidence: hint,
      remedy: 'make sure that this is the right parent and that nothing wrote to it after the snapshot',
    });
  }
  return parent;
}

/** Absent where it is none, or all zeros: there is none. */
function uuidField(
  descriptor: Descriptor,
  key: 'image' | 'parent' | 'modification' | 'parentmodification',
): string | undefined {
  const text = fieldOf(descriptor, `ddb.uuid.${key}`).toLowerCase();
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) && /[1-9a-f]/.test(text) ? text : undefined;
}

async function openByUuid(
  descriptor: Descriptor,
  wanted: string,
  source: ByteSource,
  context: OpenContext,
): Promise<OpenImage> {
  const own = source.name.split('/').at(-1);
  const expected = uuidField(descriptor, 'parentmodification');
  const names = (await context.neighbours?.()) ?? [];
  const candidates = names.filter((name) => name !== own && /\.vmdk$/i.test(name));
  let changed: string | undefined;
  for (const name of candidates.slice(0, mostLooks)) {
    const found = await descriptorOf(name, context);
    if (found === undefined || uuidField(found, 'image') !== wanted) continue;
    const state = uuidField(found, 'modification');
    // A copy that was changed may lie beside the right one.
    if (expected === undefined || state === undefined || state === expected)
      return context.parent(name, 'vmdk');
    changed = name;
  }
  if (changed !== undefined) {
    throw new AppError(
      'corrupt',
      `"${changed}", the parent of this VMDK, was changed after its child was made`,
      { where: source.name, hint: 'put the parent beside it as it was then' },
    );
  }
  throw new AppError(
    'not-found',
    `the parent of this VMDK of VirtualBox, with the UUID ${wanted}, is not there`,
    {
      where: source.name,
      hint: 'put the parent into the same folder',
    },
  );
}

async function descriptorOf(name: string, context: OpenContext): Promise<Descriptor | undefined> {
  let candidate: ByteSource | undefined;
  try {
    candidate = await context.sibling(name);
    return await readDescriptor(candidate, context);
  } catch (error) {
    if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
    return undefined; // another kind of file, or one that can't be opened: not the parent
  } finally {
    await candidate?.close();
  }
}

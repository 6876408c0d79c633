/** Where a differencing disk says that its parent lies, 2.6.2.6.3. */
import { AppError } from '../../model/errors.ts';
import type { OpenContext, OpenImage } from '../codec.ts';
import { noGuid } from './layout.ts';

/**
 * The disk below, tried by every name that the locator gives. The linkage is the parent's DataWriteGuid, which changes
 * with its first write: a parent with another one has other content than the child was made on. Hyper-V does not
 * open such a chain, and neither do we, as it would give wrong bytes.
 * @throws AppError `not-found`, or `corrupt` when what is found there is another disk, or was changed.
 */
export async function openParent(
  locator: ReadonlyMap<string, string>,
  where: string,
  context: OpenContext,
): Promise<OpenImage> {
  const linkages = ['parent_linkage', 'parent_linkage2']
    .map((key) => locator.get(key)?.toLowerCase().replace(/[{}]/g, ''))
    .filter((guid) => guid !== undefined && guid !== '' && guid !== noGuid);
  if (linkages.length === 0)
    throw new AppError('corrupt', 'a differencing VHDX that does not say which parent it has', { where });
  const names = parentNames(locator);
  for (const name of names) {
    let parent: OpenImage;
    try {
      parent = await context.parent(name, 'vhdx');
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not-found') continue;
      throw error;
    }
    const found = String(parent.info.details.dataWriteGuid);
    if (linkages.includes(found)) return parent;
    await parent.close();
    throw new AppError(
      'corrupt',
      `"${name}" has the id ${found}, its child expects ${linkages.join(' or ')}`,
      {
        where,
        hint: 'it is another disk, or it was written to after the child was made; put the right parent beside it',
      },
    );
  }
  throw new AppError(
    'not-found',
    `the parent of this differencing VHDX (${names[0] ?? 'without a name'}) is not there`,
    { where, hint: 'put the parent beside it' },
  );
}

/**
 * The names to try: the relative one first, as a chain is mostly moved as a whole. An absolute Windows path
 * (`\\?\C:\vms\a.vhdx`, `\\?\Volume{…}\vms\a.vhdx`) leads nowhere here: only its last part is looked for.
 */
export function parentNames(locator: ReadonlyMap<string, string>): string[] {
  const values = ['relative_path', 'volume_path', 'absolute_win32_path'].map((key) =>
    (locator.get(key) ?? '').replaceAll('\\', '/'),
  );
  const relative = /^(\/|[A-Za-z]:)/.test(values[0]!) ? '' : values[0]!;
  const plain = values.map((value) => value.split('/').at(-1)!);
  return [...new Set([relative, ...plain])].filter((name) => !['', '.', '..'].includes(name));
}

/** Files and folders of the operator's. */
import { AppError } from '../../../../model/errors.ts';
import { copyIn, Held } from '../../local-files.ts';
import type { LinuxChange } from '../context.ts';

export const copyFiles: LinuxChange = async (tree, { wish }) => {
  const held = new Held();
  for (const [i, { from, to }] of (wish.add?.copies ?? []).entries()) {
    if (!to.startsWith('/') || to.includes('\0'))
      throw new AppError('usage', `a path in the guest begins with a slash: ${JSON.stringify(to)}`);
    await tree.change(
      {
        id: `copy.${i + 1}`,
        title: `${from} is copied to ${to}`,
        reason: 'as it was asked for',
        need: 'asked',
      },
      (editor) => copyIn(editor, from, to, held),
    );
  }
  return [];
};

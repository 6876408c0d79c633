/** Files that are written here bear no label of SELinux: the guest labels them anew. Goes last. */
import type { LinuxChange } from './context.ts';

export const relabel: LinuxChange = async (tree, { system }) => {
  const on = system.selinux === 'enforcing' || system.selinux === 'permissive';
  if (!on || tree.changes.length === 0) return [];
  await tree.change(
    {
      id: 'selinux.relabel',
      title: 'SELinux labels the files anew at the first start',
      reason: 'files without a label may not be read; the first start takes longer, and ends with a restart',
      need: 'needed',
    },
    (editor) => editor.write('/.autorelabel', ''),
  );
  return [];
};

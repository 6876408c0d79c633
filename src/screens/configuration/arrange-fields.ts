/** Disks combined into one, or one separated into several. Pure. */
import { groupsInWords, parseGroups } from '../../model/partition-groups.ts';
import type { ArrangeWish } from '../../model/plan.ts';
import { type ConfigField, labelOf, tryApply } from './field.ts';
import { editMachine, type MachineContext } from './machine-fields.ts';

const group = 'Machine';

/** Where there is something to combine or to separate. */
export function arrangeFields(context: MachineContext): ConfigField[] {
  const { found, edit, parts } = context;
  const along = found.disks.filter((disk) => !edit.leaveOut?.includes(disk.id));
  const real = parts.partitions.filter(({ typeName }) => !typeName.startsWith('extended'));
  const several = along.length > 1;
  const separable = along.length === 1 && found.disks.length === 1 && real.length > 1;
  if (!several && !separable && edit.arrange === undefined) return [];
  const choices = [
    { value: '', label: 'as they are' },
    ...(several || edit.arrange?.kind === 'combine'
      ? [{ value: 'combine', label: 'combined into one' }]
      : []),
    ...(separable || edit.arrange?.kind === 'separate'
      ? [{ value: 'separate', label: 'separated: partitions on disks of their own' }]
      : []),
  ];
  return [
    arrangeField(context, choices),
    ...(edit.arrange?.kind === 'separate' ? [groupsField(context, edit.arrange)] : []),
  ];
}

function arrangeField(
  { id, edit }: MachineContext,
  choices: readonly { readonly value: string; readonly label: string }[],
): ConfigField {
  const value = edit.arrange?.kind ?? '';
  return {
    group,
    kind: 'choice',
    key: 'arrange',
    label: 'Disks together',
    help: 'several as one, or the partitions of one as disks of their own, with partition tables made for them',
    value,
    shown: labelOf(choices, value),
    choices,
    changed: value !== '',
    apply: (kind) => ({
      command: editMachine(id, { arrange: kind === 'combine' || kind === 'separate' ? { kind } : undefined }),
    }),
  };
}

function groupsField(
  { id, planned }: MachineContext,
  { groups }: Extract<ArrangeWish, { kind: 'separate' }>,
): ConfigField {
  return {
    group,
    kind: 'text',
    key: 'groups',
    label: 'Which together',
    help: 'numbers of partitions, + between those of one disk: 1+2,3; empty: what starts the machine stays together',
    text: groups === undefined ? '' : groupsInWords(groups),
    shown:
      groups === undefined ? `what starts it together: ${planned.disks.length} disks` : groupsInWords(groups),
    changed: groups !== undefined,
    apply: (text) =>
      text.trim() === ''
        ? { command: editMachine(id, { arrange: { kind: 'separate' } }) }
        : tryApply(() => editMachine(id, { arrange: { kind: 'separate', groups: parseGroups(text) } })),
  };
}

/**
 * The one file in a folder: its name, which says whether it is packed or encrypted, and then for whom; and the image
 * that it is laid over. Pure.
 */
import { mediumOf, parsePartSize, partMedia, partSizeInWords } from '../../model/part-size.ts';
import type { DraftChange, State } from '../../state/state.ts';
import { type Applied, type ConfigField, tryApply } from './field.ts';

const draft = (change: DraftChange): Applied => ({ command: { type: 'draft', change } });

const isSealed = (file: string | undefined): boolean => file?.toLowerCase().endsWith('.age') === true;

export function fileFields(state: State): ConfigField[] {
  const { file, recipients } = state.draft;
  const encrypted = isSealed(file) || recipients !== undefined;
  return [fileField(state), ...(encrypted ? [recipientsField(state)] : []), splitField(state)];
}

function fileField({ draft: { file }, selected }: State): ConfigField {
  const several = selected.length > 1;
  return {
    group: 'Destination',
    kind: 'text',
    key: 'file',
    label: 'File name',
    help: 'empty: by the machine; with .gz, .zst or .xz at its end the disk is packed, with .age encrypted',
    text: file ?? '',
    shown: several || file === undefined ? 'by the name of the machine' : file,
    changed: !several && file !== undefined,
    ...(several ? { reason: 'a name is for one machine, and several are chosen' } : {}),
    apply: (text) => {
      const name = text.trim();
      if (/[/\\]/.test(name)) return { error: 'a name has no slash; the folder is a field of its own' };
      return draft({ file: name === '' ? undefined : name });
    },
  };
}

function recipientsField({ draft: { recipients = [] } }: State): ConfigField {
  return {
    group: 'Destination',
    kind: 'text',
    key: 'recipients',
    label: 'Encrypted for',
    help: 'public keys (age1…) of all who can open the image, with blanks between them',
    text: recipients.join(' '),
    shown: recipients.length === 0 ? 'NOBODY: name at least one key' : recipients.join(' '),
    changed: recipients.length > 0,
    apply: (text) => {
      const keys = text.split(/[\s,]+/).filter((key) => key !== '');
      const wrong = keys.find((key) => !key.startsWith('age1'));
      if (wrong !== undefined)
        return { error: `"${wrong}" is not a public key of age: such a one begins with age1` };
      return draft({ recipients: keys.length === 0 ? undefined : keys });
    },
  };
}

/** For a medium that travels, or that has no larger files. */
export function splitField({ draft: { splitBytes } }: State): ConfigField {
  return {
    group: 'Destination',
    kind: 'text',
    key: 'split',
    label: 'Parts',
    help: `cut each file into parts of this size: 4G, or ${Object.keys(partMedia).join(', ')}; empty: whole`,
    text: splitBytes === undefined ? '' : (mediumOf(splitBytes) ?? `${splitBytes}`),
    shown: splitBytes === undefined ? 'whole files' : `of ${partSizeInWords(splitBytes)}`,
    changed: splitBytes !== undefined,
    apply: (text) =>
      text.trim() === ''
        ? draft({ splitBytes: undefined })
        : tryApply(() => ({ type: 'draft', change: { splitBytes: parsePartSize(text) } })),
  };
}

/** Where its format can: only what differs from that image is stored. */
export function backingFields({ catalog, draft: { backing } }: State, format: string): ConfigField[] {
  const able = catalog.formats.some(({ id, backing: can }) => id === format && can === true);
  if (!able && backing === undefined) return [];
  return [
    {
      group: 'Destination',
      kind: 'text',
      key: 'backing',
      label: 'Laid over',
      help: 'path of an image here that holds most of the disk: only what differs is stored; empty: all of it',
      text: backing ?? '',
      shown: backing ?? 'no other image, it holds all',
      changed: backing !== undefined,
      apply: (text) => draft({ backing: text.trim() === '' ? undefined : text.trim() }),
    },
  ];
}

/** Why an encrypted file can't be written. */
export const recipientsReason = ({
  draft: { file, recipients },
  selected,
  destination,
}: State): string | undefined =>
  destination.status === 'folder' && selected.length === 1 && isSealed(file) && recipients === undefined
    ? 'nobody is named who can open the encrypted image: see "Encrypted for"'
    : undefined;

/** A planned change as a person sees it: each file's unified diff. */
import { createTwoFilesPatch } from 'diff';
import type { FileChange, GuestChange } from '../../model/guest-change.ts';
import type { Edit, RegistryEdit } from './edit.ts';
import type { PlannedChange, SectorEdit } from './tree.ts';

const contextLines = 3;
/** A diff of more than this is not read by anybody. */
const maxDiffBytes = 256 * 1024;

export const describeChange = ({ edits, sectors = [], ...change }: PlannedChange): GuestChange => ({
  ...change,
  files: [...edits.map(describeEdit), ...sectors.map(describeSectors)],
});

const describeSectors = ({ disk, offset, content }: SectorEdit): FileChange => ({
  path: `disk ${disk + 1}, byte ${offset}`,
  kind: 'changed',
  bytes: content.length,
});

function describeEdit(edit: Edit): FileChange {
  const { kind } = edit;
  switch (kind) {
    case 'write':
      return {
        path: edit.path,
        kind: edit.before === undefined ? 'new' : 'changed',
        bytes: edit.content.length,
        ...(edit.secret ? { secret: true } : diffOf(edit.path, edit.before, edit.content)),
      };
    case 'upload':
      return { path: edit.path, kind: 'copied', bytes: edit.size, diff: `copy of ${edit.from}, from here\n` };
    case 'remove-folder':
      return { path: edit.path, kind: 'removed' };
    case 'remove':
      if (edit.target !== undefined)
        return { path: edit.path, kind: 'removed', diff: `--> ${edit.target}\n` };
      return { path: edit.path, kind: 'removed', ...diffOf(edit.path, edit.before, undefined) };
    case 'append':
      return { path: edit.path, kind: 'appended', bytes: edit.content.length };
    case 'copy':
      return { path: edit.path, kind: 'copied', bytes: edit.size, diff: `copy of ${edit.from}\n` };
    case 'link':
      return { path: edit.path, kind: 'linked', diff: linkDiff(edit.before, edit.target) };
    case 'folder':
      return { path: edit.path, kind: 'folder' };
    case 'registry':
      return { path: `HKLM\\${edit.hive}\\${edit.key}`, kind: 'registry', diff: registryDiff(edit) };
  }
}

/** Text has no NUL and is UTF-8. */
function textOf(bytes: Buffer | undefined): string | undefined {
  if (bytes === undefined) return '';
  if (bytes.length > maxDiffBytes || bytes.includes(0)) return undefined;
  const text = bytes.toString('utf8');
  return text.includes('\uFFFD') ? undefined : text;
}

function diffOf(path: string, before: Buffer | undefined, after: Buffer | undefined): { diff?: string } {
  const [old, now] = [textOf(before), textOf(after)];
  if (old === undefined || now === undefined || (before === undefined && after === undefined)) return {};
  const from = before === undefined ? '/dev/null' : `a${path}`;
  const to = after === undefined ? '/dev/null' : `b${path}`;
  const patch = createTwoFilesPatch(from, to, old, now, undefined, undefined, { context: contextLines });
  // The first line is a rule of equal signs that patch(1) does not know.
  return { diff: patch.replace(/^=+\n/, '') };
}

const linkDiff = (before: string | undefined, target: string): string =>
  `${before === undefined ? '' : `--> ${before}\n`}+-> ${target}\n`;

function registryDiff({ name, value, before }: RegistryEdit): string {
  const shown = name === undefined ? '(key)' : name === '' ? '(default)' : name;
  const old = before === undefined ? '' : `-${shown} = ${before}\n`;
  if (value === undefined) return old || `-${shown}\n`;
  const { data: given } = value;
  const data = Buffer.isBuffer(given) ? given.subarray(0, 64).toString('hex') : JSON.stringify(given);
  return `${old}+${shown} = ${value.type}:${data}\n`;
}

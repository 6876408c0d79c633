/** Which copies are kept of what is converted, and where. Pure. */
import type { KeepPlace, KeepStage } from '../../model/plan.ts';
import type { KeepDraft, State } from '../../state/state.ts';
import { type Applied, type Choice, type ConfigField, labelOf } from './field.ts';

const choices: readonly Choice[] = [
  { value: '', label: 'no' },
  { value: 'extracted', label: 'yes, as it is read' },
  { value: 'changed', label: 'yes, after the changes inside' },
  { value: 'converted', label: 'yes, the files that are delivered' },
  { value: 'extracted,changed', label: 'yes, before and after the changes inside' },
  { value: 'extracted,changed,converted', label: 'yes, all three: as read, as changed, as delivered' },
];

const group = 'Writing';

const keeping = (keep: KeepDraft | undefined): Applied => ({ command: { type: 'draft', change: { keep } } });

export function keepFields(state: State): ConfigField[] {
  const { keep } = state.draft;
  const value = keep?.stages.join(',') ?? '';
  const field: ConfigField = {
    ...{ group, kind: 'choice', key: 'keep', label: 'Keep a copy', value, choices },
    help: 'a copy here that can be converted again without its source (the environment "Kept copies"), until it is removed',
    shown: labelOf(choices, value),
    changed: value !== '',
    apply: (next) =>
      keeping(next === '' ? undefined : { ...keep, stages: next.split(',') as readonly KeepStage[] }),
  };
  return keep === undefined ? [field] : [field, placeField(state, keep)];
}

function placeField({ profiles, kept }: State, keep: KeepDraft): ConfigField {
  const { place, ...rest } = keep;
  const text = place === undefined ? '' : placeText(place, profiles);
  const usual = kept === undefined ? 'the store of kept copies here' : kept.folder;
  return {
    ...{ group, kind: 'text', key: 'keep-in', label: 'Kept in', text },
    help: 'a folder here, or PROFILE:FOLDER behind SSH; empty: the store here',
    shown: text === '' ? usual : text,
    changed: text !== '',
    apply(given) {
      const wanted = given.trim();
      if (wanted === '') return keeping(rest);
      const found = placeOf(wanted, profiles);
      return 'error' in found ? found : keeping({ ...keep, place: found });
    },
  };
}

const placeText = (place: KeepPlace, profiles: State['profiles']): string => {
  if (!('environment' in place)) return place.folder;
  const name = profiles.find(({ id }) => id === place.profile)?.name ?? place.settings.host ?? '?';
  return `${name}:${place.settings.folder ?? ''}`;
};

function placeOf(text: string, profiles: State['profiles']): KeepPlace | { readonly error: string } {
  const colon = text.indexOf(':');
  const profile = colon > 0 ? profiles.find(({ name }) => name === text.slice(0, colon)) : undefined;
  if (profile === undefined) {
    return text.startsWith('/')
      ? { folder: text }
      : { error: `"${text}" is neither a whole path (from /) nor PROFILE:FOLDER of a profile` };
  }
  if (profile.environment !== 'ssh')
    return { error: `"${profile.name}" is not a host for files; name a profile of "Disk files over SSH"` };
  const folder = text.slice(colon + 1);
  if (folder === '') return { error: 'the folder is missing' };
  return { environment: 'ssh', profile: profile.id, settings: { folder } };
}

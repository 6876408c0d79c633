import type { DispatcherPort } from '../../state/port.ts';
import type { State } from '../../state/state.ts';
import { useRemembered } from '../screen.ts';
import { Form, type FormField, type Values } from '../widgets/form.tsx';
import { environmentFields } from './use-image-keys.ts';

export interface ImageFormProps {
  readonly port: DispatcherPort;
  readonly state: State;
  readonly width: number;
  readonly height: number;
  onClose(): void;
}

/** A path typed by hand. What was typed is there again after a failure, to be corrected. */
export function PathForm({
  port,
  state: { connection },
  width,
  height,
  onClose,
  onAdded,
}: ImageFormProps & { onAdded(id: string): void }) {
  const [path, setPath] = useRemembered('image:path', '');
  const here = connection.status === 'none' || connection.environment === 'local';
  const add = async ({ path: typed = '' }: Values) => {
    const id = typed.trim();
    setPath(id);
    onClose();
    const before = port.getState().selected;
    await port.dispatch({ type: 'add-machine', id, select: true, ...(here ? {} : { byName: true }) });
    const { selected } = port.getState();
    const added = selected.find((other) => !before.includes(other)) ?? selected.find((other) => other === id);
    if (added === undefined) return;
    setPath('');
    onAdded(added);
  };
  return (
    <Form
      title={here ? 'Add by path' : 'Add by name'}
      intro={[
        here ? 'A disk image, an OVF or an OVA on this computer.' : 'A machine there: its name, id or path.',
      ]}
      fields={[
        {
          key: 'path',
          label: here ? 'Path' : 'Name or id',
          kind: 'text',
          required: true,
          value: path,
          help: here ? '"~" is your own folder' : 'of several machines of one name the ids are told',
        },
      ]}
      width={width}
      height={height}
      submitLabel="add it"
      onSubmit={(values) => void add(values)}
      onCancel={onClose}
    />
  );
}

/** Where to look: the settings of the connected environment. */
export function FoldersForm({ port, state, width, height, onClose }: ImageFormProps) {
  const { connection } = state;
  const environment = connection.status === 'none' ? 'local' : connection.environment;
  const profile = state.profiles.find((p) => 'profile' in connection && p.id === connection.profile);
  const [values, setValues] = useRemembered<Values>(`image:settings:${environment}`, profile?.settings ?? {});
  const fields = environmentFields(state).map(
    (field): FormField => ({
      key: field.key,
      label: field.label,
      help: field.help,
      kind: field.kind,
      required: field.required,
      value: values[field.key] ?? field.default ?? '',
      ...(field.choices === undefined ? {} : { choices: field.choices.map((c) => ({ value: c, label: c })) }),
    }),
  );
  const search = async (settings: Values) => {
    setValues(settings);
    onClose();
    const of = profile === undefined ? { environment } : { environment, profile: profile.id };
    await port.dispatch({ type: 'connect', ...of, settings });
    if (port.getState().connection.status === 'connected') await port.dispatch({ type: 'list' });
  };
  return (
    <Form
      title="Where to look"
      first={fields.find((field) => field.kind === 'folders')?.key}
      fields={fields}
      width={width}
      height={height}
      submitLabel="look there"
      onSubmit={(settings) => void search(settings)}
      onCancel={onClose}
    />
  );
}

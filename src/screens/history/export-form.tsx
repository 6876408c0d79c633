import type { DispatcherPort } from '../../state/port.ts';
import { useRemembered } from '../screen.ts';
import { Form, type Values } from '../widgets/form.tsx';
import { exportPath, formatOfPath } from './history-view.ts';

export interface ExportFormProps {
  readonly port: DispatcherPort;
  /** Ids of the conversions. */
  readonly ids: readonly string[];
  readonly width: number;
  readonly height: number;
  onClose(): void;
}

/** Where the report goes; the extension says which one it is. */
export function ExportForm({ port, ids, width, height, onClose }: ExportFormProps) {
  const [folder, setFolder] = useRemembered('history:export', '.');
  const write = ({ path = '', replace }: Values) => {
    const typed = path.trim();
    setFolder(typed.replace(/\/?[^/]*$/, '') || (typed.startsWith('/') ? '/' : '.'));
    onClose();
    void port.dispatch({
      type: 'history-export',
      of: { ids },
      format: formatOfPath(typed)!,
      to: { path: typed, force: replace === 'yes' },
    });
  };
  return (
    <Form
      title="Export"
      intro={[ids.length === 1 ? 'A report of this conversion.' : `A report of ${ids.length} conversions.`]}
      fields={[
        {
          key: 'path',
          label: 'File',
          kind: 'text',
          required: true,
          value: exportPath(folder, ids),
          help: '.md for people, .json for programs; "~" is your own folder',
          validate: (value) =>
            formatOfPath(value) === undefined ? 'let the name end with .md or .json' : undefined,
        },
        { key: 'replace', label: 'Replace', kind: 'boolean', help: 'a file of this name is replaced' },
      ]}
      width={width}
      height={height}
      submitLabel="write it"
      onSubmit={write}
      onCancel={onClose}
    />
  );
}

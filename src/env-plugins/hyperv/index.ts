/** "Hyper-V": the machines of a Windows host, through its PowerShell over SSH; and folders that Export-VM made. */
import type { EnvironmentPlugin, Field } from '../plugin.ts';
import { sshFields } from '../ssh-host/fields.ts';

/** Without a host, machines are looked for in folders here. */
const fields: readonly Field[] = [
  ...sshFields.map((field) =>
    field.key === 'host'
      ? { ...field, help: `${field.help}; empty: exported machines in folders here`, required: false }
      : field,
  ),
  {
    key: 'folders',
    label: 'Folders of exports',
    help: 'where machines lie that were exported (Export-VM), separated by ":"; the host, if one is named, has these then',
    kind: 'folders',
    required: false,
  },
];

export function hypervPlugin(): EnvironmentPlugin {
  return {
    id: 'hyperv',
    label: 'Hyper-V',
    summary: 'machines of a Windows host with Hyper-V that is reached by SSH; exported ones in a folder',
    roles: ['source', 'destination'],
    fields,
    async connect(settings, context) {
      if ((settings.host ?? '').trim() === '' || (settings.folders ?? '') !== '') {
        const { connectExported } = await import('./exported/connect.ts');
        return connectExported(settings, context);
      }
      const { connect } = await import('./connect.ts');
      return connect(settings, context);
    },
  };
}

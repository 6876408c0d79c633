/** "Hyper-V": the machines of a Windows host, through its PowerShell over SSH. */
import type { EnvironmentPlugin } from '../plugin.ts';
import { sshFields } from '../ssh-host/fields.ts';

export function hypervPlugin(): EnvironmentPlugin {
  return {
    id: 'hyperv',
    label: 'Hyper-V',
    summary: 'machines of a Windows host with Hyper-V that is reached by SSH',
    roles: ['source', 'destination'],
    fields: sshFields,
    async connect(settings, context) {
      const { connect } = await import('./connect.ts');
      return connect(settings, context);
    },
  };
}

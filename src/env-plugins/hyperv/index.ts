/** "Hyper-V": the machines of a Windows host, through its PowerShell; and folders that Export-VM made. */
import { AppError } from '../../model/errors.ts';
import type { EnvironmentPlugin } from '../plugin.ts';
import { fields } from './fields.ts';

export interface HypervOptions {
  /** The file with the fingerprints of certificates that the user has accepted. */
  readonly certificates: string;
}

export function hypervPlugin({ certificates }: HypervOptions): EnvironmentPlugin {
  return {
    id: 'hyperv',
    label: 'Hyper-V',
    summary:
      'machines of a Windows host with Hyper-V that is reached by SSH or WinRM; exported ones in a folder',
    roles: ['source', 'destination'],
    fields,
    async connect(settings, context) {
      const isThere = (settings.host ?? '').trim() !== '';
      if (!isThere || (settings.folders ?? '') !== '') {
        if (isThere && settings.way === 'winrm')
          throw new AppError('usage', 'exported folders of a host are read by SSH', {
            hint: 'take the way ssh',
          });
        const { connectExported } = await import('./exported/connect.ts');
        return connectExported(settings, context);
      }
      const { connect } = await import('./connect.ts');
      return connect(settings, context, certificates);
    },
  };
}

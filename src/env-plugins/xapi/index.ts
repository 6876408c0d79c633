/** "XenServer / XCP-ng": the machines of a host or a pool, through the Xen management API. */
import type { EnvironmentPlugin } from '../plugin.ts';
import { fields } from './settings.ts';

export interface XapiOptions {
  /** The file with the fingerprints of certificates that the user has accepted. */
  readonly certificates: string;
}

export function xapiPlugin({ certificates }: XapiOptions): EnvironmentPlugin {
  return {
    id: 'xapi',
    label: 'XenServer / XCP-ng',
    summary: 'machines of a XenServer or XCP-ng host or pool, through its management API and HTTPS',
    roles: ['source', 'destination'],
    fields,
    async connect(settings, context) {
      const { connect } = await import('./connect.ts');
      return connect(settings, context, certificates);
    },
  };
}

/** "VMware ESXi / vCenter": the machines of a server of the vSphere API. */
import type { EnvironmentPlugin } from '../plugin.ts';
import { fields } from './settings.ts';

export interface VsphereOptions {
  /** The file with the fingerprints of certificates that the user has accepted. */
  readonly certificates: string;
}

export function vspherePlugin({ certificates }: VsphereOptions): EnvironmentPlugin {
  return {
    id: 'vsphere',
    label: 'VMware ESXi / vCenter',
    summary: 'machines of an ESXi host or a vCenter, through the vSphere API and HTTPS',
    roles: ['source', 'destination'],
    fields,
    async connect(settings, context) {
      const { connect } = await import('./connect.ts');
      return connect(settings, context, certificates);
    },
  };
}

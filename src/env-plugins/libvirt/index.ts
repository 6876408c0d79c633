/** "KVM / libvirt": the machines of a libvirt, here or on a host that is reached by SSH. */
import type { EnvironmentPlugin } from '../plugin.ts';
import { fields } from './settings.ts';

export function libvirtPlugin(): EnvironmentPlugin {
  return {
    id: 'libvirt',
    label: 'KVM / libvirt',
    summary: 'machines of libvirt (KVM, QEMU), here or on a host that is reached by SSH',
    roles: ['source', 'destination'],
    fields,
    async connect(settings, context) {
      const { connect } = await import('./connect.ts');
      return connect(settings, context);
    },
  };
}

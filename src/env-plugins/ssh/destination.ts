/** A folder of a host that is reached by SSH, as destination. */
import type { Host } from '../../io/host/host.ts';
import type { Field } from '../../model/field.ts';
import { checkHostFolder, hostDelivery, hostFolder } from '../host-delivery.ts';
import type { DestinationRole } from '../plugin.ts';

const folder: Field = {
  key: 'folder',
  label: 'Folder',
  help: 'the folder there that the files are written to; a leading "~" is the own one',
  kind: 'text',
  required: true,
  default: '~',
};

export const destinationRole = (host: Host, home: string): DestinationRole => ({
  fields: async () => [folder],
  check: async (request, files, bytes) =>
    checkHostFolder(host, hostFolder(request, home), request, files, bytes),
  begin: async (request) => hostDelivery(host, hostFolder(request, home), request),
});

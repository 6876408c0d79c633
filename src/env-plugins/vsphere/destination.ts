/** An ESXi host or a vCenter as destination: a machine that is imported through a lease. */
import { formatBytes } from '../../model/units.ts';
import type { DestinationRole, Field } from '../plugin.ts';
import { guestHardware } from '../vmware-hardware/guest-hardware.ts';
import { checkDelivery } from './check-delivery.ts';
import { beginDelivery } from './delivery.ts';
import { hardwareFor, hardwareVersions } from './esx-hardware.ts';
import { cardModels } from './fit-cards.ts';
import { groundOf } from './ground.ts';
import { fitMachine, type MachineSpec } from './import-spec.ts';
import type { ReachHost } from './lease.ts';
import { automatic, type Choices, readChoices } from './place-choices.ts';
import type { VimSession } from './session.ts';

export function destinationRole(session: VimSession, reach: ReachHost): DestinationRole {
  return {
    product: 'vmware',
    formats: ['vmdk'],
    // What its descriptor notes besides is not looked at: the machine is told apart from its disks.
    options: { vmdk: { subformat: 'streamOptimized', adapter: 'lsilogic', hwVersion: 4, uuids: false } },
    fields: async (signal) => fieldsOf(session, await readChoices(session, signal)),
    networks: async (signal) => [...(await readChoices(session, signal)).networks.keys()],
    async hardware(request) {
      const choices = await readChoices(session, request.signal);
      return hardwareOf(fitMachine(request, await groundOf(session, choices, request)).spec);
    },
    async check(request, files, bytes) {
      return checkDelivery(session, await readChoices(session, request.signal), request, files, bytes);
    },
    async begin(request) {
      const choices = await readChoices(session, request.signal);
      return beginDelivery({ session, reach, ground: await groundOf(session, choices, request) }, request);
    },
  };
}

export const hardwareOf = ({ disks, scsi, cards, uefi }: MachineSpec) =>
  guestHardware({
    placed: { disks, scsi },
    nics: cards.map(({ type, mac }) => ({ model: cardModels[type], mac })),
    uefi,
  });

function fieldsOf(session: VimSession, { pools, folders, datastores, networks }: Choices): Field[] {
  const choice = (key: string, label: string, help: string, choices: readonly string[]): Field => ({
    key,
    label,
    help,
    kind: 'choice',
    required: false,
    choices,
    ...(choices.length === 0 ? {} : { default: choices[0]! }),
  });
  const free = [...datastores].slice(0, 20).map(([label, { kind, freeBytes }]) => {
    const left = freeBytes === undefined ? 'free space unknown' : `${formatBytes(freeBytes)} free`;
    return `${label}: ${kind === '' ? '' : `${kind}, `}${left}`;
  });
  const versions = hardwareVersions.filter(([v]) => hardwareFor(session.about.apiVersion).includes(v));
  return [
    choice('place', 'Host, cluster or pool', 'automatic: the first one', [automatic, ...pools.keys()]),
    choice('folder', 'Folder', 'automatic: the first one of the datacenter', [automatic, ...folders.keys()]),
    choice(
      'datastore',
      'Datastore',
      `automatic: the one with the most free space that the host reaches; ${free.join('; ')}`,
      [automatic, ...datastores.keys()],
    ),
    choice(
      'provisioning',
      'Disks',
      'thin: take what they hold; thick: take all of their space at once; eager: that, zeroed beforehand',
      ['thin', 'thick', 'eager'],
    ),
    choice('network', 'Network', 'for each NIC whose own network is not there', [...networks.keys()]),
    {
      key: 'keepMac',
      label: 'Keep MAC addresses',
      help: 'no: each NIC gets a new one, as is right for a copy beside the original',
      kind: 'boolean',
      required: false,
      default: 'yes',
    },
    choice(
      'hardware',
      'Hardware version',
      `automatic: what the host makes by itself; ${versions.map(([v, , product]) => `${v} ${product}`).join('; ')}`,
      [automatic, ...versions.map(([version]) => String(version))],
    ),
    choice('nvram', 'UEFI variables', "carry: the machine's own, where they are VMware's; new: none", [
      'carry',
      'new',
    ]),
  ];
}

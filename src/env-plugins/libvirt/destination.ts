/** A libvirt as destination: a volume for each disk, and a domain. */
import { formatBytes } from '../../model/units.ts';
import type { DeliveryRequest, DestinationRole, Field } from '../plugin.ts';
import { checkDelivery } from './check-delivery.ts';
import type { Libvirt } from './connect.ts';
import { beginDelivery } from './delivery.ts';
import { fitMachine } from './fit-machine.ts';
import { listNetworks } from './networks.ts';
import { isDevicePool, isFolderPool, listPools, type Pool } from './pools.ts';
import { groundOf, surroundingsOf } from './survey.ts';

export function destinationRole(libvirt: Libvirt): DestinationRole {
  return {
    product: 'qemu',
    formats: ['qcow2', 'raw'],
    fields: (signal) => fieldsOf(libvirt, signal),
    networks: async (signal) => (await listNetworks(libvirt, signal)).names,
    hardware: (request) => hardwareOf(libvirt, request),
    check: (request, files, bytes) => checkDelivery(libvirt, request, files, bytes),
    begin: async (request) => beginDelivery(libvirt, request, await groundOf(libvirt, request)),
  };
}

/** As the domain will have it, whatever its volumes are called. */
async function hardwareOf(libvirt: Libvirt, request: DeliveryRequest) {
  const { name, machine, settings } = request;
  const around = await surroundingsOf(libvirt, request, await groundOf(libvirt, request));
  const volumes = machine.disks.map(() => ({ path: '', kind: 'file', format: 'qcow2' }) as const);
  const { disks, nics, firmware } = fitMachine(name, '', machine, volumes, settings, around).spec;
  return {
    disks: machine.disks.map((disk, i) => {
      const { controllerModel: _own, ...rest } = disk;
      const { bus, controllerModel } = disks[i]!;
      return { ...rest, bus, ...(controllerModel === undefined ? {} : { controllerModel }) };
    }),
    nics: nics.map(({ mac, model }) => ({ model, ...(mac === undefined ? {} : { mac }) })),
    firmware: { kind: firmware.kind },
  };
}

async function fieldsOf(libvirt: Libvirt, signal: AbortSignal): Promise<Field[]> {
  const [all, { names }] = await Promise.all([listPools(libvirt, signal), listNetworks(libvirt, signal)]);
  const pools = all.filter((pool) => pool.active && (isFolderPool(pool) || isDevicePool(pool)));
  const choice = (key: string, label: string, help: string, choices: readonly string[]): Field => ({
    key,
    label,
    help,
    kind: 'choice',
    required: false,
    choices,
    ...(choices.length === 0 ? {} : { default: choices[0]! }),
  });
  return [
    choice(
      'pool',
      'Storage pool',
      poolHelp(pools),
      pools.map(({ name }) => name),
    ),
    choice(
      'network',
      'Network',
      'for each NIC whose own network is not there; "user" is NAT by QEMU itself',
      names,
    ),
    {
      key: 'keepMac',
      label: 'Keep MAC addresses',
      help: 'no: each NIC gets a new one, as is right for a copy beside the original',
      kind: 'boolean',
      required: false,
      default: 'yes',
    },
    choice('nvram', 'UEFI variables', "carry: the machine's own, where the source gives them; new: none", [
      'carry',
      'new',
    ]),
    choice('machineType', 'Machine type', 'automatic: q35, or pc (i440FX) for one with IDE disks', [
      'automatic',
      'q35',
      'pc',
    ]),
    choice('acceleration', 'Acceleration', 'automatic: KVM where the host has it; none: emulated, slow', [
      'automatic',
      'kvm',
      'none',
    ]),
  ];
}

function poolHelp(pools: readonly Pool[]): string {
  if (pools.length === 0) return 'no pool is active: make one with "virsh pool-define-as" and start it';
  const free = pools.map(
    ({ name, availableBytes }) =>
      `${name}: ${availableBytes === undefined ? 'free space unknown' : `${formatBytes(availableBytes)} free`}`,
  );
  return `where the disks go; ${free.join(', ')}`;
}

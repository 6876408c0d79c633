/**
 * A machine of User Mode Linux in a folder of a host: its disks, raw or as a COW file over a root filesystem, and a
 * file that starts it.
 */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import type { Field } from '../../model/field.ts';
import type { Finding } from '../../model/finding.ts';
import { checkHostFolder, hostDelivery, hostFolder } from '../host-delivery.ts';
import type { Delivery, DeliveryRequest, DestinationRole } from '../plugin.ts';
import { deliverText } from '../small-files.ts';
import { writeStartFile } from './start-file.ts';

const fields: readonly Field[] = [
  {
    key: 'folder',
    label: 'Folder',
    help: 'the folder on that host for the disks and the start file',
    kind: 'text',
    required: false,
    default: '~/uml',
  },
  {
    key: 'kernel',
    label: 'Kernel',
    help: 'the User Mode Linux program there, that the machine is started with',
    kind: 'text',
    required: false,
    default: 'linux.uml',
  },
  {
    key: 'root',
    label: 'Root device',
    help: 'what holds the root filesystem: /dev/ubda for a bare filesystem, /dev/ubda1 for the first partition of a disk',
    kind: 'text',
    required: false,
    default: '/dev/ubda',
  },
];

export function destinationRole(host: Host, home: string): DestinationRole {
  const folderOf = (request: DeliveryRequest) =>
    hostFolder({ ...request, settings: { folder: '~/uml', ...nonEmpty(request.settings) } }, home);
  return {
    product: 'uml',
    formats: ['raw', 'cow'],
    fields: async () => fields,
    async check(request, files, bytes) {
      const all = [...files, startFileName(request)];
      return [
        ...(await checkHostFolder(host, folderOf(request), request, all, bytes)),
        ...(await kernelFindings(host, request)),
        ...machineFindings(request),
      ];
    },
    begin: async (request) => umlDelivery(host, folderOf(request), request),
  };
}

const nonEmpty = (settings: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== ''));

const kernelOf = ({ settings }: DeliveryRequest): string => settings.kernel || 'linux.uml';

const startFileName = (request: DeliveryRequest): string =>
  `${request.name.replace(/[^\p{L}\p{N}._ -]/gu, '_')}.uml.sh`;

async function kernelFindings(host: Host, request: DeliveryRequest): Promise<Finding[]> {
  const kernel = kernelOf(request);
  const found = await host.run(['sh', '-c', 'command -v "$1" || exit 1', 'sh', kernel], {
    signal: request.signal,
  });
  if (found.code === 0) return [];
  return [
    {
      rule: 'uml.no-kernel',
      severity: 'warning',
      message: `"${kernel}" is not there on ${host.name}: the machine can't be started with it`,
      remedy: 'install it (Debian: user-mode-linux), or name another kernel',
    },
  ];
}

function machineFindings({ machine }: DeliveryRequest): Finding[] {
  if (machine.firmware?.kind !== 'uefi') return [];
  return [
    {
      rule: 'uml.no-firmware',
      severity: 'note',
      message: 'User Mode Linux has no firmware and no bootloader: it mounts the root filesystem itself',
    },
  ];
}

async function umlDelivery(host: Host, folder: string, request: DeliveryRequest): Promise<Delivery> {
  const inner = await hostDelivery(host, folder, request);
  const disks: { name: string; backing?: string }[] = [];
  const startFile = startFileName(request);
  return {
    ...inner,
    async sink(file) {
      const last = disks.at(-1);
      // The encoder of COW files gives each its backing file right behind.
      if (last?.name.endsWith('.cow') && /\.(root_fs|backing)$/.test(file.name)) last.backing = file.name;
      else disks.push({ name: file.name });
      return inner.sink(file);
    },
    async commit() {
      const { machine, settings } = request;
      const text = writeStartFile({
        kernel: kernelOf(request),
        name: request.name,
        memoryBytes: machine.memoryBytes ?? 256 * 2 ** 20,
        processors: machine.processors?.count ?? 1,
        disks,
        macs: machine.nics.map((nic) => nic.mac),
        root: settings.root || '/dev/ubda',
      });
      await deliverText(inner, startFile, text);
      return inner.commit();
    },
    async start(signal) {
      const path = posix.join(folder, startFile);
      // Its console goes to a file: what it says is how it is known whether it came up.
      const script =
        'cd "$1" && { setsid sh "$2" con=null con0=null,fd:1 </dev/null >"$2.log" 2>&1 & p=$!; sleep 3; kill -0 $p 2>/dev/null; }';
      const { code } = await host.run(['sh', '-c', script, 'sh', folder, path], { signal });
      if (code === 0) return 'running';
      const log = await host.run(['tail', '-n', '3', `${path}.log`], { signal });
      throw new AppError(
        'io',
        `it ended right after its start: ${log.stdout.toString().trim().slice(0, 500)}`,
        {
          where: `${host.name}:${path}.log`,
        },
      );
    },
  };
}

/** A machine in a folder of its own on a host: NAME/NAME.vmx, its disks, and its NVRAM where that is VMware's. */
import { posix } from 'node:path';
import type { ByteSink } from '../../io/byte-source.ts';
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Field } from '../../model/field.ts';
import type { Finding } from '../../model/finding.ts';
import { checkHostFolder, hostDelivery, hostFolder } from '../host-delivery.ts';
import { mayBePassedOver } from '../host-folders.ts';
import type { Delivery, DeliveryRequest, DestinationRole } from '../plugin.ts';
import { deliverBytes, deliverText } from '../small-files.ts';
import { guestHardware } from '../vmware-hardware/guest-hardware.ts';
import { readDictionary } from './find-vmx.ts';
import { fitMachine, isVmwareNvram } from './fit-machine.ts';
import { defaultHardware, hardwareVersions } from './hardware.ts';
import { runningMachines } from './running.ts';
import { readSnapshots } from './snapshots.ts';
import type { Vmrest } from './vmrest.ts';
import { writeVmx } from './write-vmx.ts';

const usualFolder = '~/vmware';
const networkNames = ['nat', 'bridged', 'hostonly'];

const fieldsOf = (networks: readonly string[]): Field[] => [
  {
    key: 'folder',
    label: 'Folder',
    help: 'the folder on that host in which the machine gets one of its own',
    kind: 'text',
    required: false,
    default: usualFolder,
  },
  {
    key: 'hardware',
    label: 'Hardware version',
    help: `what opens it: ${[...hardwareVersions]
      .map(([version, products]) => `${version} ${products}`)
      .join('; ')}; and all later ones`,
    kind: 'choice',
    required: false,
    default: defaultHardware,
    choices: [...hardwareVersions.keys()],
  },
  {
    key: 'network',
    label: 'Network',
    help: 'what a network card is joined to that names no network of that host',
    kind: 'choice',
    required: false,
    default: networks[0]!,
    choices: networks,
  },
];

export function destinationRole(host: Host, home: string, vmrest?: Vmrest): DestinationRole {
  return {
    product: 'vmware',
    formats: ['vmdk'],
    fields: async (signal) => fieldsOf(await networksOf(host, signal)),
    networks: (signal) => networksOf(host, signal),
    async hardware(request) {
      refuseHardware(request);
      return guestHardware(fitMachine(request).plan);
    },
    async check(request, files, bytes) {
      refuseHardware(request);
      const { folder, base } = placeOf(request, home);
      const all = [...files, `${base}.vmx`];
      return [
        ...(await checkHostFolder(host, folder, request, all, bytes)),
        ...ownFolder(host, folder, request),
        ...(await whatIsThere(host, vmrest, folder, base, request)),
        ...(vmrest === undefined ? await vmrunFindings(host, request) : []),
        ...fitMachine(request).findings,
      ];
    },
    async begin(request) {
      refuseHardware(request);
      return delivery(host, vmrest, request, placeOf(request, home));
    },
  };
}

function refuseHardware({ settings: { hardware = '' } }: DeliveryRequest): void {
  if (hardware === '' || hardwareVersions.has(hardware)) return;
  throw new AppError('usage', `"${hardware}" is no hardware version known here`, {
    hint: `it takes ${[...hardwareVersions.keys()].join(', ')}`,
  });
}

/** The kinds, and the virtual switches that this host has. */
async function networksOf(host: Host, signal: AbortSignal): Promise<string[]> {
  const entries = await host.files.list('/dev', signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return [];
  });
  const switches = entries
    .map(({ path }) => posix.basename(path))
    .filter((name) => /^vmnet\d{1,3}$/.test(name));
  return [...networkNames, ...switches];
}

interface Place {
  readonly folder: string;
  /** Names of the machine's own files begin with it. */
  readonly base: string;
}

function placeOf(request: DeliveryRequest, home: string): Place {
  const settings = { ...request.settings, folder: request.settings.folder?.trim() || usualFolder };
  const base = fileNameOf(request.name);
  return { folder: posix.join(hostFolder({ ...request, settings }, home), base), base };
}

/** As Workstation has it: a name that can be that of a file everywhere, also when the machine is copied elsewhere. */
function fileNameOf(name: string): string {
  const plain = name.replace(/[\p{Cc}/\\:*?"<>|]/gu, '_').replace(/^[. ]+|[. ]+$/g, '');
  let out = '';
  for (const character of plain) {
    if (Buffer.byteLength(out + character) > 180) break;
    out += character;
  }
  return out || 'machine';
}

/**
 * None of the files that are read is ever replaced, and which belong to a disk (extents, deltas) only its chain tells.
 * The same path on another host is refused as well: from here the two can't be told apart.
 */
function ownFolder(host: Host, folder: string, { force, machine }: DeliveryRequest): Finding[] {
  const read = [machine.id, ...machine.disks.flatMap((disk) => disk.files)];
  if (!force || !read.some((path) => posix.dirname(path) === folder)) return [];
  return [
    {
      rule: 'vmware.folder-is-source',
      severity: 'blocker',
      message: `the machine that is converted lies in a folder of this path itself: ${folder} on ${host.name}`,
      remedy: 'choose another name or folder',
    },
  ];
}

/** A machine of this name that is there already. */
async function whatIsThere(
  host: Host,
  vmrest: Vmrest | undefined,
  folder: string,
  base: string,
  { signal }: DeliveryRequest,
): Promise<Finding[]> {
  const vmx = posix.join(folder, `${base}.vmx`);
  if ((await host.files.stat(vmx, signal)) === undefined) return [];
  if (
    (await runningMachines(host, vmrest, signal)).has(vmx) ||
    (await host.files.stat(`${vmx}.lck`, signal))
  ) {
    return [
      {
        rule: 'vmware.target-locked',
        severity: 'blocker',
        message: `the machine that is there runs or is locked: ${vmx}`,
        remedy: 'shut it down first; if it does not run anywhere, remove the .lck folder',
      },
    ];
  }
  const vmsd = posix.join(folder, `${base}.vmsd`);
  const snapshots = await readDictionary(host, vmsd, signal).then(readSnapshots, (error) => {
    if (!mayBePassedOver(error)) throw error;
    return [];
  });
  if (snapshots.length === 0) return [];
  return [
    {
      rule: 'vmware.target-has-snapshots',
      severity: 'blocker',
      message: `the machine that is there has ${snapshots.length} snapshots, which would not fit the new disks`,
      evidence: vmsd,
      remedy: 'delete them in VMware, or choose another name',
    },
  ];
}

async function vmrunFindings(host: Host, { signal }: DeliveryRequest): Promise<Finding[]> {
  // Some shells end with 127 here, which would mean that there is no shell.
  const found = await host.run(['sh', '-c', 'command -v vmrun || exit 1'], { signal });
  if (found.code === 0) return [];
  return [
    {
      rule: 'vmware.no-vmrun',
      severity: 'note',
      message: `there is no vmrun on ${host.name}: the machine can't be started from here`,
      remedy:
        'open its .vmx in VMware, or give the address of vmrest; vmrun comes with Workstation and Fusion, and with VIX for Player',
    },
  ];
}

async function delivery(
  host: Host,
  vmrest: Vmrest | undefined,
  request: DeliveryRequest,
  { folder, base }: Place,
): Promise<Delivery> {
  const inner = await hostDelivery(host, folder, request);
  const disks: string[] = [];
  const vmx = posix.join(folder, `${base}.vmx`);
  return {
    ...inner,
    async sink(file) {
      if (!isExtentOf(disks.at(-1), file.name)) disks.push(file.name);
      return refusingLayouts(await inner.sink(file), file.name);
    },
    async commit() {
      const { nvram } = request;
      const nvramName = await nvramNameFor(host, folder, base, request);
      if (nvram !== undefined && isVmwareNvram(nvram)) await deliverBytes(inner, nvramName, nvram);
      const { plan } = fitMachine(withDisks(request, disks));
      const files = plan.placed.disks.map(({ disk }) => disk.name);
      await deliverText(
        inner,
        `${base}.vmx`,
        writeVmx({ ...plan, name: request.name, files, nvram: nvramName }),
      );
      return inner.commit();
    },
    start: (signal) =>
      vmrest === undefined ? start(host, vmx, signal) : vmrest.start(request.name, vmx, signal),
  };
}

/** Not that of a machine that is replaced: its variables would become those of the new one. */
async function nvramNameFor(
  host: Host,
  folder: string,
  base: string,
  { signal }: DeliveryRequest,
): Promise<string> {
  for (let n = 1; ; n++) {
    const name = n === 1 ? `${base}.nvram` : `${base}-${n}.nvram`;
    if ((await host.files.stat(posix.join(folder, name), signal)) === undefined) return name;
  }
}

/** `a-s001.vmdk`, `a-f001.vmdk` and `a-flat.vmdk` come behind their descriptor `a.vmdk`. */
function isExtentOf(disk: string | undefined, name: string): boolean {
  if (disk === undefined) return false;
  const own = disk.replace(/\.vmdk$/i, '');
  return name.startsWith(`${own}-`) && /^-(s\d+|f\d+|flat)\.vmdk$/i.test(name.slice(own.length));
}

/** The machine's disks by the names that their files got. */
function withDisks(request: DeliveryRequest, files: readonly string[]): DeliveryRequest {
  const { machine } = request;
  const disks = files.map((name, i) => ({ ...(machine.disks[i] ?? { id: `disk${i}`, files: [] }), name }));
  return { ...request, machine: { ...machine, disks } };
}

/** Hosted products attach neither a stream (it is for transport) nor a disk of a VMFS datastore. */
function refusingLayouts(sink: ByteSink, name: string): ByteSink {
  return {
    ...sink,
    async write(bytes, offset, signal) {
      // A descriptor of its own is at the start, an embedded one behind a header of 512 bytes.
      const head = offset <= 512 ? Buffer.from(bytes.subarray(0, 64 * 1024)).toString('latin1') : '';
      const layout = /^createType="(streamOptimized|vmfs)"/m.exec(head)?.[1];
      if (layout !== undefined && /\.vmdk$/i.test(name)) {
        throw new AppError('unsupported', `VMware can't run a machine from a VMDK of the layout ${layout}`, {
          where: name,
          hint: 'choose the layout monolithicSparse, monolithicFlat or twoGbMaxExtentSparse',
        });
      }
      await sink.write(bytes, offset, signal);
    },
  };
}

async function start(host: Host, vmx: string, signal: AbortSignal) {
  const { code, stdout, stderr } = await host
    .run(['vmrun', 'start', vmx, 'nogui'], { signal })
    .catch((error) => {
      const { kind } = toAppError(error);
      if (kind !== 'not-found') throw error;
      throw new AppError('unsupported', 'there is no vmrun there, which starts machines', {
        where: host.name,
        hint: `open ${vmx} in VMware`,
      });
    });
  if (code !== 0) {
    const why = stdout.toString().trim() || stderr.trim();
    throw new AppError('io', `vmrun start: ${why.slice(0, 500)}`, { where: `${host.name}:${vmx}` });
  }
  return (await runningMachines(host, undefined, signal)).has(vmx) ? 'running' : 'unknown';
}

/** What speaks against a delivery, before a byte moves. */
import { textOf } from '../../io/xml.ts';
import { toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { lostParts } from '../../model/lost-parts.ts';
import { formatBytes } from '../../model/units.ts';
import type { DeliveryRequest } from '../plugin.ts';
import { guestHardware } from '../vmware-hardware/guest-hardware.ts';
import { type Ground, groundOf } from './ground.ts';
import { fitMachine, type MachineSpec } from './import-spec.ts';
import type { Choices } from './place-choices.ts';
import { decodedName, valueText } from './places.ts';
import { ofObject, viewed } from './properties.ts';
import type { VimSession } from './session.ts';
import { type Ref, refOf, refTo, text } from './soap.ts';

export async function checkDelivery(
  session: VimSession,
  choices: Choices,
  request: DeliveryRequest,
  files: readonly string[],
  bytes: number,
): Promise<Finding[]> {
  const findings = [...nameFindings(request.name), ...fileFindings(request, files)];
  const ground = await groundOf(session, choices, request).catch(
    (error) => void findings.push(refused(error)),
  );
  if (!ground) return findings;
  const { spec, findings: fitted } = fitMachine(request, ground);
  findings.push(...placeFindings(ground), ...(await sameName(session, ground, request)));
  findings.push(...(await sameUuid(session, request)));
  findings.push(...spaceFindings(ground, spec, bytes), ...versionFindings(ground, spec), ...fitted);
  findings.push(...(await privilegeFindings(session, ground, spec, request)), ...lostFindings(spec, request));
  return findings;
}

function lostFindings(spec: MachineSpec, { machine }: DeliveryRequest): Finding[] {
  const { disks } = guestHardware({ placed: spec, nics: [], uefi: spec.uefi });
  const { processors: count, coresPerSocket = 1 } = spec;
  return lostParts(
    machine,
    [
      ...(['cores per socket', 'threads per core', 'processor model', 'chipset', 'clock'] as const),
      ...(['graphics', 'video card', 'consoles', 'agent channels', 'CD drives', 'CD media'] as const),
      ...(['disk place', 'disk boot order', 'disk serial number', 'read-only disk', 'shared disk'] as const),
      'card boot order',
    ],
    {
      processors: { count, coresPerSocket },
      devices: { video: 'vmware', ...(spec.cdrom ? { cdroms: [{ bus: 'ide' }] } : {}) },
      disks: disks.map(({ id, controller, unit }) => ({ id, controller: controller!, unit: unit! })),
    },
  );
}

async function sameUuid(session: VimSession, { machine, signal }: DeliveryRequest): Promise<Finding[]> {
  const { uuid } = machine;
  if (uuid === undefined) return [];
  const sets = [{ type: 'VirtualMachine', paths: ['name', 'config.uuid'] }];
  const all = await viewed(session, sets, 'looking for machines of the same UUID', signal);
  const same = all.find(
    ({ values }) => valueText(values.get('config.uuid'))?.toLowerCase() === uuid.toLowerCase(),
  );
  if (same === undefined) return [];
  return [
    {
      rule: 'vsphere.uuid-taken',
      severity: 'note',
      message: 'a machine there has its UUID already: the server may give this one another',
      evidence: decodedName(valueText(same.values.get('name')) ?? same.ref.id),
    },
  ];
}

/** A place that is not there is a finding; a server that is gone is not. */
function refused(thrown: unknown): Finding {
  const error = toAppError(thrown);
  if (error.kind !== 'not-found' && error.kind !== 'unsupported') throw error;
  return {
    rule: `vsphere.place-${error.kind}`,
    severity: 'blocker',
    message: error.message,
    ...(error.hint === undefined ? {} : { remedy: error.hint }),
  };
}

const longestName = 80;

function nameFindings(name: string): Finding[] {
  if (name.trim() !== '' && name.length <= longestName && !/[\0-\x1f\x7f\ufffe\uffff]/.test(name)) return [];
  return [
    {
      rule: 'vsphere.name-impossible',
      severity: 'blocker',
      message: 'VMware takes no such name for a machine',
      evidence: JSON.stringify(name),
      remedy: `give it another name, of ${longestName} characters at most`,
    },
  ];
}

function fileFindings({ machine }: DeliveryRequest, files: readonly string[]): Finding[] {
  if (machine.disks.length === 0) {
    return [
      {
        rule: 'vsphere.no-disk',
        severity: 'blocker',
        message: 'the machine has no disk that goes along',
        remedy: 'leave at least one disk in',
      },
    ];
  }
  const findings: Finding[] = files
    .filter((file) => !/\.vmdk$/i.test(file))
    .map((file) => ({
      rule: 'vsphere.no-vmdk',
      severity: 'blocker',
      message: `"${file}" can't be sent: the server takes streamOptimized VMDK alone, not packed`,
      remedy: 'leave the format as it is',
    }));
  for (const disk of machine.disks) {
    if (disk.virtualSizeBytes !== undefined) continue;
    findings.push({
      rule: 'vsphere.size-unknown',
      severity: 'warning',
      message: 'how large this disk is could not be told, and the machine is made with its size',
      evidence: disk.name,
    });
  }
  return findings;
}

function placeFindings({ place }: Ground): Finding[] {
  if (place.obstacle === undefined) return [];
  return [
    {
      rule: 'vsphere.place-unavailable',
      severity: 'blocker',
      message: `nothing can be put on "${place.label}": ${place.obstacle}`,
      remedy: 'choose another host, cluster or pool',
    },
  ];
}

/** A machine of somebody is never removed, not even where replacing was allowed: its disks would go with it. */
export async function sameName(
  session: VimSession,
  { folder }: Ground,
  { name, signal }: DeliveryRequest,
): Promise<Finding[]> {
  const step = 'looking for machines of the same name';
  const sets = [{ type: 'VirtualMachine', paths: ['name', 'parent'] }];
  const same = (await viewed(session, sets, step, signal)).find(({ values }) => {
    const parent = values.get('parent');
    const there = decodedName(valueText(values.get('name')) ?? '');
    return (
      there.toLowerCase() === name.toLowerCase() &&
      parent !== undefined &&
      refOf(parent).id === folder.folder.id
    );
  });
  if (same === undefined) return [];
  return [
    {
      rule: 'vsphere.exists',
      severity: 'blocker',
      message: `there is a machine "${name}" in the folder "${folder.label}" already`,
      evidence: same.ref.id,
      remedy:
        'choose another name or folder; a machine that is there is never replaced, remove it there yourself',
    },
  ];
}

function spaceFindings(
  { datastore }: Ground,
  { disks, provisioning }: MachineSpec,
  bytes: number,
): Finding[] {
  const whole = disks.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
  const needed = provisioning === 'thin' ? bytes : whole;
  const { freeBytes, label } = datastore;
  if (freeBytes === undefined) return [];
  const free = `"${label}" has ${formatBytes(freeBytes)} free`;
  if (needed > freeBytes) {
    return [
      {
        rule: 'vsphere.no-space',
        severity: 'blocker',
        message: `the disks need ${formatBytes(needed)}, and the datastore ${free}`,
        remedy: 'choose another datastore, or thin disks, or make room there',
      },
    ];
  }
  if (whole <= freeBytes) return [];
  return [
    {
      rule: 'vsphere.overcommitted',
      severity: 'warning',
      message: `the disks can grow to ${formatBytes(whole)}, and the datastore ${free}`,
      remedy: 'choose another datastore, or watch its free space',
    },
  ];
}

function versionFindings({ versions, place }: Ground, { version }: MachineSpec): Finding[] {
  if (version === undefined || versions.includes(version)) return [];
  return [
    {
      rule: 'vsphere.no-such-hardware',
      severity: 'blocker',
      message: `"${place.label}" makes no machines of hardware version ${version}`,
      remedy: `choose one of ${versions.join(', ')}`,
    },
  ];
}

/** Asked for in one call; before API 5.5 a privilege that is missing shows when it is needed. */
async function privilegeFindings(
  session: VimSession,
  { place, folder, datastore }: Ground,
  { cards }: MachineSpec,
  { signal }: DeliveryRequest,
): Promise<Finding[]> {
  if (!session.atLeast('5.5')) return [];
  const step = 'asking for the privileges';
  const manager = session.service('sessionManager');
  const { values } = await ofObject(session, manager, ['currentSession'], step, signal);
  const current = values.get('currentSession');
  const key = current === undefined ? undefined : textOf(current, 'key');
  if (key === undefined) return [];
  const wanted: (readonly [Ref, string, string])[] = [
    [folder.folder, folder.label, 'VirtualMachine.Inventory.Create'],
    [place.pool, place.label, 'Resource.AssignVMToPool'],
    [place.pool, place.label, 'VApp.Import'],
    [datastore.datastore, datastore.label, 'Datastore.AllocateSpace'],
    ...cards.map(({ network }) => [network.network, network.name, 'Network.Assign'] as const),
  ];
  const entities = new Map(wanted.map(([ref]) => [ref.id, ref]));
  const privileges = [...new Set(wanted.map(([, , privilege]) => privilege))];
  const answer = await session
    .call(
      'HasPrivilegeOnEntities',
      session.service('authorizationManager'),
      [
        ...[...entities.values()].map((ref) => refTo('entity', ref)),
        text('sessionId', key),
        ...privileges.map((privilege) => text('privId', privilege)),
      ],
      { step, signal },
    )
    .catch((error) => {
      // Who may not even ask is told of it by the import itself.
      if (['unreachable', 'cancelled'].includes(toAppError(error).kind)) throw error;
      return [];
    });
  const denied = new Set<string>();
  for (const entry of answer) {
    const entity = entry.children.find(({ local }) => local === 'entity');
    for (const availability of entry.children.filter(({ local }) => local === 'privAvailability')) {
      if (textOf(availability, 'isGranted') !== 'false' || entity === undefined) continue;
      denied.add(`${refOf(entity).id} ${textOf(availability, 'privId')}`);
    }
  }
  return wanted
    .filter(([ref, , privilege]) => denied.has(`${ref.id} ${privilege}`))
    .map(([, label, privilege]) => ({
      rule: 'vsphere.privilege-missing',
      severity: 'warning',
      message: `the privilege ${privilege} is missing on "${label}": the server is going to refuse it`,
      remedy: 'give it to the role of this user; docs/environments/vmware.md lists all that are needed',
    }));
}

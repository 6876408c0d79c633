/** The drives of a domain: hard disks with the place of their bytes, CD-ROM drives, and what can't be carried. */
import { posix } from 'node:path';
import { attribute, child, childrenOf, textOf, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import type { Devices, DiskBus, MachineDisk } from '../../model/machine.ts';
import { bootOrderOf, classOrder } from './domain-xml-devices.ts';

/** Where a disk's bytes are. */
export type DiskPlace =
  | { readonly kind: 'file' | 'block'; readonly path: string }
  | { readonly kind: 'volume'; readonly pool: string; readonly volume: string }
  /** They can't be read from here; `what` says in words what they are. */
  | { readonly kind: 'elsewhere'; readonly what: string };

export interface DomainDisk {
  readonly disk: MachineDisk;
  readonly place: DiskPlace;
  /** Only this part of the file is the image. */
  readonly slice?: { readonly offset: number; readonly size: number };
  /** What lies below, the nearest first, as far as the XML tells. */
  readonly backing: readonly DiskPlace[];
  /** A block job that is under way, such as `active-commit` or `copy`. */
  readonly job?: string;
  readonly transient: boolean;
}

export interface Drives {
  readonly disks: readonly DomainDisk[];
  readonly cdroms: NonNullable<Devices['cdroms']>;
  /** Targets of drives that are no hard disks. */
  readonly otherDrives: readonly string[];
  readonly findings: readonly Finding[];
}

export function readDisks(devices: XmlElement, os: XmlElement): Drives {
  const models = controllerModels(devices);
  const disks: DomainDisk[] = [];
  const cdroms: { bus?: DiskBus; media?: string }[] = [];
  const otherDrives: string[] = [];
  const findings: Finding[] = [];
  const fromClass = classOrder(os, 'hd');
  for (const element of childrenOf(devices, 'disk')) {
    const device = attribute(element, 'device') ?? 'disk';
    if (device === 'disk' || device === 'lun') {
      const order = bootOrderOf(element) ?? (disks.length === 0 ? fromClass : undefined);
      const disk = readDisk(element, models, order);
      disks.push(disk);
      findings.push(...diskFindings(element, disk, device));
      continue;
    }
    otherDrives.push(targetOf(element));
    const bus = busOf(element);
    const media = placeName(placeOf(element));
    if (device === 'cdrom')
      cdroms.push({ ...(bus === undefined ? {} : { bus }), ...(media === undefined ? {} : { media }) });
    else if (media !== undefined)
      findings.push({
        rule: 'libvirt.floppy',
        severity: 'note',
        message: `the medium in its ${device} drive stays behind`,
        evidence: media,
      });
  }
  return { disks: bootableFirst(disks), cdroms, otherDrives, findings };
}

/** Where nothing says what is started, the first disk is. */
function bootableFirst(disks: readonly DomainDisk[]): DomainDisk[] {
  if (disks.some((one) => one.disk.bootOrder !== undefined)) return [...disks];
  return disks.map((one, index) => (index === 0 ? { ...one, disk: { ...one.disk, bootable: true } } : one));
}

function readDisk(element: XmlElement, models: Map<string, string>, order: number | undefined): DomainDisk {
  const place = placeOf(element);
  const backing = backingPlaces(element);
  const id = targetOf(element);
  const bus = busOf(element);
  const format = formatOf(child(element, 'driver'));
  const serial = textOf(element, 'serial');
  const job = child(element, 'mirror');
  const slice = sliceOf(element);
  const files = [place, ...backing].flatMap((p) => ('path' in p ? [p.path] : []));
  return {
    disk: {
      id,
      name: placeName(place) ?? id,
      ...(format === undefined ? {} : { format }),
      ...(bus === undefined ? {} : { bus }),
      ...positionOf(element, bus, models),
      files,
      ...(order === undefined ? {} : { bootable: true, bootOrder: order }),
      ...(serial === undefined ? {} : { serial }),
      ...(child(element, 'readonly') === undefined ? {} : { readOnly: true }),
      ...(child(element, 'shareable') === undefined ? {} : { shared: true }),
    },
    place,
    backing,
    ...(slice === undefined ? {} : { slice }),
    ...(job === undefined ? {} : { job: attribute(job, 'job') ?? 'copy' }),
    transient: child(element, 'transient') !== undefined,
  };
}

/** Unique in its machine: `vda`. */
function targetOf(element: XmlElement): string {
  const target = child(element, 'target');
  return (target && attribute(target, 'dev')) ?? '?';
}

const buses: readonly DiskBus[] = ['ide', 'sata', 'scsi', 'virtio', 'nvme', 'usb', 'sd', 'xen', 'ubd', 'fdc'];

function busOf(element: XmlElement): DiskBus | undefined {
  const target = child(element, 'target');
  const said = target && attribute(target, 'bus');
  return buses.find((bus) => bus === said);
}

/** libvirt's names that are not the codec's own. */
const formats: Record<string, string | undefined> = { vpc: 'vhd', bochs: undefined, cloop: undefined };
const ownFormats = ['raw', 'qcow2', 'qcow', 'qed', 'vmdk', 'vdi', 'vhdx', 'parallels', 'cow', 'dmg'];

/** As the machine itself would read it. Nothing said means raw: libvirt does not look into the image either. */
function formatOf(driver: XmlElement | undefined): string | undefined {
  const said = (driver && attribute(driver, 'type')) ?? 'raw';
  // Xen's words.
  if (said === 'aio' || said === 'phy') return 'raw';
  return ownFormats.includes(said) ? said : formats[said];
}

/** Models of the controllers, by `bus index`. */
function controllerModels(devices: XmlElement): Map<string, string> {
  return new Map(
    childrenOf(devices, 'controller').flatMap((controller) => {
      const model = attribute(controller, 'model');
      const key = `${attribute(controller, 'type')} ${attribute(controller, 'index') ?? '0'}`;
      return model === undefined ? [] : [[key, model]];
    }),
  );
}

/** libvirt counts IDE's two channels as buses of one controller; here each is a controller, as everywhere else. */
function positionOf(
  element: XmlElement,
  bus: DiskBus | undefined,
  models: Map<string, string>,
): Pick<MachineDisk, 'controller' | 'unit' | 'controllerModel'> {
  const address = child(element, 'address');
  if (address === undefined || attribute(address, 'type') !== 'drive') return {};
  const number = (name: string) => {
    const text = attribute(address, name) ?? '0';
    return /^\d{1,5}$/.test(text) ? Number(text) : 0;
  };
  const controller = number('controller');
  const model = models.get(`${bus} ${controller}`);
  return {
    ...(model === undefined || model === 'auto'
      ? {}
      : { controllerModel: model.replace(/^vm(pvscsi)$/, '$1') }),
    controller: bus === 'ide' ? controller * 2 + number('bus') : controller,
    // On parallel SCSI, and on pvscsi, disks differ by their target.
    unit: number('target') > 0 ? number('target') : number('unit'),
  };
}

/** A disk's, or a `<backingStore>`'s. */
function placeOf(element: XmlElement): DiskPlace {
  const source = child(element, 'source');
  const type = attribute(element, 'type') ?? 'file';
  const said = (name: string) => (source === undefined ? undefined : attribute(source, name));
  const path = said('file') ?? said('dev');
  const pool = said('pool');
  const volume = said('volume');
  if ((type === 'file' || type === 'block') && path?.startsWith('/')) return { kind: type, path };
  if (type === 'volume' && pool !== undefined && volume !== undefined)
    return { kind: 'volume', pool, volume };
  if (type === 'network')
    return { kind: 'elsewhere', what: `${said('protocol') ?? 'network'} ${said('name') ?? ''}`.trim() };
  if (type === 'nvme') return { kind: 'elsewhere', what: "an NVMe device of the host's, passed through" };
  return { kind: 'elsewhere', what: source === undefined ? 'nothing' : `a disk of type "${type}"` };
}

function placeName(place: DiskPlace): string | undefined {
  if (place.kind === 'volume') return place.volume;
  if (place.kind === 'elsewhere') return place.what === 'nothing' ? undefined : place.what;
  return posix.basename(place.path);
}

/** No product makes chains this long. */
const longestChain = 256;

function backingPlaces(element: XmlElement): DiskPlace[] {
  const places: DiskPlace[] = [];
  let below = child(element, 'backingStore');
  // The end of a chain is an empty element.
  while (below !== undefined && child(below, 'source') !== undefined && places.length < longestChain) {
    places.push(placeOf(below));
    below = child(below, 'backingStore');
  }
  return places;
}

function sliceOf(element: XmlElement): DomainDisk['slice'] {
  const source = child(element, 'source');
  const slices = source && child(source, 'slices');
  const slice = slices && childrenOf(slices, 'slice').find((s) => attribute(s, 'type') === 'storage');
  if (slice === undefined) return undefined;
  const number = (name: string) => {
    const text = attribute(slice, name) ?? '';
    return /^\d{1,16}$/.test(text) ? Number(text) : Number.MAX_SAFE_INTEGER; // past every end
  };
  return { offset: number('offset'), size: number('size') };
}

function diskFindings(
  element: XmlElement,
  { disk, place, transient }: DomainDisk,
  device: string,
): Finding[] {
  const findings: Finding[] = [];
  const note = (rule: string, severity: Finding['severity'], message: string, remedy?: string) =>
    findings.push({
      rule: `libvirt.${rule}`,
      severity,
      message,
      evidence: `${disk.id}: ${disk.name}`,
      ...(remedy === undefined ? {} : { remedy }),
    });
  if (place.kind === 'elsewhere')
    note(
      'disk-elsewhere',
      'warning',
      `the bytes of this disk can not be read from here: ${place.what}`,
      'copy it on the host to a file or a volume (qemu-img convert) and let the machine use that, or leave it out',
    );
  const source = child(element, 'source');
  const encryption = child(element, 'encryption') ?? (source && child(source, 'encryption'));
  if (encryption !== undefined)
    note(
      'disk-encrypted',
      'warning',
      'it is encrypted, and libvirt keeps the passphrase as a secret that is not asked for here',
      'have the passphrase at hand ("virsh secret-get-value" shows it where it may)',
    );
  const blockio = child(element, 'blockio');
  const sector = (blockio && attribute(blockio, 'logical_block_size')) ?? '512';
  if (sector !== '512')
    note(
      'sector-size',
      'warning',
      `the guest sees sectors of ${sector} bytes: its partitions can be found only with the same ones`,
      'give it a disk with such sectors at the destination',
    );
  if (transient) note('disk-transient', 'warning', 'what it writes to this disk is forgotten when it stops');
  if (device === 'lun')
    note('disk-lun', 'note', 'it is a LUN passed through: its bytes are copied as a disk');
  return findings;
}

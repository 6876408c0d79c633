/** Device names, addresses and controllers of a domain's drives. */
import { escapeXml } from '../../io/xml.ts';
import type { DomainDisk } from './domain-spec.ts';

/** Places of one controller in QEMU: an lsilogic takes 7 disks as units, the others take them as targets. */
const scsiPlaces: Readonly<Record<string, number>> = { lsilogic: 7, lsisas1068: 8 };
const scsiDefault = 'virtio-scsi';

/** Gives each drive its device name and its place, and counts the controllers that this takes. */
export class DriveSlots {
  readonly #names = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #scsi: { readonly model: string; used: number }[] = [];

  /** `<target>` and `<address>` of the next drive on this bus. */
  take(bus: DomainDisk['bus'], model = scsiDefault): string[] {
    const prefix = devicePrefix[bus];
    const target = `<target dev="${prefix}${letters(this.#next(this.#names, prefix))}" bus="${bus}"/>`;
    const address = (controller: number, place: string) =>
      `<address type="drive" controller="${controller}" ${place}/>`;
    if (bus === 'sata') {
      const n = this.#next(this.#counts, bus);
      return [target, address(Math.floor(n / 6), `bus="0" target="0" unit="${n % 6}"`)];
    }
    if (bus === 'ide') {
      const n = this.#next(this.#counts, bus);
      return [target, address(0, `bus="${Math.floor(n / 2)}" target="0" unit="${n % 2}"`)];
    }
    if (bus === 'scsi') {
      const { controller, place } = this.#scsiPlace(model);
      const where = model === 'lsilogic' ? `target="0" unit="${place}"` : `target="${place}" unit="0"`;
      return [target, address(controller, `bus="0" ${where}`)];
    }
    return [target];
  }

  controllers(): string[] {
    return this.#scsi.map(
      ({ model }, index) => `<controller type="scsi" index="${index}" model="${escapeXml(model)}"/>`,
    );
  }

  #scsiPlace(model: string): { controller: number; place: number } {
    const most = scsiPlaces[model] ?? 64;
    let controller = this.#scsi.findIndex((c) => c.model === model && c.used < most);
    if (controller < 0) controller = this.#scsi.push({ model, used: 0 }) - 1;
    return { controller, place: this.#scsi[controller]!.used++ };
  }

  #next(counts: Map<string, number>, key: string): number {
    const n = counts.get(key) ?? 0;
    counts.set(key, n + 1);
    return n;
  }
}

const devicePrefix: Readonly<Record<DomainDisk['bus'], string>> = {
  ide: 'hd',
  sata: 'sd',
  scsi: 'sd',
  usb: 'sd',
  virtio: 'vd',
  fdc: 'fd',
};

/** `a` … `z`, `aa` … */
function letters(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : letters(Math.floor(index / 26) - 1) + last;
}

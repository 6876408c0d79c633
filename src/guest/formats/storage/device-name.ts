/** How a configuration names a device, and whether that name is the same on another bus. */

export type DeviceNameKind =
  | 'uuid'
  | 'label'
  | 'partuuid'
  | 'partlabel'
  | 'mapper'
  | 'md'
  /** By the order in which a bus was looked at: /dev/sda1. */
  | 'bus'
  /** By bus and place, or by a serial number: /dev/disk/by-path, by-id. */
  | 'hardware'
  | 'other';

export interface DeviceName {
  readonly kind: DeviceNameKind;
  /** The UUID or label, where it goes by that. */
  readonly value?: string;
  /** Whether it means the same volume after the disk has been put on another bus. */
  readonly survivesBusChange: boolean;
}

const byKey: Readonly<Record<string, DeviceNameKind>> = {
  uuid: 'uuid',
  label: 'label',
  partuuid: 'partuuid',
  partlabel: 'partlabel',
};

/** `UUID=…`, `/dev/sda1`, `/dev/disk/by-uuid/…`, `/dev/mapper/…`: of fstab, crypttab, `root=`, `resume=`. */
export function deviceName(text: string): DeviceName {
  const tagged = /^(UUID|LABEL|PARTUUID|PARTLABEL)="?([^"]*)"?$/i.exec(text);
  const linked = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(text);
  const found = tagged ?? linked;
  if (found !== null)
    return { kind: byKey[found[1]!.toLowerCase()]!, value: found[2]!, survivesBusChange: true };
  if (/^\/dev\/disk\/by-(?:path|id|diskseq)\//.test(text))
    return { kind: 'hardware', survivesBusChange: false };
  if (/^\/dev\/(?:(?:sd|hd|vd|xvd|ubd)[a-z]+\d*|nvme\d+n\d+(?:p\d+)?|mmcblk\d+(?:p\d+)?|sr\d+)$/.test(text)) {
    return { kind: 'bus', survivesBusChange: false };
  }
  if (/^\/dev\/md[\d/_]/.test(text)) return { kind: 'md', survivesBusChange: true };
  if (/^\/dev\/(?:mapper|dm-\d+|zvol)(?:\/|$)/.test(text)) return { kind: 'mapper', survivesBusChange: true };
  // /dev/VG/LV. Folders that the kernel and udev have are none.
  if (/^\/dev\/(?!disk\/|block\/|bus\/|char\/|cdrom)[^/]+\/[^/]+$/.test(text))
    return { kind: 'mapper', survivesBusChange: true };
  return { kind: 'other', survivesBusChange: !text.startsWith('/dev/') };
}

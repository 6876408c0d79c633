/** VirtualBox's settings files: their root, their version, and the words in which they say numbers and names. Pure. */
import { attribute, child, childrenOf, parseXml, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';

/** `1.7` is the first with StorageControllers, 1.20 the latest known (VirtualBox 7.1). */
const oldestMinor = 7;
const latestMinor = 20;
/** A snapshot is two levels deeper than the one before it; VirtualBox itself takes 250 in a row, and 300 disks. */
const deepest = 600;

export interface SettingsFile {
  /** Of 1.x. */
  readonly minor: number;
  /** As it is written: `1.16-linux`. */
  readonly version: string;
  /** It is later than what is known here. */
  readonly later: boolean;
  readonly root: XmlElement;
}

/** @throws AppError `corrupt` (no such file), `unsupported` (another version). */
export function parseSettings(bytes: Uint8Array, where: string): SettingsFile {
  const root = parseXml(bytes, where, deepest);
  if (root.local !== 'VirtualBox') {
    throw new AppError('corrupt', `the root is <${root.local}>, expected is <VirtualBox>`, { where });
  }
  const version = attribute(root, 'version') ?? '';
  const [, major = '', digits = ''] = /^(\d{1,4})\.(\d{1,4})(?:-[\w.]{1,32})?$/.exec(version) ?? [];
  if (digits === '') {
    throw new AppError('corrupt', `"${version.slice(0, 64)}" is no version of VirtualBox's settings`, {
      where,
      hint: 'expected is one like 1.16-linux',
    });
  }
  const minor = Number(digits);
  if (Number(major) !== 1 || minor < oldestMinor) {
    throw new AppError('unsupported', `settings of version ${version}, known are 1.7 and later`, {
      where,
      hint: 'open the machine once in a younger VirtualBox, which writes its settings anew',
    });
  }
  return { minor, version, later: minor > latestMinor, root };
}

/** `{6f7f…}` with or without its braces, in small letters. Undefined for anything else. */
export function uuidOf(text: string | undefined): string | undefined {
  const [, uuid] = /^\{?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\}?$/i.exec(text?.trim() ?? '') ?? [];
  return uuid?.toLowerCase();
}

export const isYes = (text: string | undefined): boolean => /^(true|1|on|yes)$/i.test(text?.trim() ?? '');
export const isNo = (text: string | undefined): boolean => /^(false|0|off|no)$/i.test(text?.trim() ?? '');

/** Up to 9 digits. */
export function wholeNumber(text: string | undefined): number | undefined {
  return /^\d{1,9}$/.test(text?.trim() ?? '') ? Number(text) : undefined;
}

/** The element at the end of a way through the first ones of these names. */
export const at = (from: XmlElement | undefined, ...names: readonly string[]): XmlElement | undefined =>
  names.reduce<XmlElement | undefined>((element, name) => element && child(element, name), from);

/** All of this name in the element at the end of the way. */
export function allAt(from: XmlElement | undefined, way: readonly string[], name: string): XmlElement[] {
  const holder = at(from, ...way);
  return holder === undefined ? [] : childrenOf(holder, name);
}

export const attributeOf = (element: XmlElement | undefined, name: string): string | undefined =>
  element === undefined ? undefined : attribute(element, name);

/**
 * Objects of the Xen management API (XenAPI) as plain values, as they come from a server or lie in an export: records
 * by class and reference. Whatever a value should be, it may be something else: nothing here throws for it.
 */
export type XenValue =
  | string
  | number
  | boolean
  | null
  | readonly XenValue[]
  | { readonly [key: string]: XenValue };
export type XenRecord = { readonly [key: string]: XenValue };

/** The classes that a machine hangs together of. */
export interface XenWorld {
  record(kind: XenClass, ref: string): XenRecord | undefined;
}
export type XenClass = 'VM' | 'VBD' | 'VDI' | 'VIF' | 'network' | 'SR' | 'VM_guest_metrics' | 'VTPM' | 'host';

/** How a field names nothing. */
export const nullRef = 'OpaqueRef:NULL';

export const isRecord = (value: unknown): value is XenRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Its own field of this name; a server's key may be the name of what every object has. */
const own = (record: XenRecord | undefined, key: string): XenValue | undefined =>
  record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;

/** Undefined where it is absent, empty or no text. */
export function textIn(record: XenRecord | undefined, key: string): string | undefined {
  const value = own(record, key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A whole number from 0 on; 64 bits travel as text. */
export function countIn(record: XenRecord | undefined, key: string): number | undefined {
  const value = own(record, key);
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'string' && /^\d{1,16}$/.test(value)
        ? Number(value)
        : -1;
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** In maps of the API truth is a text. */
export function isTrueIn(record: XenRecord | undefined, key: string): boolean {
  const value = own(record, key);
  return value === true || value === 'true' || value === '1';
}

export function textsIn(record: XenRecord | undefined, key: string): string[] {
  const value = own(record, key);
  return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];
}

export function mapIn(record: XenRecord | undefined, key: string): XenRecord | undefined {
  const value = own(record, key);
  return isRecord(value) ? value : undefined;
}

/** The reference in a field; undefined for the one that means nothing. */
export function refIn(record: XenRecord | undefined, key: string): string | undefined {
  const value = textIn(record, key);
  return value === nullRef || value === 'NULL' ? undefined : value;
}

/** Seconds since 1970 of `20260102T03:04:05Z`; undefined for the epoch, which stands for never. */
export function timeIn(record: XenRecord | undefined, key: string): number | undefined {
  const match = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d)/.exec(textIn(record, key) ?? '');
  if (match === null) return undefined;
  const seconds = Date.parse(`${match[1]}-${match[2]}-${match[3]}T${match[4]}Z`) / 1000;
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds : undefined;
}

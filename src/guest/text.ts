/** Text and identifiers as they lie in boot sectors and superblocks. All of it comes from the guest: hostile. */

/** Fit to be shown on a terminal: one line, no control or direction characters, at most `max` characters. */
export function plainText(text: string, max = 255): string {
  return text
    .slice(0, max * 2)
    .replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, '')
    .trim()
    .slice(0, max);
}

/** Text of a fixed field, up to the first NUL. */
export function fixedText(
  bytes: Uint8Array,
  offset: number,
  length: number,
  encoding: BufferEncoding = 'utf8',
): string {
  const field = Buffer.from(bytes.buffer, bytes.byteOffset + offset, length);
  const text = field.toString(encoding);
  const end = text.indexOf('\0');
  return plainText(end < 0 ? text : text.slice(0, end));
}

/** UTF-16, big endian as in UDF and Joliet. */
export function utf16be(bytes: Uint8Array, offset: number, length: number): string {
  return fixedText(Buffer.from(bytes.subarray(offset, offset + length)).swap16(), 0, length, 'utf16le');
}

const dashed = (hex: string) =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

const hexOf = (bytes: Uint8Array, offset: number, length: number) =>
  Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('hex');

/** RFC 4122 order, as Linux filesystems keep it. Undefined when it is all zeros. */
export function uuidAt(bytes: Uint8Array, offset: number): string | undefined {
  const hex = hexOf(bytes, offset, 16);
  return /^0+$/.test(hex) ? undefined : dashed(hex);
}

/** UEFI and Windows order: the first three groups are little endian. */
export function guidAt(bytes: Uint8Array, offset: number): string {
  const head = Buffer.from(bytes.subarray(offset, offset + 8));
  head.subarray(0, 4).reverse();
  head.subarray(4, 6).reverse();
  head.subarray(6, 8).reverse();
  return dashed(head.toString('hex') + hexOf(bytes, offset + 8, 8));
}

/** A FAT or NTFS serial number as Linux writes it: `1234-ABCD`, `01D2…`. */
export function serialAt(bytes: Uint8Array, offset: number, length: 4 | 8): string {
  const hex = Buffer.from(bytes.subarray(offset, offset + length))
    .reverse()
    .toString('hex')
    .toUpperCase();
  return length === 4 ? `${hex.slice(0, 4)}-${hex.slice(4)}` : hex;
}

/** `{ [key]: value }` without the key when the value is undefined or an empty text. */
export function given<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { [P in K]?: V });
}

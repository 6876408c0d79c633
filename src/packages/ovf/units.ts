/** Allocation units as descriptors write them: DSP0004's `byte * 2^20`, and older words such as `MegaBytes`. */

const words: Record<string, number> = {
  byte: 1,
  bytes: 1,
  kilobyte: 1024,
  kilobytes: 1024,
  kb: 1024,
  kib: 1024,
  megabyte: 1024 ** 2,
  megabytes: 1024 ** 2,
  mb: 1024 ** 2,
  mib: 1024 ** 2,
  gigabyte: 1024 ** 3,
  gigabytes: 1024 ** 3,
  gb: 1024 ** 3,
  gib: 1024 ** 3,
  terabyte: 1024 ** 4,
  terabytes: 1024 ** 4,
  tb: 1024 ** 4,
  tib: 1024 ** 4,
};

/** Bytes in one unit; undefined when the text is not understood. */
export function unitBytes(text: string): number | undefined {
  const [word = '', ...factors] = text
    .toLowerCase()
    .split('*')
    .map((part) => part.trim());
  let bytes = words[word];
  for (const factor of factors) {
    const match = /^(\d{1,9})(?:\s*\^\s*(\d{1,2}))?$/.exec(factor);
    if (match === null || bytes === undefined) return undefined;
    bytes *= Number(match[1]) ** Number(match[2] ?? 1);
  }
  return bytes !== undefined && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A whole, not negative number of bytes; undefined for anything else. */
export function quantityBytes(
  quantity: string | undefined,
  units: string | undefined,
  otherwise: number,
): number | undefined {
  if (quantity === undefined || !/^\d{1,16}$/.test(quantity)) return undefined;
  const unit = units === undefined || units.trim() === '' ? otherwise : unitBytes(units);
  const bytes = unit === undefined ? Number.NaN : Number(quantity) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * A file that is named by qemu's options: `json:{"driver":"qcow2","file":{"driver":"file","filename":"a.qcow2"}}`, or
 * with `file.filename`. Libvirt writes such names. Only a whole file is understood: any other option may say which
 * part of it is meant, or that it lies elsewhere.
 */

export interface NamedFile {
  readonly file: string;
  /** qemu's name of the format; absent where the options leave it open. */
  readonly driver?: string;
}

/** How the file is opened, which changes none of its bytes. */
const harmless = /^(node-name|read-only|auto-read-only|discard|detect-zeroes|locking|aio|cache(\..*)?|x-.*)$/;
const fileDrivers: readonly unknown[] = [undefined, 'file', 'host_device'];

/** Undefined for anything but the name of a whole file. */
export function namedByJson(name: string): NamedFile | undefined {
  const options = optionsOf(name.replace(/^json:/, ''));
  if (options === undefined) return undefined;
  const { driver, filename, 'file.filename': inner, 'file.driver': innerDriver, ...rest } = options;
  if (Object.keys(rest).some((key) => !harmless.test(key.replace(/^file\./, '')))) return undefined;
  if (inner === undefined) {
    const plain = fileDrivers.includes(driver) && innerDriver === undefined;
    return plain && typeof filename === 'string' ? { file: filename } : undefined;
  }
  if (filename !== undefined || typeof inner !== 'string' || !fileDrivers.includes(innerDriver))
    return undefined;
  if (driver === undefined) return { file: inner };
  return typeof driver === 'string' ? { file: inner, driver } : undefined;
}

/** With `file` taken apart: both ways of writing are the same to qemu. */
function optionsOf(text: string): Record<string, unknown> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(parsed)) return undefined;
  const { file, ...rest } = parsed;
  if (file === undefined) return rest;
  if (!isObject(file)) return undefined;
  return {
    ...rest,
    ...Object.fromEntries(Object.entries(file).map(([key, value]) => [`file.${key}`, value])),
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

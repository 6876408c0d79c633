/**
 * Binary structures as tables: one table with explicit offsets serves reading and writing.
 * `struct('VHD footer', 512, 'be', { cookie: [0, ascii(8)], features: [8, u32] })`
 */
import { AppError } from '../model/errors.ts';

export type Endian = 'le' | 'be';

export interface FieldType<T> {
  readonly bytes: number;
  get(view: DataView, offset: number, little: boolean): T;
  set(view: DataView, offset: number, little: boolean, value: T): void;
}

export const u8: FieldType<number> = {
  bytes: 1,
  get: (v, o) => v.getUint8(o),
  set: (v, o, _l, value) => v.setUint8(o, value),
};
export const u16: FieldType<number> = {
  bytes: 2,
  get: (v, o, l) => v.getUint16(o, l),
  set: (v, o, l, value) => v.setUint16(o, value, l),
};
export const u32: FieldType<number> = {
  bytes: 4,
  get: (v, o, l) => v.getUint32(o, l),
  set: (v, o, l, value) => v.setUint32(o, value, l),
};
/** A number; reading a value past 2^53 - 1 throws `corrupt`: no file is that large. */
export const u64: FieldType<number> = {
  bytes: 8,
  get: (v, o, l) => safeNumber(v.getBigUint64(o, l)),
  set: (v, o, l, value) => v.setBigUint64(o, BigInt(value), l),
};
/** 64 bits as they are, for flags and magic values. */
export const bits64: FieldType<bigint> = {
  bytes: 8,
  get: (v, o, l) => v.getBigUint64(o, l),
  set: (v, o, l, value) => v.setBigUint64(o, value, l),
};
/** Text of a fixed number of bytes, cut at the first NUL; padded with NULs when written. */
export const ascii = (bytes: number): FieldType<string> => ({
  bytes,
  get(v, o) {
    const text = Buffer.from(v.buffer, v.byteOffset + o, bytes).toString('latin1');
    const end = text.indexOf('\0');
    return end < 0 ? text : text.slice(0, end);
  },
  set(v, o, _l, value) {
    if (value.length > bytes) throw new AppError('bug', `"${value}" does not fit into ${bytes} bytes`);
    const place = Buffer.from(v.buffer, v.byteOffset + o, bytes);
    place.fill(0);
    place.write(value, 'latin1');
  },
});
/** Bytes as they are; reading copies. */
export const raw = (bytes: number): FieldType<Uint8Array> => ({
  bytes,
  get: (v, o) => new Uint8Array(v.buffer.slice(v.byteOffset + o, v.byteOffset + o + bytes)),
  set(v, o, _l, value) {
    if (value.length !== bytes)
      throw new AppError('bug', `${value.length} bytes given for a field of ${bytes}`);
    new Uint8Array(v.buffer, v.byteOffset + o, bytes).set(value);
  },
});

export type Fields = Readonly<
  Record<string, readonly [offset: number, type: FieldType<never> | FieldType<unknown>]>
>;
type ValueOf<F> = F extends FieldType<infer T> ? T : never;
export type Values<F> = {
  -readonly [K in keyof F]: F[K] extends readonly [number, infer T] ? ValueOf<T> : never;
};

export interface Struct<F> {
  readonly name: string;
  readonly bytes: number;
  /** @throws AppError `corrupt` when there are too few bytes or a 64-bit value is impossible. */
  decode(bytes: Uint8Array, offset?: number): Values<F>;
  /** A buffer of exactly the structure's size; fields not given are zero. */
  encode(values: Partial<Values<F>>): Buffer;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of fields of mixed types; Values<F> gives each its own
type AnyFields = Record<string, readonly [number, FieldType<any>]>;

/** @throws AppError `bug` at load when fields overlap or lie outside. */
export function struct<const F extends AnyFields>(
  name: string,
  bytes: number,
  endian: Endian,
  fields: F,
): Struct<F> {
  const little = endian === 'le';
  const entries = Object.entries(fields);
  let end = 0;
  for (const [key, [offset, type]] of [...entries].sort((a, b) => a[1][0] - b[1][0])) {
    if (offset < end || offset + type.bytes > bytes) throw new AppError('bug', `${name}.${key} is misplaced`);
    end = offset + type.bytes;
  }
  return {
    name,
    bytes,
    decode(source, offset = 0) {
      if (source.length - offset < bytes) {
        throw new AppError('corrupt', `${name}: ${source.length - offset} bytes where ${bytes} are needed`);
      }
      const view = new DataView(source.buffer, source.byteOffset + offset, bytes);
      return Object.fromEntries(
        entries.map(([key, [at, type]]) => [key, type.get(view, at, little)]),
      ) as Values<F>;
    },
    encode(values) {
      const out = Buffer.alloc(bytes);
      const view = new DataView(out.buffer, out.byteOffset, bytes);
      for (const [key, [at, type]] of entries) {
        const value = values[key];
        if (value !== undefined) type.set(view, at, little, value);
      }
      return out;
    },
  };
}

/** @throws AppError `corrupt` past 2^53 - 1. */
export function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new AppError('corrupt', `a 64-bit value of 0x${value.toString(16)} is larger than any file`);
  }
  return Number(value);
}

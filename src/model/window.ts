/** A part of a disk that is taken for the whole: a range of its bytes. */
import { AppError } from './errors.ts';
import { parseBytes } from './units.ts';

export interface ByteWindow {
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
}

/** From `1M+2G`. @throws AppError `usage`. */
export function parseWindow(text: string): ByteWindow {
  const [offset, length, ...rest] = text.split('+');
  if (offset === undefined || length === undefined || rest.length > 0) {
    throw new AppError('usage', `"${text}" is not a window of a disk`, {
      hint: 'write it as OFFSET+LENGTH, such as 1M+2G',
    });
  }
  const window = { offset: parseBytes(offset), length: parseBytes(length) };
  if (window.length === 0) throw new AppError('usage', `the window "${text}" has no bytes`);
  return window;
}

/** The number of a partition, from 1 on. @throws AppError `usage`. */
export function parsePartition(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new AppError('usage', `"${text}" is not the number of a partition`, {
    hint: 'vmferry inspect tells the numbers',
  });
}

import { AppError } from './errors.ts';

/** Something that a delivery made and could not remove again, or moved and could not put back. */
export interface Leftover {
  /** What it is and where, in words. */
  readonly what: string;
  /** The exact command, or the step in the product's interface, after which it is gone; absent where none is known. */
  readonly command?: string;
}

/** One line for a log or a hint. */
export const describeLeftover = ({ what, command }: Leftover): string =>
  command === undefined ? `left there: ${what}` : `left there: ${what}; to remove it: ${command}`;

/** The error with what stays in its hint. */
export function withLeftovers(error: AppError, left: readonly Leftover[]): AppError {
  if (left.length === 0) return error;
  const { kind, message, where, hint } = error;
  const hints = [...(hint === undefined ? [] : [hint]), ...left.map(describeLeftover)];
  return new AppError(kind, message, {
    ...(where === undefined ? {} : { where }),
    hint: hints.join('; '),
    cause: error,
  });
}

/** What makes no sense in an image that was joined may come of one part: then that is what to tell. */
import { toAppError } from '../../model/errors.ts';

/** The error itself, or that of the part. Reads what was not read yet. */
export async function damagedPart(
  error: unknown,
  verifies: readonly (((signal?: AbortSignal) => Promise<void>) | undefined)[],
  signal: AbortSignal,
): Promise<unknown> {
  const { kind } = toAppError(error);
  if (kind !== 'corrupt' && kind !== 'unsupported') return error;
  for (const verify of verifies) {
    const found = await verify?.(signal).then(
      () => undefined,
      (other: unknown) => other,
    );
    if (found !== undefined && toAppError(found).kind === 'corrupt') return found;
  }
  return error;
}

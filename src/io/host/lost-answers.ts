/** What the end of a first try was, whose answer was lost with the connection. */
import { AppError } from '../../model/errors.ts';
import type { HostFiles } from './host.ts';

const isKind = (error: unknown, kind: AppError['kind']): boolean =>
  error instanceof AppError && error.kind === kind;

/** A file that could not be made because it exists is the one that was: it is empty. Were it another's, nothing is lost. */
export async function isOurs(
  files: Pick<HostFiles, 'stat'>,
  path: string,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!isKind(error, 'conflict')) return false;
  const found = await files.stat(path, signal);
  return found?.kind === 'file' && found.size === 0;
}

/** What is not there any more lies where it was to go. */
export async function isRenamed(
  files: Pick<HostFiles, 'stat'>,
  to: string,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return isKind(error, 'not-found') && (await files.stat(to, signal)) !== undefined;
}

/** Where an edit lies in its volume. */
import { AppError } from '../../../model/errors.ts';
import type { EngineVolume } from '../engine.ts';

/** The path inside the volume of one that the guest sees. */
export function insideOf({ mountPoint }: Pick<EngineVolume, 'mountPoint'>, path: string): string {
  if (mountPoint === '/') return path;
  if (path !== mountPoint && !path.startsWith(`${mountPoint}/`))
    throw new AppError('bug', `${path} is not below ${mountPoint}`);
  return path.slice(mountPoint.length) || '/';
}

/** Which copies can be kept, and a plan's copies in words. Pure. */
import { AppError } from '../model/errors.ts';
import type { Keep, KeepStage, Plan } from '../model/plan.ts';

/** @throws AppError `usage` for a copy that would be of no use. */
export function refuseKeep({ keep, destination }: Plan): void {
  if (keep === undefined) return;
  if (keep.stages.includes('converted') && destination.backing !== undefined) {
    throw new AppError(
      'usage',
      'what is delivered holds only what differs from another image: no copy of it',
      {
        hint: 'keep "extracted" or "changed" instead',
      },
    );
  }
}

/** In words, for the plan. */
export function keepInWords({ stages, place }: Keep): string {
  const where =
    'environment' in place
      ? `${place.settings.folder ?? '~'} on ${place.settings.host ?? 'the host of a profile'}`
      : place.folder;
  return `kept in ${where}: ${stages.map((stage) => stageWords[stage]).join(', ')}`;
}

const stageWords: Readonly<Record<KeepStage, string>> = {
  extracted: 'the disks as they were read',
  changed: 'the disks after the changes inside',
  converted: 'the files that are delivered',
};

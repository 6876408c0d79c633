/** A run's step between reading and writing: the guest is changed, in overlays. */
import type { OpenImage } from '../codecs/codec.ts';
import type { DestinationRole, Session } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import { AppError } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import type { Move } from './arrange/layout.ts';
import type { CheckedRequest } from './check-plan.ts';
import { wantsChanges } from './make-plan.ts';
import { type ExtractedDisk, type Opened, type RunContext, refuse, tell, tellDisks } from './run-context.ts';

/** Asked for before anything else: nobody may be there later. */
export async function passwordsOf(
  { guest }: Plan,
  context: RunContext,
): Promise<ReadonlyMap<string, string>> {
  const passwords = new Map<string, string>();
  for (const user of guest?.add?.passwordsOf ?? []) {
    if (context.password === undefined)
      throw new AppError('auth', `there is no new password for ${user} of the guest`);
    passwords.set(user, await context.password(user));
  }
  return passwords;
}

/** The guest with its changes, in overlays; the disks as they are where nothing is to be changed. */
export async function changed(
  plan: Plan,
  disks: readonly ExtractedDisk[],
  destination: DestinationRole,
  request: CheckedRequest,
  source: Session,
  context: RunContext & { readonly moves?: readonly Move[] },
  reading: Opened,
): Promise<readonly ExtractedDisk[]> {
  if (!wantsChanges(plan)) return disks;
  const { keptChanges } = context;
  if (context.resumption !== undefined && keptChanges !== undefined) {
    const overlays = await keptChanges.restore(disks.map(({ image }) => image));
    reading.keep({ close: async () => void (await Promise.all(overlays.map((overlay) => overlay.close()))) });
    return tellChanged(
      disks,
      disks.map(({ image }, i) => ({ ...image, ...overlays[i]! })),
      context,
    );
  }
  const { manipulate } = await import('./manipulate.ts');
  const hardware = (await destination.hardware?.(request)) ?? request.machine;
  const images = disks.map(({ image }) => image);
  const made = reading.keep(
    await manipulate(plan, images, hardware, {
      ...context,
      report: (text) => context.emit({ type: 'step', text }),
      ...(keptChanges === undefined ? {} : { storeOf: (place) => keptChanges.storeOf(place) }),
      ...(source.secret === undefined ? {} : { passphrase: () => source.secret!('guest-passphrase') }),
    }),
  );
  tell(made.findings, context);
  for (const { title, id } of made.changes)
    context.emit({ type: 'log', level: 'info', text: `changed in the guest: ${title} (${id})` });
  for (const { title, id } of made.leftOut)
    context.emit({ type: 'log', level: 'warning', text: `left as it is in the guest: ${title} (${id})` });
  context.emit({ type: 'changes', changes: made.changes });
  refuse(made.findings, context);
  if (made.undo.length > 0) await context.keepUndo?.(made.undo);
  const left = await made.apply();
  tell(left.findings, context);
  if (left.bytes > 0) {
    const text = `${formatBytes(left.bytes)} that the filesystems do not use are left out`;
    context.emit({ type: 'log', level: 'info', text });
  }
  await keptChanges?.save(made.marks());
  return tellChanged(disks, made.images, context);
}

async function tellChanged(
  disks: readonly ExtractedDisk[],
  images: readonly OpenImage[],
  context: RunContext,
): Promise<readonly ExtractedDisk[]> {
  const out: ExtractedDisk[] = [];
  for (const [i, disk] of disks.entries()) {
    const image = images[i]!;
    out.push({ ...disk, image, bytesTotal: await allocatedBytes(image, context.signal) });
  }
  tellDisks(out, context);
  return out;
}

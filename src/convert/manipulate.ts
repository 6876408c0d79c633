/** The guest's changes in a conversion: worked out, shown, and made in overlays that the rest of the run reads. */
import { tmpdir } from 'node:os';
import type { OpenImage } from '../codecs/codec.ts';
import { applyAll, chooseEngines } from '../guest/change/choose-engines.ts';
import { describeChange } from '../guest/change/describe.ts';
import { engines } from '../guest/change/engines/all.ts';
import { editsByMount, placeEdits } from '../guest/change/place-edits.ts';
import { planChanges } from '../guest/change/plan-changes.ts';
import { roomFindings } from '../guest/change/room.ts';
import type { GuestTarget } from '../guest/change/target.ts';
import { type Undo, undoOf } from '../guest/change/undo.ts';
import { overlayFile } from '../io/overlay-file.ts';
import { copyOnWrite, type Overlay, type OverlayMarks, type OverlayStore } from '../io/writable-disk.ts';
import type { Finding } from '../model/finding.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { Firmware, MachineDisk, Nic } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import type { Move } from './arrange/layout.ts';
import { openGuestWithSecret } from './guest-secret.ts';
import { type Shrunk, shrink } from './shrink.ts';

/** What the guest will find at the destination. */
export interface Hardware {
  readonly disks: readonly Pick<MachineDisk, 'bus' | 'controllerModel'>[];
  readonly nics: readonly Pick<Nic, 'mac' | 'model'>[];
  readonly firmware?: Firmware | undefined;
}

export interface Manipulation {
  /** In the order that was given: overlays, which hold the changes once they are made. */
  readonly images: readonly OpenImage[];
  readonly changes: readonly GuestChange[];
  readonly leftOut: readonly GuestChange[];
  readonly findings: readonly Finding[];
  /** What takes the changes back. */
  readonly undo: readonly Undo[];
  /** Of the overlays, after `apply`. */
  marks(): readonly OverlayMarks[];
  /** Throws the overlays away; the images stay open. */
  close(): Promise<void>;
  /**
   * Makes the changes, and leaves out what is not used. Resolves to what was left out.
   * @throws AppError; nothing may be read from the overlays then.
   */
  apply(): Promise<Shrunk>;
}

export interface ManipulateContext {
  readonly runId: string;
  /** Where the overlay of the disk at this place keeps its blocks. Default: a file without a name. */
  storeOf?(place: number): Promise<OverlayStore>;
  readonly signal: AbortSignal;
  report(step: string): void;
  /** Opens what is encrypted in the guest. */
  passphrase?(): Promise<string>;
  /** Where the partitions were that lie elsewhere now. */
  readonly moves?: readonly Move[];
  /** The new password of a user of the guest. Only for a preview may it be any text. */
  password?(user: string): Promise<string>;
  /** What a run has kept so that its changes can be taken back. @throws AppError `not-found`. */
  undoOf?(run: string): Promise<readonly Undo[]>;
}

/** `images` are those of the plan's disks, in their order, readable at random. @throws AppError. */
export async function manipulate(
  plan: Plan,
  images: readonly OpenImage[],
  hardware: Hardware,
  context: ManipulateContext,
): Promise<Manipulation> {
  const overlays: Overlay[] = [];
  const close = async () => void (await Promise.all(overlays.map((overlay) => overlay.close())));
  try {
    for (const image of images) {
      const below = { ...image, close: async () => undefined };
      const store = context.storeOf?.(overlays.length) ?? overlayFile(tmpdir(), context.runId);
      overlays.push(copyOnWrite(below, await store));
    }
    return { ...(await workedOut(plan, images, overlays, hardware, context)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function workedOut(
  plan: Plan,
  images: readonly OpenImage[],
  overlays: readonly Overlay[],
  hardware: Hardware,
  context: ManipulateContext,
): Promise<Omit<Manipulation, 'close'>> {
  const wish = plan.guest ?? { changes: 'none' };
  const undo = wish.undo === undefined ? undefined : await context.undoOf?.(wish.undo);
  const { signal, report } = context;
  report('looking into the guest');
  const { passphrase } = context;
  const secrets = passphrase === undefined ? {} : { secret: () => passphrase() };
  const guest = await openGuestWithSecret(overlays, secrets, { signal });
  const target = targetOf(plan, hardware);
  report('working out what to change in the guest');
  const planned = await planChanges(guest, {
    ...{ target, nics: plan.machine.nics, wish, signal, moves: context.moves ?? [] },
    ...(context.password === undefined ? {} : { password: (user) => context.password!(user) }),
    ...(undo === undefined ? {} : { undo }),
  });
  const edits = planned.changes.flatMap((change) => change.edits);
  const files = planned.guest?.files;
  const volumes = files === undefined ? [] : placeEdits(edits, files, overlays);
  const room =
    files === undefined
      ? []
      : [...editsByMount(edits, files)].flatMap(([mount, own]) => roomFindings(mount, own));
  const chosen = await chooseEngines(volumes, engines, wish.engine, signal);
  return {
    images: images.map((image, i) => ({ ...image, ...overlays[i]! })),
    changes: planned.changes.map(describeChange),
    leftOut: planned.leftOut.map(describeChange),
    findings: [...planned.findings, ...chosen.findings, ...room],
    undo: undoOf(planned.changes),
    marks: () => overlays.map((overlay) => overlay.marks()),
    async apply() {
      if (volumes.length > 0) {
        report('changing the guest');
        const work = { disks: overlays, ...(passphrase === undefined ? {} : { passphrase }) };
        await applyAll(chosen, work, { signal, report });
      }
      for (const { disk, offset, content } of planned.changes.flatMap(({ sectors = [] }) => sectors))
        await overlays[disk]!.write(content, offset, signal);
      if (!(wish.shrink ?? wish.changes === 'needed')) return { bytes: 0, findings: [] };
      report('leaving out what the filesystems do not use');
      return shrink(overlays, signal);
    },
  };
}

function targetOf({ destination }: Plan, { disks, nics, firmware }: Hardware): GuestTarget {
  const { product } = destination;
  return {
    product,
    disks: disks.map(({ bus = 'sata', controllerModel }) => ({
      bus,
      ...(controllerModel === undefined ? {} : { controllerModel }),
    })),
    nics,
    firmware: firmware?.kind ?? 'bios',
    console: product === 'uml' ? 'serial' : 'screen',
    cloud: false,
  };
}

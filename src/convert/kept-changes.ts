/**
 * The changes inside a guest, kept while its run can be gone on with: made again they would come out otherwise (times,
 * identifiers), and a part of a filesystem as it was written then must not meet a part of another one.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import type { OpenImage } from '../codecs/codec.ts';
import { namedOverlay } from '../io/overlay-file.ts';
import { copyOnWrite, type Overlay, type OverlayMarks, type OverlayStore } from '../io/writable-disk.ts';
import { AppError, toAppError } from '../model/errors.ts';

const edges = z.array(z.number().int().nonnegative());
const marksSchema = z.array(z.object({ written: edges, zeroed: edges }));

export class KeptChanges {
  readonly #folder: string;

  /** `folder` is this run's alone, or that of the run which it goes on with. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async storeOf(place: number): Promise<OverlayStore> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    return namedOverlay(this.#path(place), 'new');
  }

  /** All changes are made. @throws AppError `no-space`, `io`. */
  async save(marks: readonly OverlayMarks[]): Promise<void> {
    await writeFileAtomic(join(this.#folder, 'marks.json'), JSON.stringify(marks), { mode: 0o600 }).catch(
      (error) => {
        throw toAppError(error);
      },
    );
  }

  /** The disks as they were changed. @throws AppError `conflict` when that is not kept, `corrupt`. */
  async restore(images: readonly OpenImage[]): Promise<Overlay[]> {
    const gone = (cause: unknown) =>
      new AppError('conflict', 'what was changed inside the guest is not kept any more', {
        where: this.#folder,
        hint: 'run it again: "vmferry history RUN --rerun"',
        cause,
      });
    const text = await readFile(join(this.#folder, 'marks.json'), 'utf8').catch((error) => {
      throw gone(error);
    });
    const marks = marksSchema.parse(JSON.parse(text));
    const overlays: Overlay[] = [];
    for (const [place, image] of images.entries()) {
      const store = await namedOverlay(this.#path(place), 'there').catch((error) => {
        throw gone(error);
      });
      overlays.push(copyOnWrite({ ...image, close: async () => undefined }, store, marks[place]));
    }
    return overlays;
  }

  /** Never throws. */
  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true }).catch(() => undefined);
  }

  #path(place: number): string {
    return join(this.#folder, `disk${place}.overlay`);
  }
}

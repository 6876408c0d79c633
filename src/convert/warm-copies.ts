/** The copies of one run: where they lie, whether there is room, and that they are taken away. */
import { mkdir, rmdir, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expandHome } from '../env-plugins/local/expand-home.ts';
import { AppError, toAppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import { isFolder } from './make-plan.ts';
import type { WarmPlan } from './warm.ts';
import { WarmCopy } from './warm-copy.ts';

export class WarmCopies {
  readonly folder: string;
  readonly #runId: string;
  /** In the folder where the results go they may become one of them. */
  readonly #mode: number;
  readonly #copies = new Map<string, WarmCopy>();
  /** Disks that have grown, until they have been compared as a whole: a pass that fails is done again. */
  readonly grown = new Set<string>();
  #made: string | undefined;

  constructor(plan: WarmPlan, runId: string) {
    const results = isFolder(plan) ? plan.destination.settings.folder : undefined;
    this.folder = expandHome(plan.warm.folder ?? results ?? tmpdir());
    this.#mode = plan.warm.folder === undefined && results !== undefined ? 0o666 : 0o600;
    this.#runId = runId;
  }

  /** @throws AppError `no-space`, `auth`. */
  async prepare(bytes: number): Promise<void> {
    this.#made = await mkdir(this.folder, { recursive: true }).catch((error) => {
      throw toAppError(error);
    });
    const { bavail, bsize } = await statfs(this.folder);
    const free = bavail * bsize;
    if (free >= bytes) return;
    throw new AppError(
      'no-space',
      `the copies take up to ${formatBytes(bytes)}, and ${formatBytes(free)} are free`,
      { where: this.folder, hint: 'free some space, or name another folder with --warm-folder' },
    );
  }

  async add(id: string, size: number): Promise<WarmCopy> {
    const path = join(this.folder, `.vmferry-${this.#runId}-${this.#copies.size + 1}.warm`);
    const copy = await WarmCopy.make(path, size, this.#mode);
    this.#copies.set(id, copy);
    return copy;
  }

  get(id: string): WarmCopy | undefined {
    return this.#copies.get(id);
  }

  /** Nothing is written to it any more; resolves to its path. */
  async finished(id: string): Promise<string> {
    const copy = this.#copies.get(id);
    if (copy === undefined) throw new AppError('bug', `there is no copy of ${id}`);
    await copy.close();
    return copy.path;
  }

  /** Takes away what was not moved to the destination. Never throws. */
  async close(): Promise<void> {
    for (const copy of this.#copies.values()) await copy.remove();
    if (this.#made === undefined) return;
    // What lies in it by now is somebody's: such a folder can't be removed.
    for (let folder = this.folder; ; folder = dirname(folder)) {
      const removed = await rmdir(folder).then(
        () => true,
        () => false,
      );
      if (!removed || folder === this.#made || dirname(folder) === folder) return;
    }
  }
}

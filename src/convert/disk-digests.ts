/** The digests of a run's disks, made of what the encoder reads: with what is changed in the guest. */
import { type BlockDigest, type DiskDigest, diskDigest } from '../io/digest.ts';
import { type DigestAlgorithm, usualAlgorithm } from '../io/digest-hash.ts';
import { digested } from '../io/digested.ts';
import type { Disk } from '../io/disk.ts';
import { toFailure } from '../model/errors.ts';
import type { MachineDisk } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import { diskFileNames } from './make-plan.ts';
import type { RunContext } from './run-context.ts';
import { outputName } from './wrapped-output.ts';

export interface DigestDisk {
  readonly id: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly algorithm: DigestAlgorithm;
}

export interface DigestWriting {
  block(known: BlockDigest, zeros: boolean): void;
  /** When all of the disk was read: the digest of the whole. */
  whole(hex: string): void;
}

/** What an earlier run, or an earlier part of this one, has kept of a disk. */
export interface KeptDigest {
  readonly id: string;
  readonly name: string;
  readonly digest: DiskDigest;
  /** All of the disk was read then. */
  readonly complete: boolean;
}

/** Where digests are kept while they are made. Never throws. */
export interface DigestKeeping {
  begin(disk: DigestDisk): DigestWriting;
}

/** Of one delivery. */
export interface DeliveredDisk {
  readonly disk: MachineDisk;
  /** The first of its files, as it is called at the destination. */
  readonly file: string;
  readonly digest: DiskDigest;
}

/** A disk as the encoder is to read it. */
export interface DigestingDisk extends Disk {
  /** The encoder does not read it: its bytes are there already. */
  unread(): void;
  /** All is read: tells the digest of the whole. @throws AppError as `read`. */
  settle(signal: AbortSignal): Promise<void>;
}

export class DiskDigests {
  readonly #plan: Plan;
  readonly #context: RunContext;
  readonly #disks: DeliveredDisk[] = [];

  constructor(plan: Plan, context: RunContext) {
    this.#plan = plan;
    this.#context = context;
  }

  /** Those that were begun, in the plan's order. */
  get disks(): readonly DeliveredDisk[] {
    return this.#disks;
  }

  /** @throws AppError `unsupported` for an algorithm that is not to be had. */
  async begin(disk: MachineDisk, image: Disk, file: string): Promise<DigestingDisk> {
    const { digests, resumption, emit } = this.#context;
    const earlier = await this.#earlier(disk.id, image.size);
    const algorithm = earlier?.algorithm ?? algorithmFor(this.#plan);
    const writing = digests?.begin({ id: disk.id, name: disk.name, size: image.size, algorithm });
    const onBlock = (known: BlockDigest) =>
      writing?.block(known, known.digest.equals(digest.zerosOf(known.block)));
    const digest = await diskDigest(image.size, { algorithm, onBlock });
    for (const known of earlier?.known() ?? []) {
      digest.preload([known]);
      onBlock(known);
    }
    this.#disks.push({ disk, file, digest });
    const inner = digested(image, digest);
    let unread = false;
    const wanted = () => !unread || this.#plan.verify === true;
    return {
      ...inner,
      unread() {
        unread = true;
      },
      async settle(signal) {
        if (!wanted()) return;
        await inner.settle(signal, unread || resumption !== undefined);
        const value = digest.whole();
        writing?.whole(value);
        emit({ type: 'digest', disk: disk.id, algorithm, value });
      },
    };
  }

  /** What the run that was cut knew of the disk; the rest is read again. */
  async #earlier(id: string, size: number): Promise<DiskDigest | undefined> {
    const { resumption, earlierDigests, emit } = this.#context;
    if (resumption === undefined) return undefined;
    const kept = await earlierDigests?.().catch((error) => {
      const why = toFailure(error).message;
      emit({ type: 'log', level: 'info', text: `digests are made anew, by reading it once more: ${why}` });
      return undefined;
    });
    const found = kept?.find((one) => one.id === id)?.digest;
    return found?.size === size ? found : undefined;
  }
}

/** The delivered file holds the disk byte by byte. */
export const isLinear = (plan: Plan): boolean =>
  plan.destination.container === 'disks' &&
  plan.destination.format === 'raw' &&
  plan.destination.splitBytes === undefined &&
  plan.destination.splitBytes === undefined &&
  diskFileNames(plan).every((name) => outputName(name).wrapper === undefined);

/** A file far away is hashed there, by what is to be had everywhere. */
function algorithmFor(plan: Plan): DigestAlgorithm {
  if (plan.digest !== undefined) return plan.digest;
  const hashedThere = plan.verify === true && plan.destination.environment !== 'local' && isLinear(plan);
  return hashedThere ? 'sha256' : usualAlgorithm();
}

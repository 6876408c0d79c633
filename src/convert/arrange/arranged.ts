/** A machine's disks combined or separated as its plan says: seen through new tables, no byte is copied. */
import type { ImageInfo, OpenImage } from '../../codecs/codec.ts';
import { allocatedBytes } from '../../io/disk.ts';
import type { Finding } from '../../model/finding.ts';
import type { MachineDisk } from '../../model/machine.ts';
import type { Plan } from '../../model/plan.ts';
import { filesOf, findingsOf } from '../open-image.ts';
import { combine } from './combine.ts';
import { type Arrangement, assembled, type Move, refusal, type TableLayout } from './layout.ts';
import { namesByPlace } from './names-by-place.ts';
import { readLayout } from './read-layout.ts';
import { separate } from './separate.ts';

export interface DiskToArrange {
  readonly disk: MachineDisk;
  readonly image: OpenImage;
}

export interface ArrangedDisk extends DiskToArrange {
  readonly bytesTotal: number;
}

export interface Arranged {
  /** Those of the plan's machine, in their order; none where a finding forbids it. */
  readonly disks: readonly ArrangedDisk[];
  readonly moves: readonly Move[];
  readonly findings: readonly Finding[];
}

/** The plan with the machine's disks as the source has them. */
export function atSource(plan: Plan): Plan {
  const { arrange, machine } = plan;
  return arrange === undefined ? plan : { ...plan, machine: { ...machine, disks: arrange.disks } };
}

/**
 * `opened`: the disks of `plan.arrange`, in their order. They stay open, and whoever opened them closes them.
 * @throws AppError what reading the tables meets.
 */
export async function arranged(
  plan: Plan,
  opened: readonly DiskToArrange[],
  signal?: AbortSignal,
): Promise<Arranged> {
  const { layouts, findings } = await layoutsOf(opened, signal);
  if (findings.length > 0) return { disks: [], moves: [], findings };
  const made = arrangementOf(plan, layouts, opened);
  const wanted = plan.machine.disks;
  if (made.disks.length > 0 && made.disks.length !== wanted.length) {
    const message = `the plan has ${wanted.length} disks, and ${made.disks.length} come of them`;
    const remedy = 'make the plan anew';
    return { disks: [], moves: [], findings: [refusal('plan-does-not-fit', message, { remedy })] };
  }
  const images = opened.map(({ image }) => image);
  const disks: ArrangedDisk[] = [];
  for (const [i, one] of made.disks.entries()) {
    const disk = assembled(one, images);
    const image = { ...disk, info: infoOf(images, disk.size, i), close: async () => undefined };
    disks.push({ disk: wanted[i]!, image, bytesTotal: await allocatedBytes(image, signal) });
  }
  const named = plan.guest?.changes === 'needed' ? [] : await namesByPlace(disks, made.moves, signal);
  return { ...made, findings: [...made.findings, ...named], disks };
}

async function layoutsOf(opened: readonly DiskToArrange[], signal: AbortSignal | undefined) {
  const layouts: TableLayout[] = [];
  const findings: Finding[] = [];
  for (const [i, { disk, image }] of opened.entries()) {
    const read = await readLayout(image, i, disk.name, signal);
    if (read.layout !== undefined) layouts.push(read.layout);
    findings.push(...read.findings);
  }
  return { layouts, findings };
}

function arrangementOf(
  { arrange, machine }: Plan,
  layouts: readonly TableLayout[],
  opened: readonly DiskToArrange[],
): Arrangement {
  const names = opened.map(({ disk }) => disk.name);
  if (arrange?.kind === 'separate') return separate(layouts[0]!, arrange.groups, names[0]!);
  return combine(layouts, machine.firmware?.kind ?? 'bios', names);
}

/** What was found is told once, with the first of the new disks. */
function infoOf(images: readonly OpenImage[], size: number, number: number): ImageInfo {
  const [{ info: first }] = images as [OpenImage];
  const { parent: _, ...info } = first;
  return {
    ...info,
    virtualSizeBytes: size,
    files: [...new Set(images.flatMap((image) => filesOf(image.info)))],
    findings: number === 0 ? images.flatMap((image) => findingsOf(image.info)) : [],
    details: { ...info.details, arranged: images.length > 1 ? `of ${images.length} disks` : 'a part of it' },
  };
}

/** As `arranged`; the disks as they are where nothing is to be arranged. */
export async function arrangedFor<T extends ArrangedDisk>(
  plan: Plan,
  opened: readonly T[],
  signal: AbortSignal,
): Promise<Omit<Arranged, 'disks'> & { readonly disks: readonly (T | ArrangedDisk)[] }> {
  return plan.arrange === undefined
    ? { disks: opened, moves: [], findings: [] }
    : arranged(plan, opened, signal);
}

/** The extents that a descriptor names, opened beside it and put one behind the other. */
import type { ByteSource } from '../../io/byte-source.ts';
import { concatenated, type Disk, slice, sourceDisk } from '../../io/disk.ts';
import { wholeExtent } from '../../io/extents.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { OpenContext } from '../codec.ts';
import { openCowd } from './cowd.ts';
import type { Descriptor, ExtentLine } from './descriptor.ts';
import { ExtentPool } from './extent-pool.ts';
import { sectorBytes } from './layout.ts';
import { firstOf } from './named-files.ts';
import { openSeSparse } from './se-sparse.ts';
import { openSparseExtent, readHeader } from './sparse-extent.ts';

export interface OpenExtents {
  readonly disk: Disk;
  readonly files: readonly string[];
  readonly findings: Finding[];
  readonly sparse: boolean;
}

/** A disk split at 2 GiB into as many would have 128 TiB. */
const maximumExtents = 65536;

/** @throws AppError; then every file that was opened is closed again. */
export async function openExtents(
  where: string,
  descriptor: Descriptor,
  context: OpenContext,
): Promise<OpenExtents> {
  const lines = descriptor.extents;
  const total = lines.reduce((sum, line) => sum + line.sectors, 0);
  if (lines.length > maximumExtents || total > 2 ** 43) {
    throw new AppError('corrupt', `VMDK descriptor with ${lines.length} extents of ${total} sectors`, {
      where,
    });
  }
  const pool = new ExtentPool();
  const files = new Set<string>();
  const findings: Finding[] = [];
  try {
    const parts: Disk[] = [];
    for (const line of lines) {
      const open = (signal?: AbortSignal, found: Finding[] = []) =>
        openLine(line, where, context, found, files, signal);
      // Each is opened once now: what is missing or damaged is told before anything is written.
      parts.push(await pool.add(await open(context.signal, findings), open));
    }
    return {
      disk: { ...concatenated(parts), close: () => pool.close() },
      files: [...files],
      findings,
      sparse: lines.some((line) => sparseTypes.has(line.type)),
    };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

const sparseTypes = new Set(['SPARSE', 'VMFSSPARSE', 'SESPARSE']);

async function openLine(
  line: ExtentLine,
  where: string,
  context: OpenContext,
  findings: Finding[],
  files: Set<string>,
  signal: AbortSignal | undefined,
): Promise<Disk> {
  const size = line.sectors * sectorBytes;
  if (line.type === 'ZERO') return zeroDisk(size);
  if (line.access === 'NOACCESS') {
    throw new AppError('unsupported', `VMDK extent "${line.file}" may not be accessed (NOACCESS)`, { where });
  }
  refuseElsewhere(line, where);
  const flat = line.type === 'FLAT' || line.type === 'VMFS';
  if (!flat && !sparseTypes.has(line.type)) {
    throw new AppError('unsupported', `VMDK extent of type ${line.type}`, {
      where,
      hint: 'clone the disk to a flat or sparse one there first, such as with vmkfstools -i',
    });
  }
  const { found: source } = await firstOf(line.file!, where, (place) => context.sibling(place));
  try {
    files.add(source.name);
    const disk = flat
      ? flatExtent(source, line, size)
      : await sparseExtent(source, line, size, findings, signal);
    return { ...disk, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** What ESXi describes as a disk without having a file of its bytes. */
function refuseElsewhere({ type, file = '' }: ExtentLine, where: string): void {
  if (type === 'VMFSRDM' || type === 'VMFSRAW') {
    throw new AppError('unsupported', `the disk is a device of its host (raw device mapping "${file}")`, {
      where,
      hint: 'clone it to a flat disk there first (vmkfstools -i), or convert the device itself',
    });
  }
  const store = /^(vsan|vvol):\/\//i.exec(file)?.[1];
  if (store === undefined) return;
  throw new AppError('unsupported', `the disk is an object of a ${store} datastore, not a file`, {
    where,
    hint: 'move the machine to a VMFS or NFS datastore first, or export it as OVF',
  });
}

function flatExtent(source: ByteSource, line: ExtentLine, size: number): Disk {
  const start = line.offsetSectors * sectorBytes;
  if (start + size > source.size) {
    throw new AppError(
      'corrupt',
      `VMDK extent has ${source.size} bytes, the descriptor says ${start + size}`,
      {
        where: source.name,
        hint: 'the file is cut short or belongs to another disk',
      },
    );
  }
  return slice(sourceDisk(source), start, size);
}

async function sparseExtent(
  source: ByteSource,
  line: ExtentLine,
  size: number,
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<Disk> {
  if (source.access === 'forward') {
    throw new AppError('unsupported', 'a sparse VMDK extent can only be read at random', {
      where: source.name,
    });
  }
  const disk = await sparseDisk(source, line.type, findings, signal);
  if (disk.size < size) {
    throw new AppError(
      'corrupt',
      `VMDK extent has ${disk.size / sectorBytes} sectors, the descriptor says ${line.sectors}`,
      {
        where: source.name,
        hint: 'the file is damaged or belongs to another disk',
      },
    );
  }
  return slice(disk, 0, size);
}

async function sparseDisk(
  source: ByteSource,
  type: string,
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<Disk> {
  if (type === 'VMFSSPARSE') return openCowd(source, findings, signal);
  if (type === 'SESPARSE') return openSeSparse(source, signal);
  const header = await readHeader(source, signal);
  if (header.unclean) {
    findings.push({
      rule: 'vmdk.unclean-shutdown',
      severity: 'warning',
      message: 'the extent was not closed properly by its last user',
      evidence: source.name,
    });
  }
  return header.capacitySectors === 0 ? zeroDisk(0) : openSparseExtent(source, header, findings, signal);
}

function zeroDisk(size: number): Disk {
  return {
    size,
    sectorSize: sectorBytes,
    async read(target) {
      target.fill(0);
    },
    extents: async (from, to) => wholeExtent('zero', from, to),
    close: async () => undefined,
  };
}

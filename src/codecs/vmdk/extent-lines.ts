/** The extents that a descriptor names, opened beside it and put one behind the other. */
import type { ByteSource } from '../../io/byte-source.ts';
import { concatenated, type Disk, slice, sourceDisk } from '../../io/disk.ts';
import { wholeExtent } from '../../io/extents.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { OpenContext } from '../codec.ts';
import type { Descriptor, ExtentLine } from './descriptor.ts';
import { sectorBytes } from './layout.ts';
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
  const sources = new Map<string, ByteSource>();
  const close = async () => {
    await Promise.all([...sources.values()].map((source) => source.close()));
  };
  const findings: Finding[] = [];
  const sibling = async (name: string) => {
    const source = sources.get(name) ?? (await context.sibling(name));
    sources.set(name, source);
    return source;
  };
  try {
    const parts: Disk[] = [];
    for (const line of lines) parts.push(await openLine(line, where, sibling, findings, context.signal));
    const files = [...sources.values()].map((source) => source.name);
    return {
      disk: { ...concatenated(parts), close },
      files,
      findings,
      sparse: lines.some((line) => line.type === 'SPARSE'),
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openLine(
  line: ExtentLine,
  where: string,
  sibling: (name: string) => Promise<ByteSource>,
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<Disk> {
  const size = line.sectors * sectorBytes;
  if (line.type === 'ZERO') return zeroDisk(size);
  if (line.access === 'NOACCESS') {
    throw new AppError('unsupported', `VMDK extent "${line.file}" may not be accessed (NOACCESS)`, { where });
  }
  switch (line.type) {
    case 'FLAT':
    case 'VMFS':
      return flatExtent(await sibling(line.file!), line, size);
    case 'SPARSE':
      return sparseExtent(await sibling(line.file!), line, size, findings, signal);
    default:
      throw new AppError('unsupported', `VMDK extent of type ${line.type}`, {
        where,
        hint: 'clone the disk to a flat or sparse one there first, such as with vmkfstools -i',
      });
  }
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
  const header = await readHeader(source, signal);
  if (header.capacitySectors < line.sectors) {
    throw new AppError(
      'corrupt',
      `VMDK extent has ${header.capacitySectors} sectors, the descriptor says ${line.sectors}`,
      {
        where: source.name,
        hint: 'the file is damaged or belongs to another disk',
      },
    );
  }
  if (header.unclean) {
    findings.push({
      rule: 'vmdk.unclean-shutdown',
      severity: 'warning',
      message: 'the extent was not closed properly by its last user',
      evidence: source.name,
    });
  }
  if (size === 0) return zeroDisk(0);
  return slice(await openSparseExtent(source, header, signal), 0, size);
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

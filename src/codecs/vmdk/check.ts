/** The sparse extents of a VMDK: directories, tables and grains, both copies; flat ones have nothing to check. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes, SpaceMap } from '../structure.ts';
import { checkGrains, compareDirectories, type ExtentCheck } from './check-grains.ts';
import { readCowd } from './cowd.ts';
import { type Descriptor, maximumDescriptorBytes, parseDescriptor } from './descriptor.ts';
import type { TableLayout } from './grain-tables.ts';
import { hostedMagic, parseHeader, type SparseHeader, sectorBytes } from './layout.ts';
import { firstOf } from './named-files.ts';
import { readEmbedded } from './read-descriptor.ts';
import { readSeSparse } from './se-sparse.ts';
import { hostedLayout, readFooter, readHeader } from './sparse-extent.ts';

interface Facts {
  total: number;
  allocated: number;
  compressed: number;
  fragmented: number;
}

export async function checkVmdk(source: ByteSource, context: OpenContext): Promise<CheckReport> {
  const { signal } = context;
  const notes = new CheckNotes('vmdk', source.name);
  const facts: Facts = { total: 0, allocated: 0, compressed: 0, fragmented: 0 };
  const head = await readBytes(source, 0, Math.min(sectorBytes, source.size), signal);
  if (head.subarray(0, 4).toString('latin1') !== hostedMagic) {
    const bytes = await readBytes(source, 0, Math.min(source.size, maximumDescriptorBytes), signal);
    await checkNamed(parseDescriptor(bytes, source.name), source.name, context, notes, facts);
  } else {
    const header = parseHeader(head, source.name);
    if (header.capacitySectors > 0) await checkHosted(source, header, notes, facts, signal);
    else {
      const text = await readEmbedded(source, header, context);
      if (text !== undefined)
        await checkNamed(parseDescriptor(text, source.name), source.name, context, notes, facts);
    }
  }
  return notes.report({
    'total-clusters': facts.total,
    'allocated-clusters': facts.allocated,
    'fragmented-clusters': facts.fragmented,
    'compressed-clusters': facts.compressed,
  });
}

async function checkNamed(
  descriptor: Descriptor,
  own: string,
  context: OpenContext,
  notes: CheckNotes,
  facts: Facts,
): Promise<void> {
  const { signal } = context;
  for (const { type, file } of descriptor.extents) {
    if (file === undefined || !['SPARSE', 'VMFSSPARSE', 'SESPARSE'].includes(type)) continue;
    const { found: source } = await firstOf(file, own, (place) => context.sibling(place));
    try {
      notes.file(source.name);
      await notes.attempt('extent', async () => {
        if (type === 'SPARSE') {
          const header = await readHeader(source, signal);
          if (header.capacitySectors > 0) await checkHosted(source, header, notes, facts, signal);
          return;
        }
        const layout =
          type === 'SESPARSE' ? await readSeSparse(source, signal) : await readCowd(source, [], signal);
        await checkExtent({ source, layout, notes, facts, compressed: false }, undefined, signal);
      });
    } finally {
      await source.close();
    }
  }
}

async function checkHosted(
  source: ByteSource,
  head: SparseHeader,
  notes: CheckNotes,
  facts: Facts,
  signal?: AbortSignal,
): Promise<void> {
  const header = head.gdOffset === undefined ? await readFooter(source, head, signal) : head;
  const { compressed, gdOffset, rgdOffset } = header;
  const layout = hostedLayout(header, gdOffset);
  const second =
    rgdOffset === undefined || rgdOffset === gdOffset ? undefined : hostedLayout(header, rgdOffset);
  await checkExtent({ source, layout, notes, facts, compressed }, second, signal);
}

async function checkExtent(
  of: Omit<ExtentCheck, 'space'>,
  second: TableLayout | undefined,
  signal?: AbortSignal,
): Promise<void> {
  const space = new SpaceMap(of.source, sectorBytes, of.notes);
  space.take('the header', 0, of.layout.firstSector * sectorBytes);
  const check = { ...of, space };
  if (second !== undefined) await compareDirectories(check, second, signal);
  await checkGrains(check, signal);
}

/** The allocation table of each Parallels image of a disk; what lies behind the last cluster is a leak. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes, SpaceMap } from '../structure.ts';
import { openFile } from './bundle.ts';
import { isDescriptor, readDescriptor } from './descriptor.ts';
import { hasMagic, readShape } from './image.ts';
import { headerBytes, sectorBytes } from './layout.ts';

interface Facts {
  total: number;
  allocated: number;
  fragmented: number;
}

export async function checkParallels(source: ByteSource, context: OpenContext): Promise<CheckReport> {
  const { signal } = context;
  const notes = new CheckNotes('parallels', source.name);
  const facts: Facts = { total: 0, allocated: 0, fragmented: 0 };
  if (!(await hasMagic(source, signal)) && (await isDescriptor(source, signal))) {
    const { storages } = await readDescriptor(source, signal);
    for (const { file, plain } of storages.flatMap((storage) => storage.images)) {
      if (!plain) await checkFile(file, context, notes, facts);
    }
  } else {
    await checkImage(source, notes, facts, signal);
  }
  return notes.report({
    'total-clusters': facts.total,
    'allocated-clusters': facts.allocated,
    'fragmented-clusters': facts.fragmented,
  });
}

async function checkFile(name: string, context: OpenContext, notes: CheckNotes, facts: Facts): Promise<void> {
  const source = await openFile(name, context);
  try {
    notes.file(source.name);
    await notes.attempt('image', () => checkImage(source, notes, facts, context.signal));
  } finally {
    await source.close();
  }
}

async function checkImage(
  source: ByteSource,
  notes: CheckNotes,
  facts: Facts,
  signal?: AbortSignal,
): Promise<void> {
  const { entries, clusterBytes, unitBytes, size, extensionOffset } = await readShape(source, signal);
  const table = await readBytes(source, headerBytes, entries * 4, signal);
  const space = new SpaceMap(source, sectorBytes, notes);
  const tableEnd = headerBytes + entries * 4;
  space.take('the table', 0, tableEnd);
  facts.total += entries;
  let end = Math.max(tableEnd, extensionOffset > 0 ? extensionOffset + clusterBytes : 0);
  let any = extensionOffset > 0;
  let next = -1;
  for (let i = 0; i < entries; i++) {
    const place = table.readUInt32LE(i * 4);
    if (place === 0) continue;
    facts.allocated++;
    const at = place * unitBytes;
    if (next >= 0 && at !== next) facts.fragmented++;
    next = at + clusterBytes;
    const needed = Math.min(clusterBytes, size - i * clusterBytes);
    if (!space.take(`cluster ${i}`, at, clusterBytes, needed)) continue;
    any = true;
    end = Math.max(end, next);
  }
  // An image without any cluster may well have room for its first ones.
  const leaks = any ? Math.ceil(Math.max(0, source.size - end) / clusterBytes) : 0;
  notes.leaks(leaks, leaks * clusterBytes);
}

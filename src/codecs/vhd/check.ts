/** A VHD's footer and its copy, and the allocation table: every block inside the file and on nothing else. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes, SpaceMap } from '../structure.ts';
import { coversSize, tableBytesOf } from './block-map.ts';
import { diskSize, type FoundFooter, findFooter } from './footer.ts';
import {
  bitmapBytes,
  checksum,
  type DynamicHeader,
  diskTypes,
  footer,
  footerBytes,
  footerChecksumAt,
  headerBytes,
  parentLocator,
  sectorBytes,
  unusedEntry,
} from './layout.ts';
import { readHeader } from './open.ts';

export async function checkVhd(source: ByteSource, { signal }: OpenContext): Promise<CheckReport> {
  const notes = new CheckNotes('vhd', source.name);
  const found = await findFooter(source, signal);
  // What is wrong with a fixed one is told when it is opened.
  if (found.footer.diskType === diskTypes.fixed) return notes.report();
  compareCopy(await readBytes(source, 0, footerBytes, signal), found, notes);
  const { header, offset } = await readHeader(source, found, signal);
  const size = diskSize(found.footer, (bytes) => coversSize(header, bytes)).bytes;
  const tableBytes = tableBytesOf(source, header, size);
  const space = new SpaceMap({ name: source.name, size: found.dataEnd }, sectorBytes, notes);
  space.take('the copy of the footer', 0, footerBytes);
  space.take('the header', offset, headerBytes);
  space.take('the table', header.tableOffset, tableBytes);
  takeLocators(header, space);
  const table = await readBytes(source, header.tableOffset, tableBytes, signal);
  return notes.report(checkBlocks(table, header.blockSize, size, space));
}

/** Products write both at once. Where they say different things, which disk it is depends on who reads. */
function compareCopy(bytes: Buffer, found: FoundFooter, notes: CheckNotes): void {
  const copy = footer.decode(bytes);
  if (copy.checksum !== checksum(bytes, footerChecksumAt)) {
    return notes.warn('footer-copy', 'the copy of the footer at the front is damaged');
  }
  for (const field of ['currentSize', 'diskType', 'dataOffset', 'cylinders', 'heads'] as const) {
    if (copy[field] === found.footer[field]) continue;
    notes.error(
      'footer-copy',
      `${field} is ${found.footer[field]} in the footer, ${copy[field]} in its copy`,
    );
  }
}

function takeLocators(header: DynamicHeader, space: SpaceMap): void {
  for (let i = 0; i < 8; i++) {
    const { dataOffset, dataLength } = parentLocator.decode(header.parentLocators, i * parentLocator.bytes);
    if (dataLength > 0) space.take(`the name of the parent (${i})`, dataOffset, dataLength);
  }
}

function checkBlocks(
  table: Buffer,
  blockSize: number,
  size: number,
  space: SpaceMap,
): Record<string, number> {
  const bitmap = bitmapBytes(blockSize);
  let allocated = 0;
  let fragmented = 0;
  let next = -1;
  for (let block = 0; block * 4 < table.length; block++) {
    const entry = table.readUInt32BE(block * 4);
    if (entry === unusedEntry) continue;
    allocated++;
    if (next >= 0 && entry !== next) fragmented++;
    next = entry + (bitmap + blockSize) / sectorBytes;
    // Only what the disk needs of its last block has to be there.
    const length = bitmap + Math.min(blockSize, size - block * blockSize);
    space.take(`block ${block}`, entry * sectorBytes, length);
  }
  return {
    'total-clusters': table.length / 4,
    'allocated-clusters': allocated,
    'fragmented-clusters': fragmented,
  };
}

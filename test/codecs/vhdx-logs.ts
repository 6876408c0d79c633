/** Files of ours whose table is only in the log, in the ways a log can be. Read by us and, as the judge, by qemu. */
import { MiB } from '../../src/model/units.ts';
import { changeHeader, type Entry, logLength, metadataOffset, putLog, tableOffset } from './vhdx-images.ts';

export interface LogCase {
  readonly name: string;
  /** Changes the file in place; what it shows afterwards is what it showed before. */
  apply(file: Buffer): void;
}

/** The sector of the file, and wrong bytes in its place. */
function take(file: Buffer, at: number): Buffer {
  const bytes = Buffer.from(file.subarray(at, at + 4096));
  file.fill(0, at, at + 4096);
  return bytes;
}
const wrong = (byte: number) => Buffer.alloc(4096, byte);
const table = (file: Buffer): Entry['writes'] => [{ at: tableOffset, bytes: take(file, tableOffset) }];

export const logCases: readonly LogCase[] = [
  { name: 'one entry', apply: (file) => putLog(file, [{ sequence: 1, writes: table(file) }]) },
  {
    name: 'a high sequence number',
    apply: (file) => putLog(file, [{ sequence: 2 ** 40 + 7, writes: table(file) }]),
  },
  {
    name: 'a later entry wins',
    apply(file) {
      const right = table(file);
      putLog(file, [
        { sequence: 5, writes: [{ at: tableOffset, bytes: wrong(0x11) }] },
        { sequence: 6, writes: [{ at: tableOffset, bytes: wrong(0x22) }] },
        { sequence: 7, writes: right },
      ]);
    },
  },
  {
    name: 'data over zeros, zeros over data',
    apply(file) {
      const right = table(file);
      file.fill(0x33, tableOffset + 4096, tableOffset + 64 * 1024);
      putLog(file, [
        { sequence: 5, writes: [{ at: tableOffset + 8192, bytes: wrong(0x11) }] },
        {
          sequence: 6,
          writes: [
            { at: tableOffset, zeros: 64 * 1024 },
            { at: tableOffset, bytes: wrong(0x22) },
          ],
        },
        { sequence: 7, writes: right },
      ]);
    },
  },
  {
    name: 'over the end of the ring, an entry cut in two',
    apply(file) {
      const metadata = take(file, metadataOffset);
      putLog(file, [
        { at: logLength - 3 * 4096, sequence: 8, writes: [{ at: tableOffset, bytes: wrong(0x11) }] },
        { sequence: 9, writes: [...table(file), { at: metadataOffset, bytes: metadata }] },
      ]);
    },
  },
  {
    name: 'an older sequence before it, a torn entry behind it',
    apply(file) {
      putLog(file, [
        { at: 0, sequence: 3, writes: [{ at: tableOffset, bytes: wrong(0x11) }] },
        { at: 65536, tail: 65536, sequence: 20, writes: table(file) },
        {
          tail: 65536,
          sequence: 21,
          writes: [{ at: tableOffset, bytes: wrong(0x22) }],
          damage: (bytes) => bytes.fill(0, 5000),
        },
      ]);
    },
  },
  {
    name: 'entries under another id',
    apply(file) {
      const right = table(file);
      putLog(file, [
        { sequence: 1, writes: right },
        { sequence: 2, guid: Buffer.alloc(16, 9), writes: [{ at: tableOffset, bytes: wrong(0x11) }] },
      ]);
    },
  },
];

/** As above, but qemu 7.2 replays them otherwise than the spec says, or not at all. */
export const logCasesApart: readonly LogCase[] = [
  // qemu does not ask whether an entry's tail is in its sequence: it takes the last entry of these two alone.
  {
    name: 'an entry after a number that is not there',
    apply(file) {
      putLog(file, [
        { sequence: 5, writes: table(file) },
        { sequence: 7, writes: [{ at: tableOffset, bytes: wrong(0x11) }] },
      ]);
    },
  },
  {
    name: 'over the end of the ring, and a whole entry behind it',
    apply(file) {
      const metadata = take(file, metadataOffset);
      putLog(file, [
        {
          at: logLength - 3 * 4096,
          sequence: 8,
          writes: [{ at: tableOffset, bytes: wrong(0x11) }],
        },
        { sequence: 9, writes: [...table(file), { at: metadataOffset, bytes: metadata }] },
        { sequence: 10, writes: [] },
      ]);
    },
  },
  // qemu reads all sectors of descriptors into the first.
  {
    name: 'more descriptors than one sector holds',
    apply(file) {
      const zeros = Array.from({ length: 150 }, (_, i) => ({ at: tableOffset + i * 4096, zeros: 4096 }));
      file.fill(0x44, tableOffset + 4096, tableOffset + 150 * 4096);
      const right = table(file);
      putLog(file, [{ sequence: 1, writes: [...zeros, ...right] }]);
    },
  },
  {
    name: 'entries before the tail are left out',
    apply(file) {
      putLog(file, [
        { at: 0, sequence: 1, writes: [{ at: tableOffset + MiB, bytes: wrong(0x11) }] },
        { sequence: 2, tail: 8192, writes: table(file) },
      ]);
    },
  },
  {
    name: 'a log that nothing was written to',
    apply: (file) => changeHeader(file, (bytes) => bytes.fill(7, 48, 64)),
  },
];

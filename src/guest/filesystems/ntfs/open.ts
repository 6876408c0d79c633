/**
 * Read-only NTFS 3: records with attribute lists, runs that are sparse or compressed (LZNT1), folders as B-trees,
 * reparse points that are links. What is encrypted or kept elsewhere is refused, and so is what `compact /exe` packs.
 * The log is looked at and not replayed.
 */
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import type { VolumeFiles } from '../files.ts';
import { filesOf, type Reader } from '../reader.ts';
import { childOf, entriesOf } from './folder.ts';
import { type NtfsNode, nodeOf } from './node.ts';
import { types } from './record.ts';
import { factsOf } from './state.ts';
import { type NtfsFile, type NtfsVolume, openVolume, wholeOf } from './volume.ts';

const rootRecord = 5;
const upcaseRecord = 10;
const upcaseBytes = 2 * 65536;

/** @throws AppError `corrupt`. */
export async function openNtfs(looking: Looking): Promise<VolumeFiles> {
  const volume = await openVolume(looking);
  const upcase = await upcaseOf(volume);
  const root = await volume.file(rootRecord);
  const load = async (record: number, sequence: number) =>
    nodeOf(volume, await volume.file(record, sequence));
  const child = async (folder: NtfsFile, name: string) => {
    const found = await childOf(volume, folder, name, upcase);
    return found && load(found.record, found.sequence);
  };
  const reader: Reader<NtfsNode> = {
    root: await nodeOf(volume, root),
    facts: await factsOf(volume, (await child(root, 'hiberfil.sys'))?.file),
    budget: volume.budget,
    key: ({ file }) => file.number,
    stat: (node) => node.stat,
    entries: ({ file }) => entriesOf(volume, file, load),
    child: ({ file }, name) => child(file, name),
    async readInto({ file, refused }, target, offset) {
      if (refused !== undefined) throw new AppError('unsupported', `NTFS file ${file.number} is ${refused}`);
      await volume.stream(file, types.data)?.readInto(target, offset);
    },
    target: async (link) => link.target ?? '',
  };
  return filesOf(reader);
}

/** The capital letter of each character, as this volume sees it. */
async function upcaseOf(volume: NtfsVolume): Promise<Uint16Array> {
  const stream = volume.stream(await volume.file(upcaseRecord), types.data);
  const bytes = stream && (await wholeOf(stream, upcaseBytes));
  if (bytes?.length !== upcaseBytes)
    throw new AppError('corrupt', `NTFS: an upcase table of ${bytes?.length ?? 0} bytes`);
  return Uint16Array.from({ length: 65536 }, (_, i) => bytes.readUInt16LE(i * 2));
}

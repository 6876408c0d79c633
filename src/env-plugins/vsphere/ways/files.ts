/** A datastore's files over HTTPS by ranges, through the server that the session is with. */
import { openDatastoreFile } from '../disk-file.ts';
import { withoutFiles } from '../findings.ts';
import { withAllocated } from './allocated.ts';
import type { MakeWay, WaySubject } from './way.ts';

/** For all ways that read files of a datastore. */
export function whyNoFiles({ disk, file, place, datastoreKind }: WaySubject): string | undefined {
  if (disk.rdm !== undefined) return 'the datastore has no bytes of a raw device mapping';
  if (file === undefined || place === undefined) return 'the disk has no file that stands still';
  if (datastoreKind !== undefined && withoutFiles.has(datastoreKind.toLowerCase()))
    return `its datastore (${datastoreKind}) gives no files of disks`;
  return undefined;
}

export const filesWay: MakeWay = ({ session }) => ({
  id: 'files',
  label: 'files of the datastore over HTTPS',
  whyNot: async (subject) => whyNoFiles(subject),
  async open(subject, signal) {
    const disk = await openDatastoreFile(subject.place!, subject.file!, signal);
    return { ...withAllocated(disk, subject, session), format: 'vmdk' };
  },
});

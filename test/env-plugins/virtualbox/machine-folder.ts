/** Folders of machines as VirtualBox leaves them, for tests. */
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const fixtures = join(import.meta.dirname, 'fixtures');
/** A small disk that a codec would refuse: for what is not to be opened. */
const someBytes = Buffer.alloc(70_000, 'disk');

/** `NAME/NAME.vbox` from a fixture or a text, with these files beside it. Resolves to the path of the .vbox. */
export async function machineFolder(
  root: string,
  name: string,
  from: string,
  files: readonly string[] = [],
): Promise<string> {
  const folder = join(root, name);
  await mkdir(join(folder, 'Snapshots'), { recursive: true });
  const vbox = join(folder, `${name}.vbox`);
  if (from.includes('<')) await writeFile(vbox, from);
  else await copyFile(join(fixtures, from), vbox);
  for (const file of files) await writeFile(join(folder, file), someBytes);
  return vbox;
}

/** The folder of fakes of a test that is first in the PATH then, and where it keeps what it knows. */
export const fakeManage = join(import.meta.dirname, 'fake-vboxmanage');

const uuid = (n: number) => `{d15c0000-0000-4000-8000-${n.toString().padStart(12, '0')}}`;

/** The settings of a machine with one disk, in a `chain` of files; the snapshot has the first. */
export function oneDisk(name: string, chain: readonly string[], snapshot?: string): string {
  const nested = chain.reduceRight(
    (inner, location, i) =>
      `<HardDisk uuid="${uuid(i)}" location="${location}" format="VDI"${i === 0 ? ' type="Normal"' : ''}>${inner}</HardDisk>`,
    '',
  );
  const parts = (n: number) =>
    `<Hardware><CPU count="1"/><Memory RAMSize="256"/></Hardware><StorageControllers>
      <StorageController name="SATA" type="AHCI" PortCount="1"><AttachedDevice type="HardDisk" port="0" device="0">
      <Image uuid="${uuid(n)}"/></AttachedDevice></StorageController></StorageControllers>`;
  const snap =
    snapshot === undefined
      ? ''
      : `<Snapshot uuid="${uuid(77)}" name="${snapshot}" timeStamp="2024-01-01T00:00:00Z">${parts(0)}</Snapshot>`;
  return `<VirtualBox xmlns="http://www.virtualbox.org/" version="1.16-linux">
    <Machine uuid="${uuid(99)}" name="${name}" OSType="Linux26_64"${snapshot === undefined ? '' : ` currentSnapshot="${uuid(77)}"`}>
    <MediaRegistry><HardDisks>${nested}</HardDisks></MediaRegistry>${snap}${parts(chain.length - 1)}</Machine></VirtualBox>`;
}

export const oneDiskUuid = uuid(99).slice(1, -1);

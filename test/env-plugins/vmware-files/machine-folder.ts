/** Folders of machines as the products leave them, for tests. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const fixtures = join(import.meta.dirname, 'fixtures');

export const fixture = (name: string): Promise<string> => readFile(join(fixtures, name), 'utf8');

/** A small disk that a codec would refuse: for what is not to be opened. */
const someBytes = Buffer.alloc(70_000, 'disk');

/** `NAME/NAME.vmx` from a fixture, with these files beside it. Resolves to the path of the .vmx. */
export async function machineFolder(
  root: string,
  name: string,
  from: string,
  files: readonly string[],
): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  await copyFile(join(fixtures, from), join(folder, `${name}.vmx`));
  for (const file of files) await writeFile(join(folder, file), someBytes);
  return join(folder, `${name}.vmx`);
}

export async function workstationMachine(root: string): Promise<string> {
  const name = 'Büro Server';
  const files = ['', '-000001', '-000002'].map((part) => `${name}${part}.vmdk`);
  const vmx = await machineFolder(root, name, 'workstation17.vmx', [...files, 'daten.vmdk', `${name}.nvram`]);
  await copyFile(join(fixtures, 'workstation17.vmsd'), join(root, name, `${name}.vmsd`));
  return vmx;
}

/** What a test's own VMX says, in a folder of its own. */
export async function ownMachine(
  root: string,
  name: string,
  lines: readonly string[] | Buffer,
): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  const vmx = join(folder, `${name}.vmx`);
  await writeFile(vmx, Buffer.isBuffer(lines) ? lines : `${lines.join('\n')}\n`);
  return vmx;
}

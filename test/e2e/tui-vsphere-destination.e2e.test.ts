/** Into a vCenter (vcsim) on the screens: where to, a name that is there, and what has arrived. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openImage } from '../../src/convert/open-image.ts';
import { readBytes } from '../../src/io/byte-source.ts';
import { connected, never } from '../env-plugins/vsphere/connected.ts';
import { fingerprintOf } from '../env-plugins/vsphere/fingerprint.ts';
import { describeWith } from '../oracles/requires.ts';
import { startVcsim, vcsimTools } from '../servers/vcsim.ts';
import { choose, type } from './configure.ts';
import { filesWith, holds, noKeychain, place } from './credentials-place.ts';
import { acceptFingerprint, addProfile, keepInMemory, pickMachine, startRun, toFolder } from './steps.ts';

describeWith([...vcsimTools, 'tmux', 'script'], 'into vSphere in the terminal', () => {
  it('delivers under another name than one that is there, byte for byte', async () => {
    const server = await startVcsim({ machines: 1 });
    const here = await place();
    const disk = Buffer.concat([randomBytes(900_000), Buffer.alloc((4 << 20) - 900_000)]);
    await writeFile(join(here.folder, 'DC0_H0_VM0.raw'), disk);
    const terminal = await here.open(noKeychain, { columns: 200, rows: 50 });
    await keepInMemory(terminal);
    await addProfile(terminal, 'VMware ESXi', 'lab', {
      Host: '127.0.0.1',
      Port: String(server.port),
      User: server.user,
      Password: server.password,
    });
    await toFolder(terminal);
    await pickMachine(terminal, 'DC0_H0_VM0');
    await choose(terminal, 'Destination', 'lab');
    await acceptFingerprint(terminal, await fingerprintOf(server.port));
    await terminal.until(/Datastore +/);
    await terminal.until('BLOCKER');
    await terminal.until('already');
    await type(terminal, 'Name', 'moved');
    expect(await startRun(terminal)).toContain('into lab');
    await terminal.until('DONE');
    const { source } = await connected(server);
    const made = await source!.inspect('moved', never);
    const image = await openImage(await source!.open(made, made.disks[0]!.id, never), {
      signal: never,
      follow: false,
    });
    expect((await readBytes(image, 0, image.size)).equals(disk)).toBe(true);
    await image.close();
    await terminal.send('q');
    await terminal.until('ended with 0');
    expect(holds(await here.printed(), [server.password])).toBe(false);
    expect(await filesWith(here.home, [server.password])).toEqual([]);
  });
});

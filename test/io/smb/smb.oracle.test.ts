/** Files on a real Samba: read at random and written, with a link that is cut, and a login that is wrong. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { readBytes } from '../../../src/io/byte-source.ts';
import { smbFiles } from '../../../src/io/smb/smb-files.ts';
import { SmbLink } from '../../../src/io/smb/smb-link.ts';
import { MiB } from '../../../src/model/units.ts';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { badLink } from '../../servers/bad-link.ts';
import { type Samba, sambaTools, startSamba } from '../../servers/samba.ts';

describeWith(sambaTools, 'SMB', () => {
  let samba: Samba;
  const bytes = randomBytes(3 * MiB + 1234, 1);

  beforeAll(async () => {
    samba = await startSamba(['C$', 'vms'], ['server signing = mandatory', 'server smb encrypt = required']);
    await writeFile(join(samba.folder('C$'), 'disk.img'), bytes);
  });
  afterAll(() => samba?.stop());

  const link = (more: { port?: number; password?: string; limitMs?: number; persistence?: object } = {}) => {
    const { password = samba.password, ...rest } = more;
    const made = new SmbLink({
      user: samba.user,
      port: samba.port,
      password: async () => password,
      ...rest,
    });
    onTestFinished(() => made.close());
    return made;
  };

  it('reads at random, also where the server wants it encrypted', async () => {
    const files = smbFiles(link());
    const source = await files.open('//127.0.0.1/C$/disk.img');
    expect(source).toMatchObject({ size: bytes.length, access: 'random' });
    for (const [offset, length] of [
      [0, 1],
      [MiB - 7, 513],
      [5, 2 * MiB + 11],
      [bytes.length - 3, 3],
    ] as const)
      expect((await readBytes(source, offset, length)).equals(bytes.subarray(offset, offset + length))).toBe(
        true,
      );
    const all = await Promise.all([0, MiB, 2 * MiB].map((at) => readBytes(source, at, MiB)));
    expect(Buffer.concat(all).equals(bytes.subarray(0, 3 * MiB))).toBe(true);
    await expect(source.read(Buffer.alloc(2), bytes.length - 1)).rejects.toMatchObject({ kind: 'corrupt' });
    await source.close();
  });

  it('writes, lists, renames and removes', async () => {
    const files = smbFiles(link());
    const folder = '//127.0.0.1/vms/ä b/c';
    await files.makeFolder(folder);
    await files.makeFolder(folder);
    const sink = await files.create(`${folder}/neu #1.img`);
    await sink.write(bytes.subarray(0, MiB + 5), 0);
    await sink.write(bytes.subarray(0, 10), 4 * MiB);
    await sink.write(bytes.subarray(100, 110), 3 * MiB);
    await sink.finish(6 * MiB, 1_600_000_000);
    await expect(files.create(`${folder}/neu #1.img`)).rejects.toMatchObject({ kind: 'conflict' });
    const expected = Buffer.alloc(6 * MiB);
    bytes.copy(expected, 0, 0, MiB + 5);
    bytes.copy(expected, 4 * MiB, 0, 10);
    bytes.copy(expected, 3 * MiB, 100, 110);
    const there = join(samba.folder('vms'), 'ä b/c');
    expect((await readFile(join(there, 'neu #1.img'))).equals(expected)).toBe(true);
    await files.rename(`${folder}/neu #1.img`, `${folder}/alt.img`);
    expect(await files.list(folder)).toEqual([
      { path: `${folder}/alt.img`, kind: 'file', size: 6 * MiB, modifiedAt: 1_600_000_000 },
    ]);
    expect(await files.stat(`${folder}/none`)).toBeUndefined();
    await files.remove(`${folder}/alt.img`);
    await files.remove(`${folder}/alt.img`);
    await files.remove(folder);
    expect(await readdir(join(samba.folder('vms'), 'ä b'))).toEqual([]);
  });

  it('what crosses is encrypted where the server only offers that, and plain where it can not', async () => {
    for (const [setting, isPlain] of [
      ['default', false],
      ['off', true],
    ] as const) {
      const other = await startSamba(['vms'], [`server smb encrypt = ${setting}`]);
      onTestFinished(() => other.stop());
      const marker = 'this is what a guest has written';
      await writeFile(join(other.folder('vms'), 'disk.img'), marker.repeat(100));
      let crossed = '';
      const listener = createServer((socket) => {
        const there = connect(other.port, '127.0.0.1');
        there.on('data', (chunk) => {
          crossed += chunk.toString('latin1');
        });
        for (const one of [socket, there]) one.on('error', () => undefined);
        socket.pipe(there).pipe(socket);
      }).listen(0, '127.0.0.1');
      await once(listener, 'listening');
      onTestFinished(() => void listener.close());
      const { port } = listener.address() as AddressInfo;
      const source = await smbFiles(link({ port })).open('//127.0.0.1/vms/disk.img');
      expect((await readBytes(source, 0, marker.length)).toString()).toBe(marker);
      expect(crossed.includes(marker)).toBe(isPlain);
    }
  });

  it('a wrong password, a share and a port that are not there', async () => {
    const password = `wrong-${randomUUID()}`;
    const wrong = smbFiles(link({ password }));
    const refused = await wrong.open('//127.0.0.1/C$/disk.img').catch((error) => error);
    expect(refused).toMatchObject({ kind: 'auth', hint: expect.stringMatching(/DOMAIN/) });
    expect(JSON.stringify([refused.message, refused.where, refused.hint])).not.toContain(password);
    await expect(smbFiles(link()).open('//127.0.0.1/Q$/x')).rejects.toMatchObject({ kind: 'not-found' });
    const gone = await badLink(samba.port);
    await gone.close();
    await expect(smbFiles(link({ port: gone.port })).open('//127.0.0.1/C$/x')).rejects.toMatchObject({
      kind: 'unreachable',
    });
  });

  it('the password is in no argument and no environment', async () => {
    const files = smbFiles(link());
    await files.stat('//127.0.0.1/C$/disk.img');
    const children = readdirSync('/proc').filter((id) => {
      try {
        return /^\d+$/.test(id) && readFileSync(`/proc/${id}/stat`, 'utf8').includes(` ${process.pid} `);
      } catch {
        return false;
      }
    });
    expect(children.length).toBeGreaterThan(0);
    for (const id of children)
      for (const what of ['cmdline', 'environ'])
        expect(readFileSync(`/proc/${id}/${what}`, 'utf8')).not.toContain(samba.password);
  });

  it('a link that is cut is made anew, and the reading goes on', async () => {
    const proxy = await badLink(samba.port);
    onTestFinished(() => proxy.close());
    const files = smbFiles(link({ port: proxy.port }));
    const source = await files.open('//127.0.0.1/C$/disk.img');
    await readBytes(source, 0, 1000);
    proxy.cut();
    const parts = await Promise.all([readBytes(source, 5, MiB), readBytes(source, 2 * MiB, 100)]);
    expect(parts[0].equals(bytes.subarray(5, 5 + MiB))).toBe(true);
    expect(parts[1].equals(bytes.subarray(2 * MiB, 2 * MiB + 100))).toBe(true);
  });

  it('reading and writing go on through cuts, resets and flipped bytes', async () => {
    const proxy = await badLink(samba.port);
    onTestFinished(() => proxy.close());
    const files = smbFiles(link({ port: proxy.port }));
    const source = await files.open('//127.0.0.1/C$/disk.img');
    for (const fault of ['cut', 'reset', 'flip', 'end'] as const) proxy.after(0.7 * MiB, fault);
    for (let i = 0; i < 2; i++) expect((await readBytes(source, 0, bytes.length)).equals(bytes)).toBe(true);
    const sink = await files.create('//127.0.0.1/vms/through.img');
    for (const fault of ['cut', 'reset', 'flip', 'end'] as const)
      proxy.after(0.7 * MiB, fault, { way: 'sent' });
    for (let at = 0; at < bytes.length; at += MiB) await sink.write(bytes.subarray(at, at + MiB), at);
    await sink.finish(bytes.length);
    expect((await readFile(join(samba.folder('vms'), 'through.img'))).equals(bytes)).toBe(true);
    expect(proxy.faults).toBeGreaterThanOrEqual(4);
  });

  it('a server that says nothing any more is given up, and a cancel is at once', async () => {
    const proxy = await badLink(samba.port);
    onTestFinished(() => proxy.close());
    const once = { pausesMs: [1] };
    const files = smbFiles(link({ port: proxy.port, limitMs: 700, persistence: once }));
    const source = await files.open('//127.0.0.1/C$/disk.img');
    const patient = smbFiles(link({ port: proxy.port }));
    const sink = await patient.create('//127.0.0.1/vms/half.img');
    proxy.freeze();
    const control = new AbortController();
    const cancelled = source.read(Buffer.alloc(1000), 0, control.signal);
    const written = sink.write(bytes.subarray(0, 100), 0, control.signal);
    control.abort();
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(written).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(source.read(Buffer.alloc(1000), 0)).rejects.toMatchObject({ kind: 'unreachable' });
    await source.close();
    // It would wait for a minute: the connection is given up.
    await sink.abort();
  });
});

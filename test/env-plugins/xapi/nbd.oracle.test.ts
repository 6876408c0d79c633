/** Disks over NBD with TLS, as VDI.get_nbd_info offers them; the server is nbdkit. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { selfSigned } from '../../io/https/self-signed.ts';
import { describeWith } from '../../oracles/requires.ts';
import { nbdkit } from '../../servers/nbd-servers.ts';
import { tcpPipe } from '../../servers/tcp-pipe.ts';
import { tempFolder } from '../../temp.ts';
import { connected, listed, MiB, never, poolWithMachine } from './pool.ts';

async function offered(...flags: string[]) {
  const { server, made } = await poolWithMachine();
  made.content.fill(0, 2 * MiB, 4 * MiB);
  const folder = await tempFolder();
  const pair = selfSigned('xs1');
  await writeFile(join(folder, 'ca-cert.pem'), pair.cert);
  await writeFile(join(folder, 'server-cert.pem'), pair.cert);
  await writeFile(join(folder, 'server-key.pem'), pair.key);
  await writeFile(join(folder, 'disk'), made.content);
  const path = await nbdkit(
    '-r',
    '--tls=require',
    `--tls-certificates=${folder}`,
    ...flags,
    'file',
    join(folder, 'disk'),
  );
  const port = String(await tcpPipe({ path }));
  const info = {
    address: '127.0.0.1',
    port,
    exportname: '/0?session_id=OpaqueRef:secret',
    subject: 'xs1',
    cert: pair.cert,
  };
  return { server, made, info };
}

describeWith(['nbdkit'], 'a disk over NBD', () => {
  it.each([
    ['that tells what is allocated', []],
    ['whose holes are told by a VHD', ['--no-sr']],
  ])('of a server %s is read at random', async (_, flags) => {
    const { server, made, info } = await offered(...flags);
    // The first server of the list is not there.
    server.answers.set('VDI.get_nbd_info', () => [{ ...info, port: '1' }, info]);
    const session = await connected(server);
    const [machine] = await listed(session);
    const { source, findings } = await session.source!.open(machine!, 'device-0', never);
    expect(source.access).toBe('random');
    expect(findings![0]!.message).toBe('read by way of: NBD');
    expect(JSON.stringify([source.name, findings])).not.toContain('secret');
    for (const [from, length] of [
      [6 * MiB, 3000],
      [1, 4 * MiB + 7],
    ] as const) {
      const bytes = Buffer.alloc(length);
      await source.read(bytes, from);
      expect(bytes.equals(made.content.subarray(from, from + length))).toBe(true);
    }
    const found = await source.extents!(0, source.size);
    if (flags.length > 0) expect(found[1]).toEqual({ kind: 'zero', offset: 2 * MiB, length: 2 * MiB });
    await source.close();
  });

  it('of a server with another certificate is not read, and the session is not told', async () => {
    const { server, info } = await offered();
    server.answers.set('VDI.get_nbd_info', () => [{ ...info, cert: selfSigned('somebody').cert }]);
    const session = await connected(server, {}, { way: 'nbd' });
    const [machine] = await listed(session);
    const failed = await session.source!.open(machine!, 'device-0', never).catch((error) => error);
    expect(failed).toMatchObject({ kind: 'auth' });
    expect(`${failed.message} ${failed.where} ${failed.hint}`).not.toContain('secret');
  });
});

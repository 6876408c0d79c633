import { describe, expect, it, vi } from 'vitest';
import { selfSigned } from '../https/self-signed.ts';
import { startHttps } from '../https/server.ts';
import { echo, reach, serverOf } from './reach.ts';

const ways = [
  { tls: true, way: 'basic' },
  { tls: true, way: 'ntlm' },
  { tls: false, way: 'ntlm' },
] as const;

describe.each(ways)('a command by WinRM (TLS $tls, $way)', ({ tls, way }) => {
  it('gets its input and gives its outputs and its exit code; nothing is left there', async () => {
    const server = await serverOf({ tls });
    const winrm = await reach(server, { way });
    const ended = await winrm.run(echo);
    expect(ended).toEqual({
      code: 7,
      stdout: Buffer.from('program.exe -x y|in\n'),
      stderr: Buffer.from('Wörds'),
    });
    expect(server.asked).toEqual([
      ...['Create', 'Command', 'Send', 'Receive', 'Receive', 'Receive', 'Signal', 'Delete'],
    ]);
    expect(server.shells.size).toBe(0);
    expect(tls ? server.seen.sealed : server.seen.plain).toBe(0);
  });

  it('is refused with a wrong password, and the password is in no word of it', async () => {
    const server = await serverOf({ tls });
    for (const wrong of [{ password: 'wrong-one' }, { user: 'nobody' }]) {
      const failed = reach(server, { way, ...wrong }).then((winrm) => winrm.run(echo));
      const error = await failed.catch((thrown) => thrown);
      expect(error).toMatchObject({ kind: 'auth', message: expect.stringContaining('login is refused') });
      expect(JSON.stringify([error, error.message, error.stack])).not.toContain('wrong-one');
    }
  });

  it('is stopped by a cancel, there as well', async () => {
    const server = await serverOf({ tls, run: () => new Promise(() => undefined) });
    const winrm = await reach(server, { way });
    const stop = new AbortController();
    const running = winrm.run({ ...echo, signal: stop.signal });
    await vi.waitFor(() => expect(server.asked).toContain('Receive'));
    stop.abort();
    await expect(running).rejects.toMatchObject({ kind: 'cancelled' });
    await vi.waitFor(() => expect(server.shells.size).toBe(0));
  });
});

describe.each([ways[0], ways[2]])('a command by WinRM (TLS $tls)', ({ tls, way }) => {
  it('may be long: input in parts, output in many answers, and long silence', async () => {
    const server = await serverOf({
      tls,
      run: async (_line, input) => ({ code: 0, stdout: input, stderr: '' }),
    });
    server.nothingYet = 1;
    const winrm = await reach(server, { way });
    const input = 'ä0123456789'.repeat(6500);
    const { stdout } = await winrm.run({ ...echo, input });
    expect(stdout.toString()).toBe(input);
    expect(server.asked.filter((action) => action === 'Send').length).toBe(2);
    const next = await winrm.run({ ...echo, input: '' });
    expect(next.stdout.length).toBe(0);
    // One may look at the certificate; one is kept for all.
    expect(server.connections.made).toBeLessThanOrEqual(tls ? 2 : 1);
  });

  it('fails when the connection is cut, at every step, and leaves no shell', async () => {
    for (const at of tls ? ['Receive'] : ['Create', 'Command', 'Send', 'Receive', 'Signal']) {
      const server = await serverOf({ tls });
      let isCut = false;
      server.onReply = (reply, action) => {
        if (action !== at || isCut) return reply;
        isCut = true;
        return false;
      };
      const winrm = await reach(server, { way });
      const failed = winrm.run(echo);
      // The first request of a connection that was kept is made again: it may have been given up long ago. And what is
      // done is done.
      if (at === 'Create' || at === 'Signal') await expect(failed).resolves.toMatchObject({ code: 7 });
      else {
        await expect(failed).rejects.toMatchObject({
          kind: 'unreachable',
          message: expect.stringContaining('cut'),
        });
      }
      // The shell whose name was never heard ends by itself.
      await vi.waitFor(() => expect(server.shells.size).toBe(at === 'Create' ? 1 : 0));
      await winrm.close();
      await vi.waitFor(() => expect(server.connections.open.size).toBe(0));
    }
  });
});

describe('commands by WinRM', () => {
  it('run beside each other, some at once, and others after them', async () => {
    let now = 0;
    let most = 0;
    const server = await serverOf({
      tls: false,
      run: async (_line, input) => {
        most = Math.max(most, ++now);
        await vi.waitFor(() => expect(most).toBe(4));
        now--;
        return { code: 0, stdout: input, stderr: '' };
      },
    });
    const winrm = await reach(server);
    const inputs = Array.from({ length: 9 }, (_, index) => `${index}`);
    const all = await Promise.all(inputs.map((input) => winrm.run({ ...echo, input })));
    expect(all.map(({ stdout }) => stdout.toString())).toEqual(inputs);
    expect(most).toBe(4);
    expect(server.connections.made).toBe(4);
    expect(server.shells.size).toBe(0);
  });
});

describe('logging in by WinRM', () => {
  it('by Basic needs TLS', async () => {
    const server = await serverOf({ tls: false, offers: ['Basic realm="WSMAN"'] });
    await expect(reach(server, { way: 'basic' })).rejects.toMatchObject({ kind: 'usage' });
    expect(server.connections.made).toBe(0);
  });

  it('is refused by name where the host offers nothing that is spoken here', async () => {
    const server = await serverOf({ tls: true, offers: ['Kerberos', 'CredSSP'] });
    for (const way of ['ntlm', 'basic'] as const)
      await expect(reach(server, { way }).then((winrm) => winrm.run(echo))).rejects.toMatchObject({
        kind: 'unsupported',
        message: expect.stringContaining('Kerberos, CredSSP'),
      });
  });

  it('takes the names of accounts as Windows writes them', async () => {
    const server = await serverOf({ tls: false });
    for (const user of ['HV01\\Administrator', '.\\Administrator', 'Administrator'])
      await expect(reach(server, { user }).then((winrm) => winrm.run(echo))).resolves.toMatchObject({
        code: 7,
      });
    await expect(reach(server, { user: 'OTHER\\Administrator' })).rejects.toMatchObject({ kind: 'auth' });
  });

  it('is not done with a server that wants a weaker session', async () => {
    // Without 128 bits, and without sealing.
    for (const ntlmFlags of [0xc28a8235, 0xe28a8215])
      await expect(reach(await serverOf({ tls: false, ntlmFlags }))).rejects.toMatchObject({
        kind: 'unsupported',
      });
  });

  it('goes only to the certificate that is known or accepted, which is asked once', async () => {
    const server = await serverOf({ tls: true });
    const other = selfSigned('other').cert;
    expect(other).not.toBe(server.certificate);
    const fingerprint = server.fingerprint.replace(/^../, 'FF').replace(/..$/, 'FF');
    await expect(reach(server, { fingerprint })).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringContaining('certificate'),
    });
    await expect(reach(server, { fingerprint: undefined })).rejects.toMatchObject({ kind: 'auth' });
    expect(server.asked).toEqual([]);
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    const winrm = await reach(server, { fingerprint: undefined, confirm });
    await winrm.run(echo);
    expect(questions).toEqual([expect.stringContaining(server.fingerprint)]);
  });

  it('says so where no WinRM is', async () => {
    const web = await startHttps((_request, response) => response.writeHead(404).end());
    const at = { port: web.port, fingerprint: web.fingerprint };
    const server = await serverOf({ tls: true });
    await expect(reach(server, at)).rejects.toMatchObject({ kind: 'unsupported' });
    // TLS spoken to a port without it, and the other way round.
    await expect(reach(server, { tls: false })).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(reach(await serverOf({ tls: false }), { tls: true })).rejects.toMatchObject({
      kind: 'unreachable',
    });
  });
});

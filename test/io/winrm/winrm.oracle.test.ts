/**
 * The fake server, checked from the other side by a client that is not ours: pywinrm with its NTLM, of Debian. What it
 * logs in with, seals, and asks of shells, the fake has to answer as a Windows does; so what our client is tested against
 * is not our own idea of it alone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { opensslLegacy, python, pythonWith } from '../../oracles/python.ts';
import { describeWith } from '../../oracles/requires.ts';
import type { FakeWinRm } from '../../servers/winrm.ts';
import { tempFolder } from '../../temp.ts';
import { password, serverOf } from './reach.ts';

const script = `
import json, sys
from winrm.protocol import Protocol
given = json.loads(sys.stdin.read())
p = Protocol(server_cert_validation='ignore', read_timeout_sec=10, operation_timeout_sec=5, **given['how'])
try:
    shell = p.open_shell(codepage=65001)
    command = p.run_command(shell, 'program.exe', ['-x', 'y'])
    out, err, code = p.get_command_output(shell, command)
    p.cleanup_command(shell, command)
    p.close_shell(shell)
    print(json.dumps({'out': out.decode(), 'err': err.decode(), 'code': code}))
except Exception as e:
    print(json.dumps({'failed': type(e).__name__}))
`;

async function pywinrm(server: FakeWinRm, how: Record<string, unknown>): Promise<unknown> {
  const scheme = server.fingerprint === '' ? 'http' : 'https';
  const endpoint = `${scheme}://127.0.0.1:${server.port}/wsman`;
  const child = spawn(python, ['-W', 'ignore', '-c', script], {
    env: {
      PATH: process.env.PATH,
      OPENSSL_CONF: await opensslLegacy(),
      HOME: await tempFolder(),
      NO_PROXY: '*',
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let said = '';
  let wrong = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (wrong += chunk));
  child.stdin.end(JSON.stringify({ how: { endpoint, username: 'Administrator', password, ...how } }));
  await once(child, 'close');
  expect(wrong).toBe('');
  return JSON.parse(said);
}

describeWith([pythonWith('winrm', 'python3-winrm')], 'pywinrm at the fake WinRM server', () => {
  const done = { out: 'program.exe -x y|', err: 'Wörds', code: 7 };

  it('runs a command by Basic and by NTLM over TLS, with channel bindings', async () => {
    // Its Basic is Latin-1, that of RFC 7617 is UTF-8: a password that is the same in both.
    const users = new Map([
      ['Administrator', password],
      ['plain', 'as"cii'],
    ]);
    const server = await serverOf({ tls: true, users });
    const plain = { transport: 'basic', username: 'plain', password: 'as"cii' };
    expect(await pywinrm(server, plain)).toEqual(done);
    expect(await pywinrm(server, { transport: 'ntlm' })).toEqual(done);
    expect(server.seen.sealed).toBe(0);
    expect(await pywinrm(server, { transport: 'ntlm', message_encryption: 'always' })).toEqual(done);
    expect(server.seen.sealed).toBeGreaterThan(5);
    expect(server.shells.size).toBe(0);
  }, 30_000);

  it('runs one over plain HTTP with sealed messages; nothing else does', async () => {
    const server = await serverOf({ tls: false });
    server.nothingYet = 2;
    const ntlm = { transport: 'ntlm', message_encryption: 'always' };
    expect(await pywinrm(server, ntlm)).toEqual(done);
    expect(server.seen.plain).toBe(0);
    expect(await pywinrm(server, { transport: 'basic' })).toEqual({ failed: 'InvalidCredentialsError' });
    expect(await pywinrm(server, { ...ntlm, message_encryption: 'never' })).toHaveProperty('failed');
  }, 30_000);

  it('is refused with a wrong password, and where its login is not bound to the certificate', async () => {
    const server = await serverOf({ tls: true });
    const refused = { failed: 'InvalidCredentialsError' };
    expect(await pywinrm(server, { transport: 'ntlm', password: 'other' })).toEqual(refused);
    expect(await pywinrm(server, { transport: 'ntlm', send_cbt: false })).toEqual(refused);
    expect(server.asked).toEqual([]);
  }, 30_000);
});

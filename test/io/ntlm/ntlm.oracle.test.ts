/** Our login, judged by an NTLM server that is not ours: gss-ntlmssp, through Python's gssapi, of Debian. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { accountOf, ntlmLogin } from '../../../src/io/ntlm/login.ts';
import { opensslLegacy, python, pythonWith } from '../../oracles/python.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const script = `
import sys, gssapi
from base64 import b64decode as d, b64encode as e
from gssapi.raw import ChannelBindings
mech = gssapi.OID.from_int_seq('1.3.6.1.4.1.311.2.2.10')
binding = d(sys.argv[1])
say = lambda b: print(e(b or b'').decode(), flush=True)
server = gssapi.SecurityContext(usage='accept', creds=gssapi.Credentials(usage='accept', mechs=[mech]),
    channel_bindings=ChannelBindings(application_data=binding) if binding else None)
try:
    say(server.step(d(input())))
    server.step(d(input()))
    say(str(server.initiator_name).encode())
    while True:
        message = server.unwrap(d(input()))
        if not message.encrypted: raise Exception('not sealed')
        say(message.message)
        say(server.wrap(message.message[::-1], True).message)
except EOFError:
    pass
except Exception as x:
    say(b'refused')
`;

interface Foreign {
  /** A message to it, and its answer; without one, what it says next. */
  ask(message?: Uint8Array): Promise<Buffer>;
}

interface Answering {
  readonly ours?: Buffer;
  readonly theirs?: Buffer;
  change?(message: Buffer): Buffer;
}

async function foreignServer(binding: Uint8Array = Buffer.alloc(0)): Promise<Foreign> {
  const folder = await tempFolder();
  const users = join(folder, 'users');
  await writeFile(users, 'CORP:jö:Pässword 1\nCORP:other:x\n');
  const child = spawn(python, ['-W', 'ignore', '-c', script, Buffer.from(binding).toString('base64')], {
    env: {
      PATH: process.env.PATH,
      NTLM_USER_FILE: users,
      OPENSSL_CONF: await opensslLegacy(),
      PYTHONUTF8: '1',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async ask(message) {
      if (message !== undefined) child.stdin.write(`${Buffer.from(message).toString('base64')}\n`);
      return Buffer.from((await lines.next()).value ?? '', 'base64');
    },
  };
}

const hasMechanism = existsSync('/etc/gss/mech.d/mech.ntlmssp.conf') ? python : 'gss-ntlmssp';

describeWith([pythonWith('gssapi', 'python3-gssapi'), hasMechanism], 'NTLM, judged by gss-ntlmssp', () => {
  const login = (user: string, channelBinding?: Uint8Array) =>
    ntlmLogin({ account: accountOf(user), targetName: 'HTTP/hv01', channelBinding });

  it.each([false, true])('takes our login and all that is sealed (channel bindings: %s)', async (isBound) => {
    const binding = isBound ? Buffer.from('tls-server-end-point:0123456789abcdef') : undefined;
    const server = await foreignServer(binding);
    const { negotiate, answer } = login('CORP\\jö', binding);
    const { authenticate, sealing } = answer(await server.ask(negotiate), 'Pässword 1');
    expect((await server.ask(authenticate)).toString()).toContain('jö');
    for (const text of ['one', 'zwei', 'x'.repeat(100_000)]) {
      const { signature, message } = sealing.seal(Buffer.from(text));
      expect((await server.ask(Buffer.concat([signature, message]))).toString()).toBe(text);
      const sealed = await server.ask();
      const back = sealing.unseal({ signature: sealed.subarray(0, 16), message: sealed.subarray(16) });
      expect(back.toString()).toBe([...text].reverse().join(''));
    }
  });

  it('refuses a wrong password, a login that is bound to another connection, and a message changed', async () => {
    const answerTo = async (user: string, password: string, more: Answering = {}) => {
      const server = await foreignServer(more.theirs);
      const { negotiate, answer } = login(user, more.ours);
      const { authenticate } = answer(await server.ask(negotiate), password);
      return (await server.ask(more.change?.(authenticate) ?? authenticate)).toString();
    };
    const [user, password] = ['CORP\\jö', 'Pässword 1'] as const;
    const change = (message: Buffer) => {
      message[67]! ^= 1; // in the version, which the MIC alone covers
      return message;
    };
    expect(await answerTo(user, 'Password')).toBe('refused');
    expect(await answerTo(user, password, { ours: Buffer.from('a'), theirs: Buffer.from('b') })).toBe(
      'refused',
    );
    expect(await answerTo(user, password, { change })).toBe('refused');
    expect(await answerTo('CORP\\other', 'x')).toContain('other');
  });
});

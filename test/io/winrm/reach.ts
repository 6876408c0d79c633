/** Clients of a fake WinRM server. */
import { onTestFinished } from 'vitest';
import { forgottenCertificates } from '../../../src/io/https/known-certificates.ts';
import { openWinRm, type WinRm, type WinRmOptions } from '../../../src/io/winrm/client.ts';
import type { LoginWay } from '../../../src/io/winrm/conversation.ts';
import { type FakeWinRm, startWinRm, type WinRmServerOptions } from '../../servers/winrm.ts';

export const password = 'sécret "1"';

/** Commands that run say what they were given. */
export const serverOf = (options: Partial<WinRmServerOptions> & { tls: boolean }): Promise<FakeWinRm> =>
  startWinRm({
    users: new Map([['Administrator', password]]),
    run: async (line, input) => ({ code: 7, stdout: `${line}|${input}`, stderr: 'Wörds' }),
    ...options,
  });

export interface Reach extends Partial<Omit<WinRmOptions, 'login'>> {
  readonly way?: LoginWay;
  readonly user?: string;
  readonly password?: string;
}

export async function reach(server: FakeWinRm, options: Reach = {}): Promise<WinRm> {
  const { way = 'ntlm', user = 'Administrator', password: given = password, ...more } = options;
  const tls = server.fingerprint !== '';
  const winrm = await openWinRm({
    ...{ host: '127.0.0.1', port: server.port, tls, timeoutMs: 5000 },
    ...(tls ? { fingerprint: server.fingerprint } : {}),
    login: { way, user, password: async () => given },
    known: forgottenCertificates(),
    confirm: async () => false,
    ...more,
  });
  onTestFinished(() => winrm.close());
  return winrm;
}

export const echo = { args: ['program.exe', '-x', 'y'], input: 'in\n', maximumBytes: 1_000_000 };

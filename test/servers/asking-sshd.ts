/**
 * An SSH server that lets in by its own questions alone (keyboard-interactive): a password, then a code. Behind the
 * door is this computer: commands and sftp-server run as whoever runs the test.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import ssh2, { type ServerChannel } from 'ssh2';
import { onTestFinished } from 'vitest';

export const sftpServer = '/usr/lib/openssh/sftp-server';

export interface AskingSshd {
  readonly port: number;
  /** Answers that were given to the second question, in their order. */
  readonly codes: string[];
}

export async function startAskingSshd(password: string, code: string): Promise<AskingSshd> {
  // Not by ssh2: some of the keys that it makes it can't read.
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const codes: string[] = [];
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
      context.prompt([{ prompt: 'Password: ', echo: false }], ([given]) => {
        if (given !== password) return context.reject();
        context.prompt([{ prompt: 'Verification code: ', echo: false }], ([second]) => {
          codes.push(second ?? '');
          if (second === code) context.accept();
          else context.reject();
        });
      });
    });
    client.on('session', (accept) => {
      const session = accept();
      session.on('exec', (ok, _, { command }) => join(ok(), spawn('/bin/sh', ['-c', command])));
      session.on('subsystem', (ok, no, { name }) =>
        name === 'sftp' ? join(ok(), spawn(sftpServer)) : no?.(),
      );
    });
    onTestFinished(() => void client.end());
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { port: (server.address() as { port: number }).port, codes };
}

function join(channel: ServerChannel, child: ChildProcessWithoutNullStreams): void {
  channel.pipe(child.stdin);
  child.stdin.on('error', () => undefined); // it has ended
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  channel.on('close', () => child.kill());
  child.on('close', (status) => {
    channel.exit(status ?? 1);
    channel.end();
  });
}

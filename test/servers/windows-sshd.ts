/** SSH as a Windows host has it, made of ssh2: its shell is cmd.exe, and runs one command line only. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type ServerChannel, type SFTPWrapper } from 'ssh2';
import { onTestFinished } from 'vitest';
import { connectSsh } from '../../src/io/ssh/connect.ts';
import type { SshConnection } from '../../src/io/ssh/connection.ts';
import { tempFolder } from '../temp.ts';

export interface WindowsOptions {
  /** A script by its name, with what it was given. Resolves to the whole answer. */
  run(name: string, values: Record<string, unknown>): Promise<unknown>;
  sftp(sftp: SFTPWrapper): void;
}

export interface FakeWindows {
  readonly port: number;
  /** Printed around an answer, as a profile or a banner would. */
  noise: string;
  /** Printed instead of all. */
  raw: string | undefined;
  readonly commands: string[];
  /** `type base64` of its key. */
  readonly hostKey: string;
  connect(): Promise<SshConnection>;
  /** What a command line does with this on its standard input, however it came here. */
  powershell(command: string, input: string): Promise<CommandEnd>;
}

export interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function startWindows({ run, sftp }: WindowsOptions): Promise<FakeWindows> {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  const commands: string[] = [];
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      if (context.method === 'password' && context.password === 'secret') context.accept();
      else context.reject(['password']);
    });
    client.on('session', (accept) => {
      accept()
        .on('sftp', (acceptSftp) => sftp(acceptSftp()))
        .on('exec', (acceptExec, _reject, { command }) => void serve(acceptExec(), command));
    });
    onTestFinished(() => void client.end());
  });

  /** Of cmd.exe nothing but words that it leaves alone; 8191 characters are the most that it takes. */
  const powershell = async (command: string, given: string): Promise<CommandEnd> => {
    commands.push(command);
    const [, encoded] =
      /^powershell\.exe -NoLogo -NoProfile -NonInteractive -EncodedCommand ([A-Za-z0-9+/]+=*)$/.exec(
        command,
      ) ?? [];
    const failed = { code: 1, stdout: '', stderr: '' };
    if (windows.raw !== undefined || encoded === undefined || command.length > 8191) {
      const stderr = `'${command.slice(0, 20)}' is not recognized as an internal or external command`;
      return { ...failed, stdout: windows.raw ?? '', stderr };
    }
    const prelude = Buffer.from(encoded, 'base64').toString('utf16le');
    if (!prelude.includes('FromBase64String') || /[^\x09\x0a\x20-\x7e]/.test(prelude)) return failed;
    const [script, values] = given
      .trim()
      .split('.')
      .map((part) => Buffer.from(part, 'base64').toString());
    const [, name] = /^# vmferry-hyperv: ([a-z-]+)\nparam\(\$a\)\n/.exec(script ?? '') ?? [];
    if (name === undefined) return failed;
    const answer = await run(name, JSON.parse(values!));
    const json = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer)).toString('base64');
    return { code: 0, stdout: `${windows.noise}\r\n<vmferry-answer ${json} vmferry-answer>\r\n`, stderr: '' };
  };
  const serve = async (channel: ServerChannel, command: string) => {
    let given = '';
    channel.on('data', (chunk: Buffer) => {
      given += chunk;
    });
    await once(channel, 'end');
    const { code, stdout, stderr } = await powershell(command, given);
    channel.write(stdout);
    channel.stderr.write(stderr);
    channel.exit(code);
    channel.end();
  };
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const hostKey = `${parsed.type} ${parsed.getPublicSSH().toString('base64')}`;
  const windows: FakeWindows = {
    port,
    noise: '',
    raw: undefined,
    commands,
    hostKey,
    powershell,
    async connect() {
      const file = join(await tempFolder(), 'known_hosts');
      await writeFile(file, `[127.0.0.1]:${port} ${hostKey}\n`);
      const secret = async () => 'secret';
      const connection = await connectSsh(
        { host: '127.0.0.1', port, user: 'Administrator' },
        { keyFile: '/nonexistent', password: secret, passphrase: secret },
        { confirm: async () => false, knownHosts: { user: file, system: [] } },
      );
      onTestFinished(() => connection.close());
      return connection;
    },
  };
  return windows;
}

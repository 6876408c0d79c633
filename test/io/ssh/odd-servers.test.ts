/** What sshd never does and others do. */
import ssh2, {
  type Attributes,
  type KeyboardAuthContext,
  type PasswordAuthContext,
  type SFTPWrapper,
} from 'ssh2';
import { describe, expect, it } from 'vitest';
import { findRemoteFiles } from '../../../src/env-plugins/ssh/scan.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import type { Prompt } from '../../../src/io/ssh/authentication.ts';
import { sftpSource } from '../../../src/io/ssh/sftp-source.ts';
import { KiB } from '../../../src/model/units.ts';
import { randomBytes } from '../../conformance/random.ts';
import { connectToFake } from './fake-server.ts';

const { STATUS_CODE } = ssh2.utils.sftp;
const attributes = (size: number, mode = 0o100644): Attributes => ({
  size,
  mode,
  uid: 0,
  gid: 0,
  atime: 0,
  mtime: 0,
});

describe('a login', () => {
  it('with a second factor says what is asked for, and does not give the password twice', async () => {
    const answers: string[][] = [];
    const login = connectToFake({
      authenticate(context) {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
        const keyboard = context as KeyboardAuthContext;
        keyboard.prompt([{ prompt: 'Password: ', echo: false }], (first) => {
          answers.push(first);
          keyboard.prompt([{ prompt: 'One-time\u001b[31m code: ', echo: false }], (second) => {
            answers.push(second);
            context.reject();
          });
        });
      },
    });
    await expect(login).rejects.toMatchObject({
      kind: 'auth',
      hint: expect.stringContaining('second factor'),
    });
    await expect(login).rejects.toThrow(/it asks for "One-time \[31m code:"/);
    expect(answers).toEqual([['secret'], ['']]);
  });

  it('with a second factor has it asked for, where somebody can be', async () => {
    const answers: string[][] = [];
    const prompts: Prompt[] = [];
    await connectToFake(
      {
        authenticate(context) {
          if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
          const keyboard = context as KeyboardAuthContext;
          const questions = [
            { prompt: 'Token:', echo: true },
            { prompt: 'PIN:', echo: false },
          ];
          keyboard.prompt([{ prompt: 'Password: ', echo: false }], (first) => {
            keyboard.prompt(questions, 'Second step', 'Use your\ntoken.', (second) => {
              answers.push(first, second);
              context.accept();
            });
          });
        },
      },
      {
        ask: async (prompt) => {
          prompts.push(prompt);
          return `answer ${prompts.length}`;
        },
      },
    );
    expect(answers).toEqual([['secret'], ['answer 1', 'answer 2']]);
    expect(prompts).toEqual([
      { text: 'Second step Use your token. Token:', hidden: false },
      { text: 'PIN:', hidden: true },
    ]);
  });

  it('with an expired password says so', async () => {
    const login = connectToFake({
      authenticate(context) {
        if (context.method !== 'password') return context.reject(['password']);
        (context as PasswordAuthContext).requestChange('Change it', () => context.reject());
      },
    });
    await expect(login).rejects.toThrow(/the password has expired/);
  });
});

describe('an SFTP server', () => {
  const bytes = randomBytes(600 * KiB, 5);

  /** Serves `bytes`, each answer cut by `cut`. */
  const serving =
    (cut: (wanted: number) => number, claims = bytes.length) =>
    (sftp: SFTPWrapper) => {
      sftp.on('STAT', (id) => sftp.attrs(id, attributes(claims)));
      sftp.on('FSTAT', (id) => sftp.attrs(id, attributes(claims)));
      sftp.on('OPEN', (id) => sftp.handle(id, Buffer.from('h')));
      sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK));
      sftp.on('READ', (id, _handle, offset, wanted) => {
        const part = bytes.subarray(offset, offset + Math.min(wanted, cut(wanted)));
        if (part.length === 0) sftp.status(id, STATUS_CODE.EOF);
        else sftp.data(id, part);
      });
    };

  it('may answer with less than it was asked for', async () => {
    const connection = await connectToFake({
      sftp: serving((wanted) => Math.max(1, Math.floor(wanted / 3))),
    });
    const source = await sftpSource(connection, '/x');
    expect((await readBytes(source, 0, bytes.length)).equals(bytes)).toBe(true);
    expect((await readBytes(source, 100_001, 300_003)).equals(bytes.subarray(100_001, 400_004))).toBe(true);
    await source.close();
  });

  it('that claims more than there is, or an impossible size, is not believed', async () => {
    const short = await sftpSource(await connectToFake({ sftp: serving((n) => n, bytes.length + 1) }), '/x');
    await expect(readBytes(short, bytes.length - 5, 6)).rejects.toMatchObject({ kind: 'io' });
    const huge = await connectToFake({ sftp: serving((n) => n, 2 ** 60) });
    await expect(sftpSource(huge, '/x')).rejects.toThrow(/does not tell the size/);
  });

  it('that ends while the connection stands is told of', async () => {
    const connection = await connectToFake({
      sftp(sftp) {
        serving((n) => n)(sftp);
        sftp.removeAllListeners('READ');
        sftp.on('READ', () => sftp.end());
      },
    });
    const source = await sftpSource(connection, '/x');
    await expect(readBytes(source, 0, 1)).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(readBytes(source, 0, 1)).rejects.toMatchObject({ kind: 'unreachable' });
    await source.close();
  });

  it('can not lead out of the folder by the names it lists', async () => {
    const names = ['.', '..', '../up.raw', '/etc/x.raw', 'a/b.raw', '', 'nul\0.raw', 'good.raw', '..\\w.raw'];
    let listings = 0;
    const connection = await connectToFake({
      sftp(sftp) {
        sftp.on('OPENDIR', (id) => sftp.handle(id, Buffer.from('d')));
        sftp.on('READDIR', (id) => {
          if (listings++ > 0) return sftp.status(id, STATUS_CODE.EOF);
          sftp.name(
            id,
            names.map((filename) => ({ filename, longname: filename, attrs: attributes(1) })),
          );
        });
        sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK));
      },
    });
    const found: string[] = [];
    const files = findRemoteFiles(
      await connection.sftp(),
      ['/f'],
      new Set(['raw']),
      new AbortController().signal,
    );
    for await (const file of files) found.push(file.path);
    expect(found).toEqual(['/f/good.raw']);
  });

  it('whose folders have no end is bounded', async () => {
    let entries = 0;
    const connection = await connectToFake({
      sftp(sftp) {
        sftp.on('OPENDIR', (id) => sftp.handle(id, Buffer.from('d')));
        sftp.on('READDIR', (id) => {
          const page = Array.from({ length: 500 }, (_, i) => ({
            filename: `${entries + i}`,
            longname: '',
            attrs: attributes(0, 0o040755),
          }));
          entries += page.length;
          sftp.name(id, page);
        });
        sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK));
      },
    });
    const files = findRemoteFiles(
      await connection.sftp(),
      ['/f'],
      new Set(['raw']),
      new AbortController().signal,
    );
    expect(await files.next()).toMatchObject({ done: true });
    expect(entries).toBeLessThan(210_000);
  });

  it('that lists nothing, without end, is given up', async () => {
    const connection = await connectToFake({
      sftp(sftp) {
        sftp.on('OPENDIR', (id) => sftp.handle(id, Buffer.from('d')));
        sftp.on('READDIR', (id) => sftp.name(id, []));
        sftp.on('CLOSE', (id) => sftp.status(id, STATUS_CODE.OK));
      },
    });
    const files = findRemoteFiles(
      await connection.sftp(),
      ['/f'],
      new Set(['raw']),
      new AbortController().signal,
    );
    await expect(files.next()).rejects.toThrow(/lists nothing, without end/);
  });
});

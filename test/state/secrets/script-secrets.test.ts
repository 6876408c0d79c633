import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { splitCommand } from '../../../src/state/secrets/command-line.ts';
import { ScriptSecrets } from '../../../src/state/secrets/script-secrets.ts';
import { tempFolder } from '../../temp.ts';

const pem = '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n';
const make = (env: NodeJS.ProcessEnv = {}, timeoutMs = 5000) =>
  new ScriptSecrets({ env: { PATH: process.env.PATH, ...env }, timeoutMs });

describe('env:', () => {
  it('takes the variable out of the environment and can be named twice', async () => {
    const env: NodeJS.ProcessEnv = { TOKEN: 'hunter2\r\nmore' };
    const secrets = new ScriptSecrets({ env });
    expect(await secrets.read('env:TOKEN')).toBe('hunter2');
    expect('TOKEN' in env).toBe(false);
    expect(await secrets.read('env:TOKEN')).toBe('hunter2');
  });

  it('refuses what is missing or empty; takes a key whole', async () => {
    await expect(make().read('env:NONE')).rejects.toMatchObject({ kind: 'auth' });
    await expect(make({ E: '\nx' }).read('env:E')).rejects.toMatchObject({ kind: 'auth' });
    expect(await make({ K: pem }).read('env:K')).toBe(pem);
  });

  it('of an identity file of age takes the identities', async () => {
    const file =
      '# created: today\r\n# public key: age1x\r\nAGE-SECRET-KEY-1A\r\n# another\nAGE-SECRET-KEY-1B\n';
    expect(await make({ K: file }).read('env:K')).toBe('AGE-SECRET-KEY-1A\nAGE-SECRET-KEY-1B');
    expect(await make({ K: '#pass\nAGE' }).read('env:K')).toBe('#pass');
  });
});

describe('cmd:', () => {
  it('gives the first line of standard output only', async () => {
    expect(await make().read(`cmd:sh -c 'echo "$0 b"; echo noise >&2; echo second' a`)).toBe('a b');
  });

  it('is run without a shell', async () => {
    expect(await make().read(`cmd:printf '%s' '$(reboot)'`)).toBe('$(reboot)');
  });

  it('fails with the command, shows nothing of what it printed', async () => {
    const failing = await make()
      .read(`cmd:sh -c 'echo hunter2; echo hunter2 >&2; exit 3' hunter3`)
      .catch((error) => error);
    expect(failing).toMatchObject({ kind: 'auth', message: 'the command ended with 3', where: 'cmd:sh' });
    expect(JSON.stringify(failing) + failing.stack).not.toMatch(/hunter/);
    await expect(make().read('cmd:no-such-command-here x')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(make().read('cmd:true')).rejects.toMatchObject({ kind: 'auth', message: /empty/ });
  });

  it('is ended after a time, on cancel, and when it prints without end', async () => {
    await expect(make({}, 50).read('cmd:sleep 60')).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(make().read('cmd:sleep 60', AbortSignal.abort())).rejects.toMatchObject({
      kind: 'cancelled',
    });
    await expect(make().read('cmd:yes')).rejects.toMatchObject({ kind: 'usage', message: /64 KiB/ });
  });
});

describe('file:', () => {
  it('reads a file that is the user’s alone', async () => {
    const path = join(await tempFolder(), 'secret');
    await writeFile(path, 'hunter2\n', { mode: 0o600 });
    expect(await make().read(`file:${path}`)).toBe('hunter2');
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(path, mode);
      await expect(make().read(`file:${path}`)).rejects.toMatchObject({ kind: 'auth', hint: 'chmod 600 it' });
    }
    await expect(make().read(`file:${path}x`)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('does not wait for a FIFO', async () => {
    const path = join(await tempFolder(), 'fifo');
    execFileSync('mkfifo', ['-m', '600', path]);
    await expect(make().read(`file:${path}`)).rejects.toMatchObject({ kind: 'usage' });
  });
});

describe('fd:', () => {
  it('reads a file and closes it', async () => {
    const path = join(await tempFolder(), 'secret');
    await writeFile(path, pem);
    const fd = openSync(path, 'r');
    expect(await make().read(`fd:${fd}`)).toBe(pem);
    expect(() => closeSync(fd)).toThrow(/EBADF/);
  });

  it('reads a pipe, as a shell gives it; one without an end is given up and does not block the exit', async () => {
    const folder = await tempFolder();
    const source = resolve('src/state/secrets/script-secrets.ts');
    await writeFile(
      join(folder, 'program.mts'),
      `import { ScriptSecrets } from ${JSON.stringify(source)};
      const read = (ref, timeoutMs) => new ScriptSecrets({ env: {}, timeoutMs }).read(ref);
      console.log(await read('fd:3', 5000));
      console.log(await read('fd:4', 50).catch((error) => error.kind));`,
    );
    const args = ['--import', resolve('node_modules/tsx/dist/esm/index.mjs'), 'program.mts'];
    // A pipe that is open for writing too never ends.
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const endless = openSync(fifo, 'r+');
    onTestFinished(() => closeSync(endless));
    const child = spawn(process.execPath, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit', 'pipe', endless],
      timeout: 20_000,
    });
    (child.stdio[3] as NodeJS.WritableStream).end('hunter2\nrest\n');
    expect(await text(child.stdout!)).toBe('hunter2\nunreachable\n');
  });

  it('refuses what is no descriptor to read', async () => {
    for (const reference of ['fd:1', 'fd:2', 'fd:x', 'fd:-1', 'fd:', 'fd:99999']) {
      await expect(make().read(reference), reference).rejects.toMatchObject({ kind: 'usage' });
    }
  });
});

it('does not show what is no reference: it may be the secret itself', async () => {
  const error = await make()
    .read('hunter2')
    .catch((e) => e);
  expect(error).toMatchObject({ kind: 'usage' });
  expect(JSON.stringify(error) + error.stack).not.toContain('hunter2');
});

describe('splitCommand', () => {
  it.each([
    ['pass show x', ['pass', 'show', 'x']],
    [`  a\t'b c'"d \\" \\$ \\n"\\ e  `, ['a', 'b cd " $ \\n e']],
    [`a '' ""`, ['a', '', '']],
    [`a 'x | $y \`z\`'`, ['a', 'x | $y `z`']],
    ['op read op://v/i/f --x=1,2', ['op', 'read', 'op://v/i/f', '--x=1,2']],
  ])('%s', (line, args) => {
    expect(splitCommand(line)).toEqual(args);
  });

  it.each([
    '',
    "''",
    'a | b',
    'a $HOME',
    'a "$HOME"',
    'a `b`',
    'a; b',
    'a > b',
    "a 'b",
    'a "b',
    'a \\',
    'a *',
    'a\nb',
  ])('refuses %j', (line) => {
    expect(() => splitCommand(line)).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});

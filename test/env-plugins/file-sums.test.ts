import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sumsText, writeSums, writeSumsHere } from '../../src/env-plugins/file-sums.ts';
import { localHost } from '../../src/io/host/local-host.ts';
import { AppError } from '../../src/model/errors.ts';
import { tempFolder } from '../temp.ts';

const { signal } = new AbortController();
const a = 'a'.repeat(64);
const b = 'b'.repeat(64);

test('the lines of other files stay, those of ours are replaced', () => {
  const before = `${a}  web.raw\n# mine\n${a} *other.raw\n\\${a}  it\\\\s.raw\n`;
  const sums = new Map([
    ['web.raw', b],
    ['it\\s.raw', b],
    ['new\nline', b],
  ]);
  expect(sumsText(before, sums)).toBe(
    `# mine\n${a} *other.raw\n${b}  web.raw\n\\${b}  it\\\\s.raw\n\\${b}  new\\nline\n`,
  );
});

test('by the host, or by reading where it has no tool: the same', async () => {
  const folder = await tempFolder();
  const bytes = Buffer.alloc(5_000_000, 'abc');
  await writeFile(join(folder, 'web.raw'), bytes);
  await writeFile(join(folder, 'empty'), '');
  const files = ['web.raw', 'empty'].map((name) => join(folder, name));
  const path = await writeSumsHere(folder, files, signal);
  const hex = createHash('sha256').update(bytes).digest('hex');
  const empty = createHash('sha256').digest('hex');
  expect(await readFile(path, 'utf8')).toBe(`${hex}  web.raw\n${empty}  empty\n`);

  await writeFile(path, 'mine\n');
  const without = {
    ...localHost(),
    run: () => Promise.reject(new AppError('not-found', 'there is no command "sha256sum"')),
  };
  await writeSums(without, folder, files, signal);
  expect(await readFile(path, 'utf8')).toBe(`mine\n${hex}  web.raw\n${empty}  empty\n`);
  expect((await readdir(folder)).sort()).toEqual(['SHA256SUMS', 'empty', 'web.raw']);
});

test('several deliveries into one folder at once leave the lines of all', async () => {
  const folder = await tempFolder();
  const names = ['a', 'b', 'c', 'd'];
  for (const name of names) await writeFile(join(folder, name), name);
  await Promise.all(names.map((name) => writeSumsHere(folder, [join(folder, name)], signal)));
  const lines = (await readFile(join(folder, 'SHA256SUMS'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => line.slice(66)).sort()).toEqual(names);
});

test('where it can not be written, the sums of before are there still, and nothing else', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'web.raw'), 'x');
  await writeFile(join(folder, 'SHA256SUMS'), 'before\n');
  const host = localHost();
  const full = {
    ...host,
    files: { ...host.files, rename: () => Promise.reject(new AppError('no-space', 'the disk is full')) },
  };
  const failed = writeSums(full, folder, [join(folder, 'web.raw')], signal);
  await expect(failed).rejects.toMatchObject({ kind: 'no-space' });
  expect((await readdir(folder)).sort()).toEqual(['SHA256SUMS', 'web.raw']);
  expect(await readFile(join(folder, 'SHA256SUMS'), 'utf8')).toBe('before\n');
});

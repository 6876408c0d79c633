/** `vmferry ls`, `cat`, `cp` and `inspect` of a guest. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { randomBytes } from '../conformance/random.ts';
import { describeWith } from '../oracles/requires.ts';
import { type Place, place } from './program.ts';

const MiB = 2 ** 20;
const large = randomBytes(3 * MiB + 17, 5);

/** A filesystem without a table, in a qcow2 whose name holds a colon. */
async function guest(here: Place): Promise<string> {
  const root = here.path('root');
  await mkdir(`${root}/etc/deep`, { recursive: true });
  await mkdir(`${root}/usr/lib`, { recursive: true });
  await writeFile(`${root}/usr/lib/os-release`, 'ID=test\nNAME=Test\nPRETTY_NAME="Test 1"\n');
  await symlink('../usr/lib/os-release', `${root}/etc/os-release`);
  await writeFile(`${root}/etc/deep/large`, large);
  await symlink('/etc/shadow', `${root}/etc/deep/out`);
  await mkdir(`${root}/var/lib/dpkg`, { recursive: true });
  await writeFile(
    `${root}/var/lib/dpkg/status`,
    ['zlib', 'bash'].map((p) => `Package: ${p}\nStatus: install ok installed\nVersion: 1.2\n\n`).join(''),
  );
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, here.path('fs.img'), '16M']);
  const image = here.path('a:b.qcow2');
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', here.path('fs.img'), `file:${image}`]);
  return image;
}

describeWith(['mke2fs', 'qemu-img'], 'files inside a guest', () => {
  it('are listed, read and copied out', async () => {
    const here = await place();
    const image = await guest(here);

    const listed = await here.run(['ls', `${image}:/etc`]);
    expect(listed).toMatchObject({ code: 0, stdout: 'deep\nos-release\n' });
    const long = await here.run(['ls', '-l', `${image}:/etc/deep`]);
    expect(long.stdout).toMatch(/^-rw\S+ +\d+:\d+ +3145745 +20\d\d-\d\d-\d\d \d\d:\d\d +large$/m);
    expect(long.stdout).toMatch(/^lrwxrwxrwx .* out -> \/etc\/shadow$/m);

    // Through a link, and binary: to the byte.
    expect((await here.run(['cat', `${image}:/etc/os-release`])).stdout).toMatch(/^ID=test/);
    const script = `"$0" "$1" cat "$2" >"$3" && "$0" "$1" cat "$2" | head -c 10 | wc -c`;
    const copy = here.path('large');
    const args = ['-c', script, process.execPath, 'dist/cli.js', `${image}:/etc/deep/large`, copy];
    const env = { ...process.env, VMFERRY_HOME: here.home };
    expect(execFileSync('sh', args, { env, encoding: 'utf8' }).trim()).toBe('10');
    expect((await readFile(copy)).equals(large)).toBe(true);

    const to = here.path('to');
    await mkdir(to);
    const copied = await here.run(['cp', '-r', '--json', `${image}:/etc`, to]);
    expect(JSON.parse(copied.stdout)).toMatchObject({ files: 1, folders: 2, links: 2, skipped: 0 });
    expect((await readFile(`${to}/etc/deep/large`)).equals(large)).toBe(true);
    expect(await readlink(`${to}/etc/deep/out`)).toBe('/etc/shadow');
    const again = await here.run(['cp', '-r', `${image}:/etc`, to]);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringMatching(/there already.*--force/) });

    const missing = await here.run(['cat', `${image}:/none`]);
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringMatching(/nothing of this name.*\/none/) });
    const wrong = await here.run(['ls', '--volume', 'x', `${image}:/`]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/the whole disk.*ext4/) });
    expect(await readdir(`${to}/etc`)).toEqual(['deep', 'os-release']);

    const inspected = await here.run(['inspect', image]);
    expect(inspected.stdout).toMatch(/^ {2}system +Test 1/m);
    expect(inspected.stdout).toMatch(/^ {2}read +.* to find this out$/m);
    expect((await here.run(['inspect', '--packages', image])).stdout).toBe('bash 1.2\nzlib 1.2\n');
  });
});

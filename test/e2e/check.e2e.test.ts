/** `check` and `inspect --map` of the built program: what they print, and how they end. */
import { copyFile, open, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { place } from './program.ts';

const sample = 'samples/vmferry-sample.ova';

async function samplePlace() {
  const here = await place();
  await copyFile(sample, here.path('m.ova'));
  return here;
}

async function flip(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset);
  await file.write(Buffer.from([byte[0]! ^ 0xff]), 0, 1, offset);
  await file.close();
}

it('ends with 0 for what is sound, and with 1 for what is not', async () => {
  const { run, path } = await samplePlace();
  const whole = await run(['check', 'm.ova']);
  expect(whole).toMatchObject({ code: 0 });
  expect(whole.stdout).toContain('vmdk, no errors');
  expect(whole.stdout).toContain('package: nothing speaks against its checksums');
  // In the last third of the archive, which is the disk's: nothing but a checksum or unpacking tells.
  await flip(path('m.ova'), Math.floor((await readFile(path('m.ova'))).length * 0.7));
  const broken = await run(['check', '--json', 'm.ova']);
  expect(broken.code).toBe(1);
  expect(JSON.parse(broken.stdout)).toMatchObject({
    sound: false,
    manifest: { failure: { kind: 'corrupt' } },
  });
});

it('tells what a converted disk is, and what it consists of', async () => {
  const { run, path } = await samplePlace();
  expect((await run(['convert', 'm.ova', '--to', 'd.qcow2'])).code).toBe(0);
  expect((await run(['check', '--deep', 'd.qcow2'])).stdout).toContain('qcow2, no errors');
  const map = await run(['inspect', '--map', 'd.qcow2']);
  const extents = map.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(extents[0]).toMatchObject({ disk: 'd.qcow2', offset: 0, kind: 'data' });
  await flip(path('d.qcow2'), 2 * 65536 + 1);
  await flip(path('d.qcow2'), 65536 + 6);
  expect((await run(['check', 'd.qcow2'])).code).toBe(1);
});

it('says when there is nothing to check', async () => {
  const { run } = await place();
  expect(await run(['check', 'none.qcow2'])).toMatchObject({ code: 1, stdout: '' });
  expect((await run(['check'])).code).toBe(2);
});

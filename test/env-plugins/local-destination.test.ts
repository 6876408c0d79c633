/** A folder as destination: all or nothing, whatever is in the way. */
import { execFile } from 'node:child_process';
import { link, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { destinationRole } from '../../src/env-plugins/local/destination.ts';
import type { DeliveryRequest } from '../../src/env-plugins/plugin.ts';
import { tempFolder } from '../temp.ts';

const { begin, check } = destinationRole();

function request(folder: string, change: Partial<DeliveryRequest> = {}): DeliveryRequest {
  const machine = { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] } as const;
  const { signal } = new AbortController();
  return {
    name: 'm',
    machine,
    settings: { folder },
    force: false,
    sync: false,
    runId: 'run',
    signal,
    ...change,
  };
}

async function deliver(folder: string, names: readonly string[], change: Partial<DeliveryRequest> = {}) {
  const delivery = await begin(request(folder, change));
  for (const name of names) {
    const sink = await delivery.sink({ name });
    await sink.write(Buffer.from(`new ${name}`), 0);
    await sink.finish(`new ${name}`.length);
  }
  return delivery;
}

it('names are temporary up to the commit, and say whose they are', async () => {
  const folder = await tempFolder();
  const delivery = await deliver(folder, ['a', 'b']);
  expect((await readdir(folder)).sort()).toEqual(['.a.vmferry-run.part', '.b.vmferry-run.part']);
  expect(await delivery.commit()).toEqual([join(folder, 'a'), join(folder, 'b')]);
  await delivery.rollback(); // too late: nothing happens
  expect((await readdir(folder)).sort()).toEqual(['a', 'b']);
});

it('a rollback leaves nothing, not even the folders that were made; twice is fine', async () => {
  const folder = await tempFolder();
  const delivery = await deliver(join(folder, 'x', 'y'), ['a']);
  await delivery.sink({ name: 'still-open' });
  await delivery.rollback();
  await delivery.rollback();
  expect(await readdir(folder)).toEqual([]);
});

it('a folder that somebody uses meanwhile stays', async () => {
  const folder = await tempFolder();
  const delivery = await deliver(join(folder, 'x'), ['a']);
  await writeFile(join(folder, 'x', 'theirs'), '');
  await delivery.rollback();
  expect(await readdir(join(folder, 'x'))).toEqual(['theirs']);
});

it('a commit that fails in the middle puts everything back', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'a'), 'old');
  const delivery = await deliver(folder, ['a', 'b'], { force: true });
  await mkdir(join(folder, 'b')); // in the way of the second one
  await expect(delivery.commit()).rejects.toMatchObject({ kind: 'conflict' });
  await delivery.rollback();
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe('old');
  expect((await readdir(folder)).sort()).toEqual(['a', 'b']);
});

it('a file that appears meanwhile is kept', async () => {
  const folder = await tempFolder();
  const delivery = await deliver(folder, ['a']);
  await writeFile(join(folder, 'a'), 'theirs');
  await expect(delivery.commit()).rejects.toMatchObject({ kind: 'conflict' });
  await delivery.rollback();
  expect(await readFile(join(folder, 'a'), 'utf8')).toBe('theirs');
  expect(await readdir(folder)).toEqual(['a']);
});

it('what is being read is never replaced, by whatever name', async () => {
  const folder = await tempFolder();
  await writeFile(join(folder, 'source'), 'old');
  await link(join(folder, 'source'), join(folder, 'again'));
  const reading = [join(folder, 'source'), 'no path at all', join(folder, 'x.ova::m')];
  const asked = request(folder, { force: true, reading });
  expect((await check(asked, ['again'], 1)).map((f) => f.rule)).toEqual(['file.is-source']);
  await expect((await begin(asked)).sink({ name: 'again' })).rejects.toMatchObject({ kind: 'conflict' });
  await rm(join(folder, 'again'));
  expect(await check(asked, ['again'], 1)).toEqual([]);
});

it('names that lead out are refused', async () => {
  const folder = await tempFolder();
  const delivery = await begin(request(folder));
  for (const name of ['../x', 'a/b', '', '.', '..']) {
    await expect(delivery.sink({ name }), name).rejects.toMatchObject({ kind: 'usage' });
  }
});

it('too little room is a warning that names what is free', async () => {
  const folder = await tempFolder();
  const findings = await check(request(folder), ['a'], Number.MAX_SAFE_INTEGER);
  expect(findings).toMatchObject([{ rule: 'folder.no-space', severity: 'warning' }]);
});

it('a device is never replaced, nor a link to one', async () => {
  const folder = await tempFolder();
  await symlink('/dev/null', join(folder, 'link'));
  await promisify(execFile)('mkfifo', [join(folder, 'pipe')]);
  for (const name of ['link', 'pipe']) {
    const forced = request(folder, { force: true });
    expect(await check(forced, [name], 0)).toMatchObject([{ rule: 'file.is-device', severity: 'blocker' }]);
    await expect(deliver(folder, [name], { force: true })).rejects.toMatchObject({ kind: 'conflict' });
  }
  const devices = request('/dev', { force: true });
  expect(await check(devices, ['null'], 0)).toContainEqual(
    expect.objectContaining({ rule: 'file.is-device' }),
  );
});

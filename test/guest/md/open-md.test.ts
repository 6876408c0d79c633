import { expect, it } from 'vitest';
import { openMd } from '../../../src/guest/md/open-md.ts';
import { type MdMember, readMdSuperblock } from '../../../src/guest/md/superblock.ts';
import { diskOf, lookingAt, rules } from '../disks.ts';
import { all, pattern, volumeFixture } from '../volume-fixtures.ts';

async function part(bytes: Buffer, change: Partial<MdMember> = {}) {
  const member = await readMdSuperblock(lookingAt(bytes));
  return { disk: diskOf(bytes), member: { ...member!, ...change } };
}

it.each([
  ['090', '0.90', ''],
  ['10', '1.0', 'any:end'],
  ['11', '1.1', 'any:start'],
  ['12', '1.2', 'any:usual'],
])('RAID1 of two, made by mdadm: %s', async (fixture, version, name) => {
  const parts = await Promise.all(['a', 'b'].map((leg) => part(volumeFixture(`md-${fixture}-${leg}`))));
  const same = { version, name, level: 1, devices: 2, clean: true, whole: true };
  expect(parts.map((p) => p.member)).toMatchObject([
    { ...same, role: 0 },
    { ...same, role: 1 },
  ]);
  const [array, ...more] = openMd(parts);
  expect([more, array!.findings]).toEqual([[], []]);
  expect((await all(array!.disk!)).subarray(0, 128 * 1024).equals(pattern('md', 128 * 1024))).toBe(true);
  // The other leg alone.
  const alone = openMd([parts[1]!])[0]!;
  expect(rules(alone.findings)).toEqual(['guest.md-incomplete']);
  expect((await all(alone.disk!)).equals(await all(array!.disk!))).toBe(true);
});

it('RAID5 is recognised', async () => {
  const parts = await Promise.all(['a', 'b', 'c'].map((leg) => part(volumeFixture(`md-5-${leg}`))));
  const [array] = openMd(parts);
  expect(array).toMatchObject({ name: 'five', detail: 'RAID5 of 3 devices, metadata 1.2' });
  expect([array!.disk, array!.why]).toEqual([undefined, 'RAID5 is not read, RAID1 is']);
});

it('a device that is behind, rebuilt or failed is not read', async () => {
  const [a, b] = [volumeFixture('md-12-a'), volumeFixture('md-12-b')];
  const behind = openMd([await part(a, { events: 1 }), await part(b)])[0]!;
  expect(rules(behind.findings)).toEqual(['guest.md-incomplete']);
  for (const change of [{ whole: false }, { role: undefined }, { dataBytes: 2 ** 40 }]) {
    const [array] = openMd([await part(a, change as Partial<MdMember>)]);
    expect(array!.why).toBe('none of its devices holds all of it');
  }
  expect(
    rules(openMd([await part(a, { clean: false }), await part(b, { clean: false })])[0]!.findings),
  ).toEqual(['guest.md-dirty']);
});

it('a superblock with a wrong checksum is none', async () => {
  for (const [fixture, at] of [
    ['md-12-a', 4096 + 92],
    ['md-090-a', 2031616 + 40],
  ] as const) {
    const bytes = volumeFixture(fixture);
    bytes[at]! ^= 1;
    expect(await readMdSuperblock(lookingAt(bytes))).toBeUndefined();
  }
  expect(await readMdSuperblock(lookingAt(Buffer.alloc(512)))).toBeUndefined();
});

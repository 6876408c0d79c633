/** OVF and OVA through the command line: what is hostile or broken, what is rare, and what others say to ours. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeTarHeader } from '../../src/packages/ovf/tar-header.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, type Place, place, values } from './program.ts';

const run = promisify(execFile);
const size = 2 * 2 ** 20;
const disk = oddDisk(size, 7);

interface Member {
  readonly name: string;
  readonly bytes: Buffer;
  /** tar's type flag. */
  readonly type?: string;
}

/** The files of an OVF of ours: descriptor, manifest, disk. */
let parts: Record<'m.ovf' | 'm.mf' | 'm-disk1.vmdk', Buffer>;
async function makeParts({ run: vmferry, path }: Place): Promise<typeof parts> {
  await writeFile(path('disk.raw'), disk);
  const made = await vmferry(['convert', 'disk.raw', '--to', 'made/m.ovf', '-q']);
  expect(made.code, made.stderr).toBe(0);
  const read = (name: string) => readFile(path(`made/${name}`));
  const files = {
    'm.ovf': await read('m.ovf'),
    'm.mf': await read('m.mf'),
    'm-disk1.vmdk': await read('m-disk1.vmdk'),
  };
  await rm(path('made'), { recursive: true });
  return files;
}

async function prepared(): Promise<Place> {
  const here = await place();
  parts ??= await makeParts(here);
  return here;
}

function tar(members: readonly Member[]): Buffer {
  const blocks = members.flatMap(({ name, bytes, type }) => {
    const header = Buffer.from(encodeTarHeader('x', bytes.length, 0));
    header.fill(0, 0, 100);
    header.write(name, 0);
    if (type !== undefined) header.write(type, 156);
    if (type === '1' || type === '2') header.write('/etc/passwd', 157);
    header.fill(0x20, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, bytes, Buffer.alloc(-bytes.length & 511)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

const whole = (): Member[] => Object.entries(parts).map(([name, bytes]) => ({ name, bytes }));
const manifestBy = (hash: string) =>
  Buffer.from(
    (['m.ovf', 'm-disk1.vmdk'] as const)
      .map(
        (name) => `${hash.toUpperCase()}(${name})= ${createHash(hash).update(parts[name]).digest('hex')}\n`,
      )
      .join(''),
  );

describe('archives', () => {
  const hostile: Record<string, { members: () => Member[]; says: RegExp }> = {
    'a name that leads up': {
      members: () => [...whole(), { name: '../evil', bytes: Buffer.from('x') }],
      says: /leaves its folder/,
    },
    'an absolute name': {
      members: () => [...whole(), { name: '/tmp/evil', bytes: Buffer.from('x') }],
      says: /leaves its folder/,
    },
    'a symbolic link': {
      members: () => [...whole(), { name: 'l', bytes: Buffer.alloc(0), type: '2' }],
      says: /a symbolic link/,
    },
    'a hard link': {
      members: () => [...whole(), { name: 'l', bytes: Buffer.alloc(0), type: '1' }],
      says: /a hard link/,
    },
    'a disk that is a link': {
      members: () => [whole()[0]!, { name: 'm-disk1.vmdk', bytes: Buffer.alloc(0), type: '2' }],
      says: /a symbolic link/,
    },
    'a device': {
      members: () => [...whole(), { name: 'd', bytes: Buffer.alloc(0), type: '3' }],
      says: /a device/,
    },
    'a member twice': { members: () => [...whole(), whole()[2]!], says: /twice/ },
    'no disk': { members: () => whole().slice(0, 1), says: /named in the descriptor but not in the package/ },
    'no descriptor': { members: () => whole().slice(1), says: /no descriptor/ },
    'a wrong sum': {
      members: () => {
        const bytes = Buffer.from(
          parts['m.mf'].toString().replace(/([0-9a-f])\n$/, (_, d) => `${d === '0' ? '1' : '0'}\n`),
        );
        return [whole()[0]!, { name: 'm.mf', bytes }, whole()[2]!];
      },
      says: /the manifest says/,
    },
    'a manifest of other files': {
      members: () => [
        whole()[0]!,
        { name: 'm.mf', bytes: Buffer.from(`SHA256(gone)= ${'0'.repeat(64)}\n`) },
        whole()[2]!,
      ],
      says: /in the manifest but not in the package/,
    },
    'a manifest that is none': {
      members: () => [whole()[0]!, { name: 'm.mf', bytes: Buffer.from('hello\n') }, whole()[2]!],
      says: /m\.mf line 1/,
    },
    'an entity that grows': {
      members: () => [
        {
          name: 'm.ovf',
          bytes: Buffer.from('<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><Envelope>&d;</Envelope>'),
        },
      ],
      says: /vmferry: /,
    },
  };
  it.each(Object.entries(hostile))('%s: refused, nothing delivered', async (_, { members, says }) => {
    const { run: vmferry, path } = await prepared();
    await writeFile(path('bad.ova'), tar(members()));
    const { code, stderr } = await vmferry(['convert', 'bad.ova', '--to', 'out/x.raw', '-q']);
    expect(stderr).toMatch(says);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect([1, 3]).toContain(code);
    expect(await readdir(path('.'))).not.toContain('out');
    expect(await readdir(path('..'))).not.toContain('evil');
    // It is listed all the same, with the reason.
    expect((await vmferry(['list', '.'])).code).toBe(0);
  });

  it.each(['sha1', 'sha256', 'sha384', 'sha512'])('a manifest by %s', async (hash) => {
    const { run: vmferry, path } = await prepared();
    const good = [whole()[0]!, { name: 'm.mf', bytes: manifestBy(hash) }, whole()[2]!];
    await writeFile(path('m.ova'), tar(good));
    expect(await vmferry(['convert', 'm.ova', '--to', 'x.raw', '-q'])).toMatchObject({ code: 0, stderr: '' });
    expect((await readFile(path('x.raw'))).equals(disk)).toBe(true);
    const bad = Buffer.from(parts['m-disk1.vmdk']);
    bad[bad.length - 700]! ^= 4;
    await writeFile(path('n.ova'), tar([good[0]!, good[1]!, { name: 'm-disk1.vmdk', bytes: bad }]));
    expect(await vmferry(['convert', 'n.ova', '--to', 'y.raw', '-q'])).toMatchObject({ code: 1 });
    expect(await readdir(path('.'))).not.toContain('y.raw');
  });

  it('a disk packed with gzip, a disk in chunks: in an OVA and as files', async () => {
    const { run: vmferry, path } = await prepared();
    const stored = parts['m-disk1.vmdk'];
    const packed = gzipSync(stored);
    const chunk = 4096 * Math.ceil(stored.length / 3 / 4096);
    const edit = (attributes: string, length: number) =>
      Buffer.from(
        parts['m.ovf']
          .toString()
          .replace(/ovf:href="m-disk1\.vmdk"/, `ovf:href="m-disk1.vmdk" ${attributes}`)
          .replace(/ovf:size="\d+"/, `ovf:size="${length}"`),
      );
    const kinds: Member[][] = [
      [
        { name: 'm.ovf', bytes: edit('ovf:compression="gzip"', packed.length) },
        { name: 'm-disk1.vmdk', bytes: packed },
      ],
      [
        { name: 'm.ovf', bytes: edit(`ovf:chunkSize="${chunk}"`, stored.length) },
        ...[0, 1, 2].map((i) => ({
          name: `m-disk1.vmdk.00000000${i}`,
          bytes: stored.subarray(i * chunk, (i + 1) * chunk),
        })),
      ],
    ];
    for (const [i, members] of kinds.entries()) {
      await writeFile(path(`${i}.ova`), tar(members));
      await mkdir(path(`${i}`));
      for (const { name, bytes } of members) await writeFile(path(`${i}/${name}`), bytes);
      for (const source of [`${i}.ova`, `${i}/m.ovf`]) {
        const { code, stderr } = await vmferry(['convert', source, '--to', 'x.raw', '--force']);
        expect(code, `${source}: ${stderr}`).toBe(0);
        expect((await readFile(path('x.raw'))).equals(disk), source).toBe(true);
        expect(await vmferry(['inspect', source])).toMatchObject({ code: 0 });
      }
    }
    expect((await readdir(path('.'))).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('an OVF whose disk is a link out of its folder to what is no image', async () => {
    const { run: vmferry, path } = await prepared();
    await mkdir(path('m'));
    await writeFile(path('secret'), Buffer.alloc(4096, 'root:x:'));
    const ovf = parts['m.ovf'].toString().replace(/ovf:size="\d+"/, 'ovf:size="4096"');
    await writeFile(path('m/m.ovf'), ovf.replaceAll('m-disk1.vmdk', 'm-disk1'));
    await run('ln', ['-s', path('secret'), path('m/m-disk1')]);
    const { code, stderr } = await vmferry(['convert', 'm/m.ovf', '--to', 'x.raw', '-q']);
    expect(stderr).toMatch(/--follow/);
    expect(code).toBe(1);
  });
});

describe('machines', () => {
  it('several disks go into an OVA and come out again, named one by one', async () => {
    const { run: vmferry, path } = await prepared();
    const second = oddDisk(size + 512, 9);
    await makeTwoDisks(path('two'), second);
    expect(await vmferry(['convert', 'two/m.ovf', '--to', 'two.ova', '-q'])).toMatchObject({ code: 0 });
    expect(await vmferry(['convert', 'two.ova', '--to', 'out/', '--format', 'raw', '-q'])).toMatchObject({
      code: 0,
    });
    const names = (await readdir(path('out'))).sort();
    expect(names).toHaveLength(2);
    expect((await readFile(path(`out/${names[0]}`))).equals(disk)).toBe(true);
    expect((await readFile(path(`out/${names[1]}`))).equals(second)).toBe(true);
    const one = await vmferry(['convert', 'two.ova', '--to', 'one.raw', '--without', 'two-disk2.vmdk', '-q']);
    expect(one.code, one.stderr).toBe(0);
    expect((await readFile(path('one.raw'))).equals(disk)).toBe(true);
  });

  it('several machines in one OVA: one has to be named', async () => {
    const { run: vmferry, path } = await prepared();
    const system = /<VirtualSystem[\s\S]*<\/VirtualSystem>/.exec(parts['m.ovf'].toString())![0];
    const other = system.replace(/ovf:id="m"/, 'ovf:id="n"').replace(/<Name>m<\/Name>/, '<Name>n</Name>');
    const both = `<VirtualSystemCollection ovf:id="all"><Info>two</Info>${system}${other}</VirtualSystemCollection>`;
    const ovf = Buffer.from(parts['m.ovf'].toString().replace(system, both));
    await writeFile(path('all.ova'), tar([{ name: 'all.ovf', bytes: ovf }, whole()[2]!]));
    const { code, stderr } = await vmferry(['convert', 'all.ova', '--to', 'x.raw', '-q']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/2 machines.*all\.ova::n/);
    expect((await vmferry(['convert', 'all.ova::n', '--to', 'x.raw', '-q'])).code).toBe(0);
    expect((await readFile(path('x.raw'))).equals(disk)).toBe(true);
    const listed = values((await vmferry(['list', '.', '--json'])).stdout) as { machine: { id: string } }[];
    const inner = listed.flatMap((item) => item.machine.id.split('::')[1] ?? []);
    expect(inner.sort()).toEqual(['m', 'n']);
  });
});

describeWith(['virt-v2v'], 'virt-v2v', () => {
  it('accepts an OVA of ours', async () => {
    const { run: vmferry, path } = await prepared();
    await writeFile(path('disk.raw'), disk);
    const args = ['convert', 'disk.raw', '--to', 'v.ova', '--cpus', '3', '--memory', '512M', '-q'];
    expect(await vmferry(args)).toMatchObject({ code: 0 });
    const { stdout } = await run('virt-v2v', ['-i', 'ova', path('v.ova'), '-o', 'null', '--print-source'], {
      env: { ...process.env, LIBGUESTFS_BACKEND: 'direct' },
    });
    expect(stdout).toMatch(/memory: 536870912/);
    expect(stdout).toMatch(/nr vCPUs: 3/);
  });
});

/** An OVF of two disks, by editing one of ours. */
async function makeTwoDisks(folder: string, second: Buffer): Promise<void> {
  const { run: vmferry, path } = await place();
  await writeFile(path('second.raw'), second);
  expect((await vmferry(['convert', 'second.raw', '--to', 's.ovf', '-q'])).code).toBe(0);
  await mkdir(folder, { recursive: true });
  await rename(path('s-disk1.vmdk'), join(folder, 'm-disk2.vmdk'));
  const bytes = await readFile(join(folder, 'm-disk2.vmdk'));
  await writeFile(join(folder, 'm-disk1.vmdk'), parts['m-disk1.vmdk']);
  const text = parts['m.ovf'].toString();
  const twice = (pattern: RegExp, change: (found: string) => string) => (xml: string) =>
    xml.replace(pattern, (found) => found + change(found));
  const ovf = [
    twice(/<File [^>]*\/>/, (f) =>
      f
        .replace('disk1', 'disk2')
        .replace('file1', 'file2')
        .replace(/ovf:size="\d+"/, `ovf:size="${bytes.length}"`),
    ),
    twice(/<Disk [^>]*\/>/, (f) =>
      f
        .replace(/ovf:diskId="[^"]*"/, 'ovf:diskId="second"')
        .replace('file1', 'file2')
        .replace(/ovf:capacity="\d+"/, `ovf:capacity="${second.length}"`)
        .replace(/ ovf:populatedSize="\d+"/, ''),
    ),
    twice(/<Item>(?:(?!<\/Item>)[\s\S])*ovf:\/disk\/[\s\S]*?<\/Item>/, (f) =>
      f
        .replace(/ovf:\/disk\/[^<]*/, 'ovf:/disk/second')
        .replace(/<rasd:InstanceID>\d+/, '<rasd:InstanceID>99')
        .replace(/<rasd:AddressOnParent>\d+/, '<rasd:AddressOnParent>1'),
    ),
  ].reduce((xml, change) => change(xml), text);
  await writeFile(join(folder, 'm.ovf'), ovf);
}

import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fileSink } from '../../../src/io/file-sink.ts';
import { fileSource } from '../../../src/io/file-source.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { MiB } from '../../../src/model/units.ts';
import { type PackageDelivery, packAsOva, packAsOvf } from '../../../src/packages/ovf/delivery.ts';
import { parseManifest, verifyManifest } from '../../../src/packages/ovf/manifest.ts';
import { readTarIndex } from '../../../src/packages/ovf/tar.ts';
import { encodeTarHeader } from '../../../src/packages/ovf/tar-header.ts';
import { qemuImg } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';

const run = promisify(execFile);

/** A delivery into a folder. */
function folderDelivery(folder: string): PackageDelivery {
  return {
    sink: ({ name }) => fileSink(join(folder, name)),
    commit: async () => [folder],
    rollback: async () => [],
  };
}

const machine: Machine = {
  id: 'm',
  name: 'm',
  state: 'off',
  system: { name: 'Debian 12 <"&\'>', family: 'linux', architecture: 'x86_64' },
  processors: { count: 2 },
  memoryBytes: 512 * MiB,
  firmware: { kind: 'uefi' },
  disks: [
    { id: 'one', name: 'one', files: [], bus: 'scsi', controllerModel: 'lsilogic', controller: 0, unit: 0 },
    { id: 'two', name: 'two', files: [], bus: 'ide', controller: 0, unit: 0 },
  ],
  nics: [{ mac: '00:16:3e:12:34:56', network: 'VM Network', model: 'e1000' }],
  findings: [],
};
const request = {
  name: 'harbour',
  machine,
  disks: ['one', 'two'].map((id, i) => ({
    fileName: `harbour-disk${i + 1}.vmdk`,
    capacityBytes: 8 * MiB,
    machineDisk: id,
  })),
};

/** Two streamOptimized disks by qemu-img. */
async function makeDisks(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const { fileName, capacityBytes } of request.disks) {
    const raw = join(folder, 'raw');
    const bytes = Buffer.alloc(capacityBytes);
    bytes.write(fileName, 3 * MiB);
    await writeFile(raw, bytes);
    const path = join(folder, fileName);
    await qemuImg('convert', '-q', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, path);
    paths.push(path);
  }
  return paths;
}

async function pack(
  packer: (inner: PackageDelivery, request: never) => PackageDelivery,
  folder: string,
): Promise<string> {
  const made = join(folder, 'made');
  const out = join(folder, 'out');
  await mkdir(made);
  await mkdir(out);
  const packed = packer(folderDelivery(out), request as never);
  for (const path of await makeDisks(made)) {
    const bytes = await readFile(path);
    const sink = await packed.sink({ name: path.slice(made.length + 1) });
    for (let at = 0; at < bytes.length; at += 65_536) await sink.write(bytes.subarray(at, at + 65_536), at);
    await sink.finish(bytes.length);
  }
  await packed.commit();
  return out;
}

describeWith(['tar', 'qemu-img', 'sha256sum', 'python3'], 'tar judges our OVA', () => {
  it('lists and extracts; checksums and XML are good', async () => {
    const folder = await tempFolder();
    const out = await pack(packAsOva, folder);
    const { stdout } = await run('tar', ['tf', join(out, 'harbour.ova')]);
    const names = ['harbour.ovf', 'harbour-disk1.vmdk', 'harbour-disk2.vmdk', 'harbour.mf'];
    expect(stdout.trim().split('\n')).toEqual(names);
    await run('tar', ['xf', join(out, 'harbour.ova'), '-C', out]);
    for (const { fileName } of request.disks) {
      expect(await readFile(join(out, fileName))).toEqual(await readFile(join(folder, 'made', fileName)));
    }
    const lines = (await readFile(join(out, 'harbour.mf'), 'utf8')).replace(
      /SHA256\((.*)\)= (.*)/g,
      (_all, name, hex) => `${hex}  ${name}`,
    );
    await writeFile(join(out, 'sums'), lines);
    await run('sha256sum', ['--strict', '-c', 'sums'], { cwd: out });
    const script = 'import sys, xml.dom.minidom as m; print(m.parse(sys.argv[1]).documentElement.tagName)';
    const parsed = await run('python3', ['-c', script, join(out, 'harbour.ovf')]);
    expect(parsed.stdout.trim()).toBe('Envelope');
  });

  it('reads our header of a member larger than 8 GiB', async () => {
    const folder = await tempFolder();
    const size = 9 * 2 ** 30 + 3;
    const sink = await fileSink(join(folder, 'big.tar'));
    await sink.write(encodeTarHeader('big.vmdk', size, 1_700_000_000), 0);
    await sink.finish(512 + Math.ceil(size / 512) * 512 + 1024);
    const { stdout } = await run('tar', ['tvf', join(folder, 'big.tar')]);
    expect(stdout).toContain(` ${size} `);
    const python = 'import sys, tarfile; print([(m.name, m.size) for m in tarfile.open(sys.argv[1])])';
    const other = await run('python3', ['-c', python, join(folder, 'big.tar')]);
    expect(other.stdout.trim()).toBe(`[('big.vmdk', ${size})]`);
  });
});

describeWith(['tar', 'truncate'], 'archives by GNU tar are read', () => {
  for (const format of ['ustar', 'gnu', 'posix', 'v7', 'oldgnu']) {
    it(format, async () => {
      const folder = await tempFolder();
      const long = `${'long-'.repeat(25)}disk.vmdk`;
      const names = ['a.ovf', 'disk ü.vmdk', ...(format === 'v7' || format === 'ustar' ? [] : [long])];
      for (const [i, name] of names.entries())
        await writeFile(join(folder, name), Buffer.alloc(1000 * i + 7, 65 + i));
      // Sizes past 8 GiB: octal can't hold them, each format has its own way.
      const large = format === 'gnu' || format === 'posix';
      if (large) await run('truncate', ['-s', String(9 * 2 ** 30 + 1), join(folder, 'big')]);
      const archive = join(folder, 'x.ova');
      const all = large ? [...names, 'big'] : names;
      // The sparse file goes into a pipe of which only the head is kept: 9 GiB are not written.
      const head = large ? `| head -c 65536 > '${archive}'` : `> '${archive}'`;
      await run('sh', ['-c', `tar cf - --format=${format} "$@" ${head}`, 'sh', ...all], { cwd: folder });
      if (large) await run('truncate', ['-s', String(9 * 2 ** 30 + 65_536), archive]);
      const source = await fileSource(archive);
      const { members } = await readTarIndex(source);
      expect(members.map((m) => m.name)).toEqual(all);
      for (const [i, name] of names.entries()) {
        const member = members.find((m) => m.name === name)!;
        expect(member.size).toBe(1000 * i + 7);
        const bytes = Buffer.alloc(member.size);
        await source.read(bytes, member.offset);
        expect(bytes.equals(Buffer.alloc(member.size, 65 + i))).toBe(true);
      }
      if (large) expect(members.at(-1)!.size).toBe(9 * 2 ** 30 + 1);
      await source.close();
    });
  }
});

describeWith(['virt-v2v', 'qemu-img'], 'virt-v2v reads our packages', () => {
  for (const [name, packer, file] of [
    ['an OVA', packAsOva, 'harbour.ova'],
    ['an OVF folder', packAsOvf, ''],
  ] as const) {
    it(name, async () => {
      const folder = await tempFolder();
      const out = await pack(packer, folder);
      const { stdout } = await run(
        'virt-v2v',
        ['-i', 'ova', join(out, file), '-o', 'null', '--print-source'],
        { env: { ...process.env, LIBGUESTFS_BACKEND: 'direct' } },
      );
      const said = stdout.replace(/[ \t]+/g, ' ');
      expect(said).toContain('source name: harbour');
      expect(said).toContain(`memory: ${512 * MiB}`);
      expect(said).toMatch(/nr vCPUs: 2/);
      expect(said).toMatch(/firmware: uefi/);
      expect(said).toMatch(/\[scsi\]/);
      expect(said).toMatch(/\[ide\]/);
      expect(said).toContain('00:16:3e:12:34:56');
    });
  }
});

describe('manifest of an OVF folder', () => {
  it('verifies through file sources', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'a'), 'hello');
    const entries = parseManifest(Buffer.from('SHA1(a)= aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d\n'), 'm');
    await verifyManifest(entries, (name) => fileSource(join(folder, name)));
  });
});

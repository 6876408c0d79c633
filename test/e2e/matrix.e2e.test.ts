/** Every format that is read, to every format that is written, by the built program; qemu-img judges. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkImage, compareImages, imageInfo, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, place, values } from './program.ts';

/** A multiple of the sector and of nothing more; QEMU's VMDK and qcow2 can say it. */
const size = 5 * 2 ** 20 + 1536;

interface Made {
  /** Of the image to convert. */
  readonly path: string;
  /** What it holds: mostly the raw disk it was made of. */
  readonly truth: { readonly path: string; readonly format: string };
}
type Maker = (folder: string) => Promise<Made>;

const sources: Record<string, Maker> = {
  raw: async (folder) => {
    const path = await rawDisk(folder);
    return { path, truth: { path, format: 'raw' } };
  },
  'qcow2 version 2': byQemu('qcow2', 'compat=0.10'),
  'qcow2 version 3': byQemu('qcow2', 'compat=1.1,lazy_refcounts=on'),
  'qcow2 of small clusters': byQemu('qcow2', 'cluster_size=512'),
  'qcow2 compressed by zlib': byQemu('qcow2', 'compression_type=zlib', '-c'),
  'qcow2 compressed by zstd': byQemu('qcow2', 'compression_type=zstd', '-c'),
  'VMDK monolithicSparse': byQemu('vmdk', 'subformat=monolithicSparse'),
  'VMDK streamOptimized': byQemu('vmdk', 'subformat=streamOptimized'),
  'VMDK monolithicFlat': byQemu('vmdk', 'subformat=monolithicFlat'),
  'VMDK twoGbMaxExtentSparse': byQemu('vmdk', 'subformat=twoGbMaxExtentSparse'),
  'VMDK twoGbMaxExtentFlat': byQemu('vmdk', 'subformat=twoGbMaxExtentFlat'),
  'VHD dynamic': byQemu('vpc', 'subformat=dynamic,force_size=on'),
  'VHD fixed': byQemu('vpc', 'subformat=fixed,force_size=on'),
  'qcow2 over qcow2 over raw': async (folder) => {
    await rawDisk(folder);
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'disk.raw', '-F', 'raw', join(folder, 'a.qcow2'));
    await scribble(folder, 'a.qcow2', 'qcow2', 66_560);
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'a.qcow2', '-F', 'qcow2', join(folder, 'b.qcow2'));
    await scribble(folder, 'b.qcow2', 'qcow2', 2_097_152);
    return itself(join(folder, 'b.qcow2'), 'qcow2');
  },
  'qcow2 over VMDK': async (folder) => {
    await convertByQemu(folder, 'vmdk', 'subformat=monolithicSparse', 'a.vmdk');
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'a.vmdk', '-F', 'vmdk', join(folder, 'b.qcow2'));
    await scribble(folder, 'b.qcow2', 'qcow2', 3_000_320);
    return itself(join(folder, 'b.qcow2'), 'qcow2');
  },
  'VMDK over VMDK': async (folder) => {
    await convertByQemu(folder, 'vmdk', 'subformat=monolithicSparse', 'a.vmdk');
    await qemuImg('create', '-q', '-f', 'vmdk', '-b', 'a.vmdk', '-F', 'vmdk', join(folder, 'b.vmdk'));
    await scribble(folder, 'b.vmdk', 'vmdk', 131_072);
    return itself(join(folder, 'b.vmdk'), 'vmdk');
  },
};

interface Target {
  readonly file: string;
  /** Options of ours. */
  readonly set?: readonly string[];
  /** As qemu names it. */
  readonly format: string;
}

const targets: Record<string, Target> = {
  raw: { file: 'out.raw', format: 'raw' },
  'raw, preallocated': { file: 'out.img', set: ['preallocation=full'], format: 'raw' },
  qcow2: { file: 'out.qcow2', format: 'qcow2' },
  'qcow2, zlib': { file: 'out.qcow2', set: ['compression=zlib'], format: 'qcow2' },
  'qcow2, zstd': { file: 'out.qcow2', set: ['compression=zstd'], format: 'qcow2' },
  'qcow2, clusters of 4K': { file: 'out.qcow2', set: ['clusterSize=4K'], format: 'qcow2' },
  'VMDK monolithicSparse': { file: 'out.vmdk', set: ['subformat=monolithicSparse'], format: 'vmdk' },
  'VMDK streamOptimized': { file: 'out.vmdk', set: ['subformat=streamOptimized'], format: 'vmdk' },
  'VMDK monolithicFlat': { file: 'out.vmdk', set: ['subformat=monolithicFlat'], format: 'vmdk' },
  'VMDK twoGbMaxExtentSparse': { file: 'out.vmdk', set: ['subformat=twoGbMaxExtentSparse'], format: 'vmdk' },
  'VMDK twoGbMaxExtentFlat': { file: 'out.vmdk', set: ['subformat=twoGbMaxExtentFlat'], format: 'vmdk' },
  'VHD dynamic': { file: 'out.vhd', format: 'vpc' },
  'VHD fixed': { file: 'out.vhd', set: ['subformat=fixed'], format: 'vpc' },
};

describeWith(['qemu-img', 'qemu-io'], 'from each format to each', () => {
  const names = Object.keys(targets);
  // Each source to raw, to qcow2 and to one more in turn; each target from the raw disk and from a compressed one.
  const pairs = Object.keys(sources).flatMap((source, i) => {
    const all = source === 'raw' || source === 'qcow2 compressed by zlib';
    return all ? [{ source, to: names }] : [{ source, to: ['raw', 'qcow2', names[i % names.length]!] }];
  });
  it.each(pairs)('$source', async ({ source, to }) => {
    const { run, folder, path } = await place();
    const made = await sources[source]!(folder);
    for (const [i, name] of to.entries()) {
      const { file, set = [], format } = targets[name]!;
      const out = `${i}/${file}`;
      const options = set.flatMap((option) => ['--set', option]);
      const { code, stderr, stdout } = await run(['convert', made.path, '--to', out, ...options]);
      expect(code, `${source} to ${name}: ${stderr}`).toBe(0);
      expect(stdout.split('\n')[0]).toContain(`/${i}/`);
      await compareImages(made.truth.path, made.truth.format, path(out), format);
      expect((await imageInfo(path(out), format))['virtual-size'], name).toBe(size);
      if (format === 'qcow2' || format === 'vmdk') await checkImage(path(out), format);
    }
  });

  it('a size that is no multiple of the sector: kept by raw, rounded up by others and said', async () => {
    const { run, path } = await place();
    const bytes = oddDisk(2 * 2 ** 20 + 77);
    await writeFile(path('odd.raw'), bytes);
    const raw = await run(['convert', 'odd.raw', '--to', 'same.raw']);
    expect(raw).toMatchObject({ code: 0 });
    expect(bytes.equals(await readFile(path('same.raw')))).toBe(true);
    const { code, stdout } = await run(['convert', 'odd.raw', '--to', 'out.qcow2', '--json']);
    expect(code).toBe(0);
    const findings = values(stdout).find((v) => v.type === 'findings')!.findings as { rule: string }[];
    expect(findings.map((f) => f.rule)).toContain('disk.size-not-representable');
    await compareImages(path('odd.raw'), 'raw', path('out.qcow2'), 'qcow2');
    await checkImage(path('out.qcow2'), 'qcow2');
  });
});

async function rawDisk(folder: string): Promise<string> {
  const path = join(folder, 'disk.raw');
  await writeFile(path, oddDisk(size));
  return path;
}

async function convertByQemu(
  folder: string,
  format: string,
  options: string,
  name: string,
  ...more: string[]
) {
  const raw = await rawDisk(folder);
  const path = join(folder, name);
  await qemuImg('convert', '-q', ...more, '-f', 'raw', '-O', format, '-o', options, raw, path);
  return path;
}

function byQemu(format: string, options: string, ...more: string[]): Maker {
  return async (folder) => {
    const extension = format === 'vpc' ? 'vhd' : format;
    const path = await convertByQemu(folder, format, options, `source.${extension}`, ...more);
    return { path, truth: { path: join(folder, 'disk.raw'), format: 'raw' } };
  };
}

const itself = (path: string, format: string): Made => ({ path, truth: { path, format } });

async function scribble(folder: string, name: string, format: string, at: number): Promise<void> {
  await qemuIo(format, join(folder, name), `write -P 85 ${at} 66048`, `write -z ${at + 262_144} 65536`);
}

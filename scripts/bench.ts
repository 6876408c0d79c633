/**
 * `npm run bench [-- --mib 2048 --size 8G --pairs 5 --only "raw -> qcow2" --folder F --markdown]`: conversions beside
 * `qemu-img convert`, whole processes, in pairs in one run, the order changing with each pair. Printed is the median
 * of the ratios of time (ours / theirs): under 1.00 we are faster. The image: a quarter random bytes, a quarter text,
 * a quarter records as of a database, the rest zeros that were written, in stretches of 8 MiB over the whole size;
 * what is between is holes. First come the limits of the machine: what plain tools need for the same bytes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { deflateRawSync } from 'node:zlib';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '2048' },
    size: { type: 'string', default: '8G' },
    pairs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    folder: { type: 'string', default: tmpdir() },
    markdown: { type: 'boolean', default: false },
  },
});
const MiB = 2 ** 20;
const mib = Number(values.mib);
const sizeMib = values.size.endsWith('G')
  ? Number.parseFloat(values.size) * 1024
  : Number.parseFloat(values.size);
const pairs = Number(values.pairs);
const folder = mkdtempSync(join(values.folder, 'vmferry-bench-'));
const at = (name: string) => join(folder, name);
const home = at('home');

interface Kind {
  readonly name: string;
  readonly extension: string;
  /** As `qemu-img -f` and `-O` name it. */
  readonly qemu: string;
  readonly qemuOptions?: readonly string[];
  readonly ours?: readonly string[];
}
const plain: readonly Kind[] = [
  { name: 'raw', extension: 'raw', qemu: 'raw' },
  { name: 'qcow2', extension: 'qcow2', qemu: 'qcow2' },
  { name: 'VMDK', extension: 'vmdk', qemu: 'vmdk', qemuOptions: ['-o', 'subformat=monolithicSparse'] },
  { name: 'VHD', extension: 'vhd', qemu: 'vpc', qemuOptions: ['-o', 'subformat=dynamic'] },
  { name: 'VHDX', extension: 'vhdx', qemu: 'vhdx', qemuOptions: ['-o', 'subformat=dynamic'] },
  { name: 'VDI', extension: 'vdi', qemu: 'vdi' },
];
const zlib: Kind = {
  name: 'qcow2 zlib',
  extension: 'zlib.qcow2',
  qemu: 'qcow2',
  qemuOptions: ['-c'],
  ours: ['--set', 'compression=zlib'],
};
const zstd: Kind = {
  name: 'qcow2 zstd',
  extension: 'zstd.qcow2',
  qemu: 'qcow2',
  qemuOptions: ['-c', '-o', 'compression_type=zstd'],
  ours: ['--set', 'compression=zstd'],
};
const stream: Kind = {
  name: 'streamOptimized VMDK',
  extension: 'stream.vmdk',
  qemu: 'vmdk',
  qemuOptions: ['-o', 'subformat=streamOptimized'],
  ours: ['--set', 'subformat=streamOptimized'],
};
const [raw] = plain as [Kind];

interface Case {
  readonly from: Kind;
  readonly to: Kind;
  readonly small?: boolean;
}
const cases: readonly Case[] = [
  ...plain.flatMap((from) => plain.filter((to) => to !== from).map((to) => ({ from, to }))),
  ...[stream, zlib, zstd].map((to) => ({ from: raw, to })),
  ...[stream, zlib, zstd].map((from) => ({ from, to: raw })),
  { from: raw, to: plain[1]!, small: true },
];
const nameOf = ({ from, to, small }: Case) => `${from.name} -> ${to.name}${small ? ', 10 MiB' : ''}`;

function makeImage(path: string, dataMib: number, wholeMib: number): void {
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(MiB);
  const stretches = Math.max(1, Math.floor(dataMib / 8));
  const step = Math.max(8, Math.floor(wholeMib / stretches));
  for (let i = 0; i < dataMib; i++) {
    fill(block, i);
    writeSync(fd, block, 0, MiB, (Math.floor(i / 8) * step + (i % 8)) * MiB);
  }
  ftruncateSync(fd, wholeMib * MiB);
  closeSync(fd);
}

const words = 'the machine boots from its first disk and finds its network again\n'.split(' ');

function fill(block: Buffer, i: number): void {
  const seed = createHash('sha256').update(String(i)).digest();
  if (i % 4 === 3) return void block.fill(0);
  let x = seed.readUInt32LE(0) | 1;
  const next = () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  if (i % 4 === 0) {
    for (let o = 0; o < block.length; o += 4) block.writeUInt32LE(next(), o);
  } else if (i % 4 === 1) {
    let text = '';
    while (text.length < block.length) text += `${words[next() % words.length]} ${next() % 1000} `;
    block.write(text, 'latin1');
  } else {
    for (let o = 0; o < block.length; o += 64) {
      block.fill(0, o, o + 64);
      block.writeUInt32LE(o / 64, o);
      block.writeUInt32LE(next(), o + 8);
      block.write('record', o + 20, 'latin1');
    }
  }
}

interface Usage {
  readonly seconds: number;
  /** The most memory that it had, MiB; 0 where GNU time is not there to tell. */
  readonly residentMib: number;
}

const timeTool = '/usr/bin/time';
const hasTime = existsSync(timeTool);

function run(command: string, args: readonly string[]): Usage {
  const report = at('time.txt');
  const [program, all] = hasTime
    ? [timeTool, ['-f', '%M', '-o', report, command, ...args]]
    : [command, [...args]];
  const start = process.hrtime.bigint();
  execFileSync(program, all, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, VMFERRY_HOME: home },
  });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  return { seconds, residentMib: hasTime ? Number(readFileSync(report, 'utf8').trim()) / 1024 : 0 };
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;

const line = (cells: readonly string[]): string =>
  values.markdown
    ? `| ${cells.join(' | ')} |`
    : cells.map((cell, i) => (i === 0 ? cell.padEnd(32) : cell.padStart(10))).join(' ');

function limits(): void {
  const source = at('disk.raw');
  const tell = (what: string, seconds: number, bytes = mib * MiB) =>
    console.log(line([what, `${seconds.toFixed(2)} s`, `${Math.round(bytes / MiB / seconds)} MiB/s`]));
  console.log(line(['limit', 'time', 'rate']));
  if (values.markdown) console.log('|---|--:|--:|');
  const times = (work: () => void) =>
    median(
      Array.from({ length: 3 }, () => {
        const start = performance.now();
        work();
        return (performance.now() - start) / 1000;
      }),
    );
  const copy = times(() => {
    execFileSync('cp', ['--sparse=always', source, at('copy.raw')]);
    rmSync(at('copy.raw'));
  });
  tell('cp --sparse=always', copy);
  tell(
    'cat >/dev/null (holes too)',
    times(() => execFileSync('sh', ['-c', 'cat "$1" >/dev/null', 'sh', source])),
    sizeMib * MiB,
  );
  const sample = Buffer.alloc(64 * MiB);
  for (let i = 0; i < 64; i++) fill(sample.subarray(i * MiB, (i + 1) * MiB), i);
  const deflate = times(() => {
    for (let o = 0; o < sample.length; o += 65_536) deflateRawSync(sample.subarray(o, o + 65_536));
  });
  tell('deflate of 64 KiB clusters, one core', deflate, sample.length);
  console.log('');
}

function measure(one: Case): void {
  const { from, to, small } = one;
  const source = at(small ? 'small.raw' : `disk.${from.extension}`);
  if (!existsSync(source)) {
    execFileSync('qemu-img', [
      'convert',
      '-O',
      from.qemu,
      ...(from.qemuOptions ?? []),
      at('disk.raw'),
      source,
    ]);
  }
  const ratios: number[] = [];
  const ours: Usage[] = [];
  const theirs: Usage[] = [];
  let size = 0;
  for (let i = 0; i < pairs; i++) {
    const mine = at(`ours.${to.extension}`);
    const other = at(`theirs.${to.extension}`);
    const cli = ['dist/cli.js', 'convert', source, '--to', mine, '--quiet', ...(to.ours ?? [])];
    const runs = [
      () => ours.push(run(process.execPath, cli)),
      () =>
        theirs.push(
          run('qemu-img', [
            'convert',
            '-f',
            from.qemu,
            '-O',
            to.qemu,
            ...(to.qemuOptions ?? []),
            source,
            other,
          ]),
        ),
    ];
    for (const go of i % 2 === 0 ? runs : runs.reverse()) go();
    ratios.push(ours.at(-1)!.seconds / theirs.at(-1)!.seconds);
    if (i === 0) {
      size = (statSync(mine).blocks || 1) / (statSync(other).blocks || 1);
      execFileSync('qemu-img', ['compare', '-q', '-f', to.qemu, '-F', to.qemu, mine, other]);
    }
    rmSync(mine);
    rmSync(other);
  }
  const seconds = (list: readonly Usage[]) => `${median(list.map((u) => u.seconds)).toFixed(2)} s`;
  console.log(
    line([
      nameOf(one),
      median(ratios).toFixed(2),
      seconds(ours),
      seconds(theirs),
      size.toFixed(3),
      `${Math.round(Math.max(...ours.map((u) => u.residentMib)))} MiB`,
    ]),
  );
}

try {
  makeImage(at('disk.raw'), mib, sizeMib);
  makeImage(at('small.raw'), 10, 10);
  const version = execFileSync('qemu-img', ['--version'], { encoding: 'utf8' }).split('\n')[0];
  console.log(`${mib} MiB of data in a disk of ${values.size}, ${pairs} pairs; ${version}\n`);
  limits();
  console.log(line(['conversion', 'ratio', 'ours', 'qemu-img', 'size', 'memory']));
  if (values.markdown) console.log('|---|--:|--:|--:|--:|--:|');
  let last = cases[0]!.from;
  for (const one of cases.filter((c) => nameOf(c).includes(values.only))) {
    if (one.from !== last && last !== raw) rmSync(at(`disk.${last.extension}`), { force: true });
    last = one.from;
    measure(one);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

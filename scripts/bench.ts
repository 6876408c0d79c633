/**
 * `npm run bench [-- --mib 1024 --pairs 5 --only raw,vmdk]`: conversions beside `qemu-img convert`, in pairs in
 * one run, the order changing with each pair. Printed is the median of the ratios of time (ours / theirs): under
 * 1.00 we are faster. The image: a quarter text, a quarter random bytes, a quarter of records as in a database,
 * the rest zeros that were written; as much again is holes.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    pairs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const mib = Number(values.mib);
const pairs = Number(values.pairs);
const folder = mkdtempSync(join(values.folder, 'vmferry-bench-'));
const at = (name: string) => join(folder, name);
const home = at('home');

interface Case {
  readonly name: string;
  readonly from: readonly [name: string, format: string];
  readonly to: readonly [name: string, qemu: readonly string[], ours: readonly string[]];
}
const stream = ['-O', 'vmdk', '-o', 'subformat=streamOptimized'];
const cases: readonly Case[] = [
  { name: 'raw -> qcow2', from: ['disk.raw', 'raw'], to: ['out.qcow2', ['-O', 'qcow2'], []] },
  { name: 'qcow2 -> raw', from: ['disk.qcow2', 'qcow2'], to: ['out.raw', ['-O', 'raw'], []] },
  {
    name: 'raw -> streamOptimized VMDK',
    from: ['disk.raw', 'raw'],
    to: ['out.vmdk', stream, ['--set', 'subformat=streamOptimized']],
  },
  {
    name: 'streamOptimized VMDK -> qcow2',
    from: ['disk.vmdk', 'vmdk'],
    to: ['out.qcow2', ['-O', 'qcow2'], []],
  },
];

function makeImage(path: string): void {
  const fd = openSync(path, 'w');
  const block = Buffer.alloc(1024 * 1024);
  const words = 'the machine boots from its first disk and finds its network again\n'.split(' ');
  for (let i = 0; i < mib; i++) {
    fill(block, i, words);
    // Stretches of 8 MiB with as much left open behind each.
    writeSync(fd, block, 0, block.length, (i + Math.floor(i / 8) * 8) * block.length);
  }
  ftruncateSync(fd, mib * 2 * block.length);
  closeSync(fd);
}

function fill(block: Buffer, i: number, words: readonly string[]): void {
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

function seconds(command: string, args: readonly string[]): number {
  const start = process.hrtime.bigint();
  execFileSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, VMFERRY_HOME: home },
  });
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const median = (list: readonly number[]): number =>
  [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]!;

try {
  makeImage(at('disk.raw'));
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', at('disk.raw'), at('disk.qcow2')]);
  execFileSync('qemu-img', ['convert', ...stream, at('disk.raw'), at('disk.vmdk')]);
  console.log(
    `${mib} MiB of data, ${pairs} pairs; ${execFileSync('qemu-img', ['--version'], { encoding: 'utf8' }).split('\n')[0]}`,
  );
  for (const { name, from, to } of cases.filter((c) => values.only === '' || c.name.includes(values.only))) {
    const [source, format] = from;
    const [target, qemu, ours] = to;
    const times: { ours: number; theirs: number }[] = [];
    const sizes = { ours: 0, theirs: 0 };
    for (let i = 0; i < pairs; i++) {
      const pair = { ours: 0, theirs: 0 };
      const run = {
        ours: () =>
          seconds(process.execPath, [
            'dist/cli.js',
            'convert',
            at(source),
            '--to',
            at(`ours-${target}`),
            '--quiet',
            ...ours,
          ]),
        theirs: () =>
          seconds('qemu-img', ['convert', '-f', format, ...qemu, at(source), at(`theirs-${target}`)]),
      };
      for (const who of i % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const)) {
        pair[who] = run[who]();
        sizes[who] = statSync(at(`${who}-${target}`)).blocks * 512;
      }
      execFileSync('qemu-img', ['compare', '-q', at(`ours-${target}`), at(`theirs-${target}`)]);
      for (const who of ['ours', 'theirs'] as const) rmSync(at(`${who}-${target}`));
      times.push(pair);
    }
    const ratio = median(times.map((t) => t.ours / t.theirs));
    console.log(
      `${name.padEnd(30)} ratio ${ratio.toFixed(2)}  (ours ${median(times.map((t) => t.ours)).toFixed(2)} s, qemu-img ${median(times.map((t) => t.theirs)).toFixed(2)} s; size ${(sizes.ours / sizes.theirs).toFixed(3)} of theirs)`,
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

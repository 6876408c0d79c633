/**
 * `npm run fuzz -- --seconds 60 [--seed 1] [--only vhdx]`: damaged images through every reader. Each must be read or
 * refused with an AppError, within a second. The seeds are images of our own encoders in every layout; what is found
 * is printed with its number, so that `--seed N --runs 1` makes it again.
 */
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { Codec } from '../src/codecs/codec.ts';
import { codecs } from '../src/codecs/registry.ts';
import type { Options } from '../src/model/options.ts';
import { randomBytes, randomNumbers } from '../test/conformance/random.ts';
import { encodedBytes, survive } from '../test/hostile/mutations.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
    only: { type: 'string' },
  },
});
const slowest = 1000;

interface Seed {
  readonly codec: Codec;
  readonly name: string;
  readonly bytes: Buffer;
}

/** Data, zeros and data again: enough for tables with several entries. */
function content(): Buffer {
  const bytes = Buffer.alloc(640 * 1024);
  randomBytes(96 * 1024, 7).copy(bytes, 0);
  randomBytes(64 * 1024, 8).copy(bytes, 448 * 1024);
  return bytes;
}

/** Every value of every choice of the format, the other options at their defaults. */
function variants(codec: Codec): Options[] {
  const choices = (codec.encoder?.options ?? []).flatMap((spec): Options[] => {
    if (spec.kind === 'choice') return spec.choices.map((value) => ({ [spec.key]: value }));
    return spec.kind === 'boolean' ? [{ [spec.key]: true }] : [];
  });
  return [{}, ...choices];
}

async function seeds(): Promise<Seed[]> {
  const out: Seed[] = [];
  for (const codec of codecs) {
    if (codec.encoder === undefined || codec.id === 'raw') continue;
    if (values.only !== undefined && codec.id !== values.only) continue;
    for (const options of variants(codec)) {
      const bytes = await encodedBytes(codec, content(), options).catch(() => undefined);
      if (bytes !== undefined) out.push({ codec, name: `${codec.id} ${JSON.stringify(options)}`, bytes });
    }
  }
  return out;
}

/** Bytes, words and ranges changed, mostly near the ends, where the tables are; sometimes cut. */
function damaged(bytes: Buffer, seed: number): Buffer {
  const next = randomNumbers(seed);
  const within = (limit: number) => Math.floor(next() * limit);
  const copy = Buffer.from(bytes);
  const place = () => {
    const where = within(4);
    if (where === 0) return within(copy.length);
    if (where === 1) return Math.max(0, copy.length - 1 - within(2048));
    return within(Math.min(copy.length, 8192));
  };
  for (let i = within(6); i >= 0; i--) {
    const at = place();
    const kind = within(4);
    if (kind === 0) copy[at] = within(256);
    else if (kind === 1) copy[at] = copy[at]! ^ (1 << within(8));
    else if (kind === 2 && at + 8 <= copy.length)
      copy.writeBigUInt64LE(interesting[within(interesting.length)]!, at);
    else copy.fill(within(2) === 0 ? 0xff : 0, at, Math.min(copy.length, at + within(64)));
  }
  return within(8) === 0 ? copy.subarray(0, within(copy.length)) : copy;
}

const interesting = [
  0n,
  1n,
  0xffffffffn,
  0x80000000n,
  0x7fffffffffffffffn,
  0xffffffffffffffffn,
  1n << 40n,
  512n,
];

const all = await seeds();
const end = performance.now() + Number(values.seconds) * 1000;
const counts = { read: 0, refused: 0 };
let found = 0;
let most = 0;
const runs = values.runs === undefined ? Number.POSITIVE_INFINITY : Number(values.runs);
for (let i = 0; i < runs && performance.now() < end; i++) {
  const number = Number(values.seed) + i;
  const seed = all[number % all.length]!;
  const start = performance.now();
  try {
    counts[await survive(seed.codec, damaged(seed.bytes, number))]++;
  } catch (error) {
    found++;
    console.log(`seed ${number}, ${seed.name}:`, error);
  }
  const took = performance.now() - start;
  most = Math.max(most, took);
  if (took > slowest) {
    found++;
    console.log(`seed ${number}, ${seed.name}: took ${Math.round(took)} ms`);
  }
}
const megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(
  `${counts.read} read, ${counts.refused} refused, ${found} found; slowest ${Math.round(most)} ms, ${megabytes} MB at most; ${all.length} seeds`,
);
process.exit(found === 0 ? 0 : 1);

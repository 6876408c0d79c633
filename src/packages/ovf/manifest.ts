/**
 * The manifest (.mf) of a package: one line per file, `SHA256(name)= hex`. DSP0243 1.x says SHA1 (1.0) or SHA256
 * (2.0); openssl, whose output the form is, writes it with and without a space before the parenthesis.
 */
import { createHash } from 'node:crypto';
import type { ByteSource } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { MiB } from '../../model/units.ts';

export type ManifestHash = 'sha1' | 'sha256' | 'sha384' | 'sha512';

export interface ManifestEntry {
  readonly name: string;
  readonly hash: ManifestHash;
  /** Lower case. */
  readonly hex: string;
}

const digits: Record<ManifestHash, number> = { sha1: 40, sha256: 64, sha384: 96, sha512: 128 };
const readBlock = 4 * MiB;

/** @throws AppError `corrupt` for a line that is not an entry, `unsupported` for an unknown hash. */
export function parseManifest(bytes: Uint8Array, where: string): ManifestEntry[] {
  const entries: ManifestEntry[] = [];
  const seen = new Map<string, string>();
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  for (const [i, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n|\r/)
    .entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const at = `${where} line ${i + 1}`;
    const match = /^\s*([A-Za-z0-9-]+)\s*\((.*)\)\s*=\s*([0-9A-Fa-f]+)\s*$/.exec(line);
    if (match === null) throw new AppError('corrupt', 'not of the form "SHA256(name)= …"', { where: at });
    const hash = match[1]!.toLowerCase().replace('-', '') as ManifestHash;
    if (!Object.hasOwn(digits, hash))
      throw new AppError('unsupported', `the hash ${match[1]}`, { where: at });
    const name = match[2]!;
    const hex = match[3]!.toLowerCase();
    if (hex.length !== digits[hash]) {
      throw new AppError('corrupt', `${hex.length} digits where ${hash} has ${digits[hash]}`, { where: at });
    }
    const before = seen.get(`${hash} ${name}`);
    if (before !== undefined && before !== hex) {
      throw new AppError('corrupt', `"${name}" is in the manifest twice, with different sums`, { where: at });
    }
    if (before === undefined) entries.push({ name, hash, hex });
    seen.set(`${hash} ${name}`, hex);
  }
  return entries;
}

export function formatManifest(entries: readonly ManifestEntry[]): string {
  return entries.map((e) => `${e.hash.toUpperCase()}(${e.name})= ${e.hex}\n`).join('');
}

/** A member's checksum (hex), worked out where it lies; undefined where it has to be read for that. */
export type DigestThere = (
  name: string,
  hash: ManifestHash,
  signal: AbortSignal | undefined,
) => Promise<string | undefined>;

/**
 * Has every member summed, where it lies or by reading it once, and compares. `openMember` gives a file of the package
 * by its name, or undefined when there is none; each is closed here.
 * @throws AppError `corrupt` for a wrong sum or a missing file.
 */
export async function verifyManifest(
  entries: readonly ManifestEntry[],
  openMember: (name: string) => Promise<ByteSource | undefined>,
  signal?: AbortSignal,
  digestThere?: DigestThere,
): Promise<void> {
  for (const name of new Set(entries.map((e) => e.name))) {
    const wanted = entries.filter((e) => e.name === name);
    const source = await openMember(name);
    if (source === undefined) {
      throw new AppError('corrupt', `"${name}" is in the manifest but not in the package`, {
        where: name,
        hint: 'fetch the package again',
      });
    }
    try {
      const hashes = wanted.map((e) => e.hash);
      const found =
        (await sumsThere(name, hashes, digestThere, signal)) ?? (await digestsOf(source, hashes, signal));
      for (const { hash, hex } of wanted) {
        if (found.get(hash) === hex) continue;
        throw new AppError('corrupt', `${hash} is ${found.get(hash)}, the manifest says ${hex}`, {
          where: source.name,
          hint: 'the file was damaged or changed since it was packed; fetch the package again',
        });
      }
    } finally {
      await source.close();
    }
  }
}

/** Members that no manifest line covers: a finding, as some products leave out the descriptor. */
export function uncoveredMembers(entries: readonly ManifestEntry[], names: readonly string[]): Finding[] {
  const covered = new Set(entries.map((e) => e.name));
  return names
    .filter((name) => !covered.has(name) && !/\.(mf|cert)$/i.test(name))
    .map((name) => ({
      rule: 'ovf.not-in-manifest',
      severity: 'note' as const,
      message: "the manifest has no checksum of this file; it can't be verified",
      evidence: name,
    }));
}

/** Undefined unless all can be had. */
async function sumsThere(
  name: string,
  hashes: readonly ManifestHash[],
  digestThere: DigestThere | undefined,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<ManifestHash, string> | undefined> {
  const sums = new Map<ManifestHash, string>();
  for (const hash of new Set(hashes)) {
    const sum = await digestThere?.(name, hash, signal);
    if (sum === undefined) return undefined;
    sums.set(hash, sum);
  }
  return sums;
}

async function digestsOf(source: ByteSource, hashes: readonly ManifestHash[], signal?: AbortSignal) {
  const running = [...new Set(hashes)].map((name) => ({ name, hash: createHash(name) }));
  const length = Math.min(readBlock, source.size);
  // Two buffers: one is being read while the other is hashed.
  let ready = Buffer.allocUnsafe(length);
  let spare = Buffer.allocUnsafe(length);
  const readAt = (buffer: Buffer, at: number) =>
    source.read(buffer.subarray(0, Math.min(length, source.size - at)), at, signal);
  if (source.size > 0) await readAt(ready, 0);
  for (let at = 0; at < source.size; at += length) {
    throwIfAborted(signal);
    const next = at + length < source.size ? readAt(spare, at + length) : Promise.resolve();
    const bytes = ready.subarray(0, Math.min(length, source.size - at));
    for (const { hash } of running) hash.update(bytes);
    await next;
    [ready, spare] = [spare, ready];
  }
  return new Map(running.map(({ name, hash }) => [name, hash.digest('hex')]));
}

/**
 * `SHA256SUMS` beside files that were delivered, as `sha256sum -c` reads it: the sums are worked out where the files lie,
 * of what lies there.
 */
import { createHash, randomBytes } from 'node:crypto';
import { posix, resolve } from 'node:path';
import type { ByteSource } from '../io/byte-source.ts';
import type { Host } from '../io/host/host.ts';
import { localHost } from '../io/host/local-host.ts';
import { MiB } from '../model/units.ts';
import { packagePlace } from './host-packages.ts';

export const sumsName = 'SHA256SUMS';
const readBlock = 4 * MiB;

/**
 * Lines of other files stay as they are. @returns the path of the sums.
 * @throws AppError as reading and writing do; the sums of before are there still.
 */
export async function writeSums(
  host: Host,
  folder: string,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const sums = new Map<string, string>();
  for (const path of paths) sums.set(posix.relative(folder, path), await sumOf(host, path, signal));
  const path = posix.join(folder, sumsName);
  await inTurn(`${host.name}:${path}`, () => addSums(host, path, sums, signal));
  return path;
}

async function addSums(host: Host, path: string, sums: ReadonlyMap<string, string>, signal: AbortSignal) {
  const found = await host.files.stat(path, signal);
  const before = found === undefined ? '' : await host.files.text(path, { signal });
  const name = `.${sumsName}.vmferry-${randomBytes(4).toString('hex')}.part`;
  const temporary = posix.join(posix.dirname(path), name);
  await writeText(host, temporary, sumsText(before, sums), signal);
  try {
    await host.files.rename(temporary, path);
  } catch (error) {
    await host.files.remove(temporary).catch(() => undefined);
    throw error;
  }
}

/** Several deliveries of one run may end in one folder at once: the last one must not undo the others' lines. */
const turns = new Map<string, Promise<void>>();

async function inTurn(key: string, work: () => Promise<void>): Promise<void> {
  const turn = (turns.get(key) ?? Promise.resolve()).then(work);
  const ended = turn.catch(() => undefined);
  turns.set(key, ended);
  await turn.finally(() => {
    if (turns.get(key) === ended) turns.delete(key);
  });
}

/** As `writeSums`, on this computer. */
export const writeSumsHere = (folder: string, paths: readonly string[], signal: AbortSignal) =>
  writeSums(
    localHost(),
    resolve(folder),
    paths.map((path) => resolve(path)),
    signal,
  );

async function writeText(host: Host, path: string, text: string, signal: AbortSignal): Promise<void> {
  const sink = await host.files.create(path, { signal });
  try {
    const bytes = Buffer.from(text);
    if (bytes.length > 0) await sink.write(bytes, 0, signal);
    await sink.finish(bytes.length);
  } catch (error) {
    await sink.abort();
    await host.files.remove(path).catch(() => undefined);
    throw error;
  }
}

/** By the host itself, else by reading it. */
async function sumOf(host: Host, path: string, signal: AbortSignal): Promise<string> {
  const there = await packagePlace(host).digest?.(path, undefined, 'sha256', signal);
  if (there !== undefined) return there;
  const source = await host.files.open(path, signal);
  try {
    return await sumByReading(source, signal);
  } finally {
    await source.close();
  }
}

async function sumByReading(source: ByteSource, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(Math.min(readBlock, source.size));
  for (let at = 0; at < source.size; at += readBlock) {
    const part = buffer.subarray(0, Math.min(readBlock, source.size - at));
    await source.read(part, at, signal);
    hash.update(part);
  }
  return hash.digest('hex');
}

/** `before`, with the lines of these files replaced. */
export function sumsText(before: string, sums: ReadonlyMap<string, string>): string {
  const kept = before.split('\n').filter((line) => line !== '' && !sums.has(nameIn(line) ?? ''));
  const own = [...sums].map(([name, hex]) => sumLine(name, hex));
  return [...kept, ...own].map((line) => `${line}\n`).join('');
}

/** coreutils: a line whose name was escaped begins with a backslash. */
function sumLine(name: string, hex: string): string {
  const escaped = name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `${escaped === name ? '' : '\\'}${hex}  ${escaped}`;
}

function nameIn(line: string): string | undefined {
  const found = /^(\\?)[0-9a-fA-F]{64} [ *](.+)$/.exec(line);
  if (found === null) return undefined;
  const [, escaped, name = ''] = found;
  if (escaped === '') return name;
  return name.replace(/\\([\\nr])/g, (_, what: string) => ({ n: '\n', r: '\r' })[what] ?? '\\');
}

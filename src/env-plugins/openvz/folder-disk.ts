/**
 * A container whose private area is a folder (simfs), as a disk: tar reads it there, and it becomes a new ext4
 * filesystem in a nameless file here, which is gone when whoever reads it closes it.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ByteSource } from '../../io/byte-source.ts';
import { fileSink } from '../../io/file-sink.ts';
import { fileSource } from '../../io/file-source.ts';
import type { Host } from '../../io/host/host.ts';
import { AppError } from '../../model/errors.ts';
import { formatBytes } from '../../model/units.ts';
import { tarEntries } from '../../packages/ext4/tar-stream.ts';
import { writeExt4 } from '../../packages/ext4/writer.ts';
import type { OpenDisk } from '../plugin.ts';
import { diskSpaceBytes } from './conf.ts';
import { type Container, rootHint } from './container.ts';

/** How often it is told how far it is. */
const reportBytes = 256 * 2 ** 20;

export interface FolderPlace {
  readonly host: Host;
  /** Here: where the filesystem is put together. Empty: where temporary files are. */
  readonly temporary: string;
  report(step: string): void;
}

/** @throws AppError `auth`, `no-space`, `unsupported`, `corrupt`, `cancelled`. */
export async function openFolder(
  place: FolderPlace,
  container: Container,
  signal: AbortSignal,
): Promise<OpenDisk> {
  const where = `${place.host.name}:${container.privateArea}`;
  const path = join(place.temporary || tmpdir(), `.vmferry-openvz-${randomBytes(8).toString('hex')}`);
  const sink = await fileSink(path, { mode: 0o600 });
  try {
    place.report(`${container.ctid}: putting its folder into a filesystem`);
    await build(place, container, signal, (stream) =>
      writeExt4(tarEntries(stream, where), sink, where, {
        minimumBytes: diskSpaceBytes(container.conf),
        uuid: Buffer.from(randomUUID().replaceAll('-', ''), 'hex'),
        now: Math.floor(Date.now() / 1000),
        signal,
      }),
    );
    const source = await fileSource(path);
    // The name is taken away at once: whatever happens to us, the space comes back when the file is closed.
    await rm(path);
    return asDisk({ ...source, name: where });
  } catch (error) {
    await sink.abort();
    await rm(path, { force: true });
    throw error;
  }
}

const asDisk = (source: ByteSource): OpenDisk => ({
  source,
  format: 'raw',
  async sibling(name) {
    throw new AppError('not-found', `there is no "${name}" beside a folder`, { where: source.name });
  },
});

async function build(
  { host, report }: FolderPlace,
  { privateArea, ctid }: Container,
  signal: AbortSignal,
  write: (stream: AsyncIterable<Uint8Array>) => Promise<number>,
): Promise<void> {
  const attributes = await xattrOption(host, signal);
  if (attributes.length === 0)
    report('tar there does not know --xattrs: ACLs and capabilities of files are left out');
  const args = ['tar', '-C', privateArea!, '--format=posix', '--numeric-owner', '--sparse', ...attributes];
  const running = await host.spawn([...args, '-cf', '-', '.'], { signal });
  running.ended.catch(() => undefined); // told below
  running.stdin.end();
  const told = (async function* () {
    let bytes = 0;
    for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
      const before = bytes;
      bytes += chunk.length;
      if (Math.floor(bytes / reportBytes) > Math.floor(before / reportBytes))
        report(`${ctid}: ${formatBytes(bytes)} of its folder`);
      yield chunk;
    }
  })();
  let failure: unknown;
  await write(told).catch((error) => {
    failure = error;
    running.kill();
    // What it has said already would keep its end from coming.
    running.stdout.destroy();
  });
  signal.throwIfAborted();
  const end = await running.ended.catch((error) => {
    throw failure ?? error;
  });
  // 1: something changed while it was read.
  if (failure !== undefined && end.code <= 1) throw failure;
  if (end.code > 1) throw tarFailure(end.stderr, `${host.name}:${privateArea}`, failure);
  if (end.code === 1) report(`tar says: ${end.stderr.trim().slice(-300)}`);
}

/** Together with `--numeric-owner` it gives ACLs with numbers, as the kernel has them. */
async function xattrOption(host: Host, signal: AbortSignal): Promise<string[]> {
  const { code } = await host.run(['tar', '--xattrs', '--version'], { signal });
  return code === 0 ? ['--xattrs'] : [];
}

function tarFailure(stderr: string, where: string, cause: unknown): AppError {
  const why = stderr.trim().slice(-500);
  if (/permission denied/i.test(stderr))
    return new AppError('auth', `tar: ${why}`, { where, hint: rootHint });
  return new AppError('io', `tar can't read all of it: ${why}`, { where, cause });
}

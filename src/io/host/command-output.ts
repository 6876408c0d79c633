/** What commands say, gathered with a limit. */
import type { Readable } from 'node:stream';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import type { Running, RunOptions, RunResult } from './host.ts';

const lastKept = 64 * 1024;

/** Reads the stream to its end; what it returns tells the last 64 KiB so far. */
export function lastBytes(stream: Readable): () => string {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > lastKept) kept = kept.subarray(kept.length - lastKept);
  });
  stream.on('error', () => undefined); // the command's end tells
  return () => kept.toString();
}

/** Feeds the command its input and waits for its end. @throws AppError `io` when it says too much. */
export async function collect(
  running: Running,
  name: string,
  { input, maximumBytes = 16 * MiB }: RunOptions,
  where: string,
): Promise<RunResult> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  running.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= maximumBytes) chunks.push(chunk);
    else running.kill();
  });
  running.stdin.end(input === undefined ? undefined : Buffer.from(input));
  const end = await running.ended.catch((error) => {
    if (bytes <= maximumBytes) throw error;
    return { code: -1, stderr: '' };
  });
  if (bytes > maximumBytes)
    throw new AppError('io', `"${name}" says more than ${maximumBytes} bytes`, { where });
  return { code: end.code, stdout: Buffer.concat(chunks), stderr: end.stderr };
}

/** A body that is taken as it comes; the server waits while nobody takes. */
import { once } from 'node:events';
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { AppError } from '../../model/errors.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';

export interface Download {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The next bytes; undefined at the end. One call at a time. @throws AppError `unreachable`, `cancelled`. */
  next(): Promise<Buffer | undefined>;
  /** Cuts the connection when it is not at the end; never throws. */
  close(): void;
}

export interface DownloadOptions {
  readonly signal?: AbortSignal | undefined;
  /** For each silence while somebody waits, in milliseconds. */
  readonly silenceMs: number;
  lost(cause: unknown): AppError;
  silent(milliseconds: number): AppError;
}

/** Resolves with the head of the answer. @throws AppError. */
export async function downloadBy(sent: ClientRequest, options: DownloadOptions): Promise<Download> {
  const { signal, silenceMs } = options;
  let failed: AppError | undefined;
  let stop: (error: AppError) => void = () => undefined;
  const failing = new Promise<never>((_, reject) => {
    stop = (error) => {
      failed ??= error;
      unwatch();
      sent.destroy();
      reject(failed);
    };
  });
  failing.catch(() => undefined); // whoever waits is told
  const unwatch = onAbort(signal, () => stop(cancelledBy(signal)));
  sent.on('error', (error) => stop(options.lost(error)));
  if (signal?.aborted) stop(cancelledBy(signal));

  const within = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => stop(options.silent(silenceMs)), silenceMs);
    try {
      return await Promise.race([work, failing]);
    } catch (error) {
      throw error instanceof AppError ? error : options.lost(error);
    } finally {
      clearTimeout(timer);
    }
  };
  const answered = once(sent, 'response');
  answered.catch(() => undefined);
  sent.end();
  const [answer] = (await within(answered)) as [IncomingMessage];
  const chunks: AsyncIterator<Buffer> = answer[Symbol.asyncIterator]();
  return {
    status: answer.statusCode ?? 0,
    headers: answer.headers,
    async next() {
      if (failed !== undefined) throw failed;
      const next = chunks.next();
      next.catch(() => undefined);
      const { done, value } = await within(next);
      return done ? undefined : value;
    },
    close: () => stop(new AppError('cancelled', 'the download was given up')),
  };
}

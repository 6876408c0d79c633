/** A body that is sent as it is made. */
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { AppError } from '../../model/errors.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';

export interface Upload {
  /** Resolves when `bytes` may be used again. @throws AppError `unreachable`, `io` (the server said no), `cancelled`. */
  write(bytes: Uint8Array): Promise<void>;
  /** The body is whole: what the server says to it. */
  end(): Promise<{ readonly status: number; readonly body: Buffer }>;
  /** Cuts the connection; never throws. */
  abort(): void;
}

export interface UploadOptions {
  readonly signal?: AbortSignal | undefined;
  /** For the server to take a chunk, in milliseconds. */
  readonly silenceMs: number;
  /** For its answer to the whole, in milliseconds. */
  readonly answerMs: number;
  /** The server says yes before it takes the body, and closes the connection when it has all (XenServer). */
  readonly answersEarly?: boolean | undefined;
  lost(cause: unknown): AppError;
  silent(milliseconds: number): AppError;
}

const longestAnswer = 64 * 1024;

export function uploadBy(sent: ClientRequest, options: UploadOptions): Upload {
  const { signal, silenceMs, answerMs } = options;
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
  const answered = once(sent, 'response').then(([answer]: IncomingMessage[]) => {
    const { statusCode: status = 0 } = answer!;
    // The body would come when all was sent: there is none to wait for.
    if (options.answersEarly && status >= 300) stop(noMore(status));
    return wholeAnswer(answer!);
  });
  let ending = false;
  answered.then(
    (answer) => {
      // A server that answers before it has all takes no more.
      if (!ending) stop(noMore(answer.status));
    },
    (error) => stop(error instanceof AppError ? error : options.lost(error)),
  );
  sent.on('error', (error) => stop(options.lost(error)));
  if (signal?.aborted) stop(cancelledBy(signal));

  const within = async <T>(work: Promise<T>, milliseconds: number): Promise<T> => {
    const timer = setTimeout(() => stop(options.silent(milliseconds)), milliseconds);
    try {
      return await Promise.race([work, failing]);
    } finally {
      clearTimeout(timer);
    }
  };
  return {
    async write(bytes) {
      if (failed !== undefined) throw failed;
      const taken = new Promise<void>((resolve, reject) => {
        sent.write(bytes, (error) => (error ? reject(options.lost(error)) : resolve()));
      });
      await within(taken, silenceMs);
    },
    async end() {
      if (failed !== undefined) throw failed;
      ending = true;
      sent.end();
      const answer = await within(answered, answerMs);
      unwatch();
      return answer;
    },
    abort: () => stop(new AppError('cancelled', 'the upload was given up')),
  };
}

const noMore = (status: number): AppError =>
  new AppError(status === 401 ? 'auth' : 'io', `the server ended the upload with HTTP ${status}`);

async function wholeAnswer(answer: IncomingMessage): Promise<{ status: number; body: Buffer }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= longestAnswer) chunks.push(chunk);
  }
  return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks) };
}

/** Bytes as the server sends them beside its API: a disk (/export_raw_vdi) or a whole machine (/export). */
import type { HttpsClient } from '../../../io/https/client.ts';
import type { Download } from '../../../io/https/download.ts';
import { ResumedStream } from '../../../io/resumed-stream.ts';
import { AppError } from '../../../model/errors.ts';
import type { XapiSession } from '../session.ts';
import { endTask, makeTask, taskResult } from '../tasks.ts';

export interface Transfer {
  /** The next bytes; undefined at the end, which is an error where there must be `more`. */
  next(more?: boolean): Promise<Uint8Array | undefined>;
  /** Why it ended where it did, as the server tells it. */
  reason(): Promise<AppError | undefined>;
  /** Safe to be called twice; never throws. */
  close(): Promise<void>;
}

/** What is fetched, from a host that its storage is attached to. */
export interface ExportRequest {
  readonly path: '/export_raw_vdi' | '/export';
  readonly query: Readonly<Record<string, string>>;
  readonly client: HttpsClient;
  readonly step: string;
}

/** A server that attaches the disk first needs a while before its first byte. */
const silenceMs = 5 * 60_000;

/** When its connection is lost it is begun again, and goes on behind what was taken. @throws AppError. */
export async function beginExport(
  session: XapiSession,
  request: ExportRequest,
  signal: AbortSignal,
): Promise<Transfer> {
  let first: Transfer | undefined = await beginOnce(session, request, signal);
  const closing = new AbortController();
  const stream = new ResumedStream<Transfer>({
    name: request.step,
    signal: AbortSignal.any([signal, closing.signal]),
    tell: request.client.tell,
    async begin(until) {
      const begun = first ?? (await beginAgain(session, request, until));
      first = undefined;
      return begun;
    },
    // The server's own words, unless it only says that the link was cut.
    judge: async (error, transfer) => {
      const reason = await transfer.reason();
      return reason === undefined || isOfLink(reason) ? error : reason;
    },
  });
  return {
    next: (more) => stream.next(more),
    reason: async () => stream.flow?.reason(),
    async close() {
      closing.abort();
      await first?.close();
      await stream.rest();
    },
  };
}

/** The session may have ended with the connection. */
async function beginAgain(session: XapiSession, request: ExportRequest, signal: AbortSignal) {
  await session.check(signal);
  return beginOnce(session, request, signal);
}

const isOfLink = (reason: AppError): boolean =>
  reason.kind === 'unreachable' ||
  /EPIPE|ECONNRESET|Unix_error|Broken pipe|INTERNAL_ERROR|TASK_CANCELLED/i.test(reason.message);

async function beginOnce(
  session: XapiSession,
  { path, query: wanted, client, step }: ExportRequest,
  signal: AbortSignal,
): Promise<Transfer> {
  const task = await makeTask(session, `vmferry: ${step}`, signal);
  let download: Download;
  try {
    const query = new URLSearchParams({ session_id: session.id, task_id: task, ...wanted });
    download = await client.download({
      path: `${path}?${query}`,
      step,
      signal,
      timeoutMs: silenceMs,
    });
    if (download.status !== 200) {
      download.close();
      throw refused(download, step, client.name);
    }
  } catch (error) {
    await endTask(session, task, true);
    throw error;
  }
  let ending: Promise<void> | undefined;
  return {
    next: () => download.next(),
    async reason() {
      const limit = AbortSignal.timeout(5000);
      return taskResult(session, task, { step, signal: limit }).then(
        () => undefined,
        (error) => (error instanceof AppError && error.kind !== 'cancelled' ? error : undefined),
      );
    },
    close() {
      download.close();
      ending ??= endTask(session, task, true);
      return ending;
    },
  };
}

function refused({ status, headers }: Download, step: string, where: string): AppError {
  if (status === 401 || status === 403)
    return new AppError('auth', `${step}: the server refuses it (HTTP ${status})`, { where });
  const led =
    status === 302
      ? ` and leads on to ${(headers.location ?? '')
          .replace(/\?.*$/s, '')
          .replace(/[^\x20-\x7e]/g, '?')
          .slice(0, 100)}`
      : '';
  return new AppError(
    status === 404 ? 'unsupported' : 'io',
    `${step}: the server answers HTTP ${status}${led}`,
    { where },
  );
}

/**
 * Bytes on their way into a server, with a task that tells what became of them. The server says yes before it takes the
 * body, does not take HTTP's chunks, and hangs up when it has what it needs.
 */
import { randomUUID } from 'node:crypto';
import type { HttpsClient } from '../../io/https/client.ts';
import type { Upload } from '../../io/https/upload.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Leftover } from '../../model/leftover.ts';
import { type MadeThing, removeMade } from './made-things.ts';
import type { XapiSession } from './session.ts';
import { makeTask, taskResult } from './tasks.ts';

export interface UploadTarget {
  readonly path: '/import_raw_vdi' | '/import';
  readonly query: Readonly<Record<string, string>>;
  readonly client: HttpsClient;
  readonly step: string;
  readonly signal: AbortSignal;
}

/** What is sent has no length beforehand: one that is never reached. */
const endless = String(2 ** 50);
const silenceMs = 5 * 60_000;
/** For the server's word on what broke. */
const reasonMs = 5000;

export class TaskUpload {
  readonly #session: XapiSession;
  readonly #target: UploadTarget;
  #upload: Upload | undefined;
  #task: MadeThing | undefined;
  /** What became of it was asked for already. */
  #asked = false;

  constructor(session: XapiSession, target: UploadTarget) {
    this.#session = session;
    this.#target = target;
  }

  /** One call at a time. @throws AppError: what the server says of it is worth more than that the link was cut. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    this.#upload ??= await this.#begin();
    try {
      for (const part of parts) await this.#upload.write(part);
    } catch (error) {
      throw await this.#reason(toAppError(error));
    }
  }

  /** Resolves to the task's result; a link that is cut after the server has all is no failure. @throws AppError. */
  async finish(last: Uint8Array): Promise<string> {
    const { step, signal, client } = this.#target;
    this.#upload ??= await this.#begin();
    try {
      await this.#upload.write(last);
      const answer = await this.#upload.end();
      if (answer.status !== 200)
        throw new AppError('io', `${step}: the server answers HTTP ${answer.status}`, { where: client.name });
    } catch (error) {
      const failed = toAppError(error);
      if (failed.kind === 'cancelled') throw failed;
      return this.#ended(failed);
    }
    const result = await taskResult(this.#session, this.#task!.ref!, { step, signal });
    this.#task = undefined;
    return result;
  }

  /** Resolves to what stays. Never throws. */
  async abort(): Promise<Leftover[]> {
    this.#upload?.abort();
    const task = this.#task;
    if (task === undefined) return [];
    const left = await removeMade(this.#session, [task]);
    if (left.length === 0) this.#task = undefined;
    return left;
  }

  async #begin(): Promise<Upload> {
    const { path, query, client, step, signal } = this.#target;
    const session = this.#session;
    await session.check(signal);
    // Not cancelled half-way: it is ended by its name where nothing else is known of it.
    const label = `vmferry: ${step} (${randomUUID().slice(0, 8)})`;
    const task: MadeThing = { kind: 'task', label };
    this.#task = task;
    task.ref = await makeTask(session, label);
    throwIfAborted(signal);
    const asked = new URLSearchParams({ session_id: session.id, task_id: task.ref, ...query });
    return client.upload({
      path: `${path}?${asked}`,
      headers: { 'content-type': 'application/octet-stream', 'content-length': endless },
      step,
      timeoutMs: silenceMs,
      silenceMs,
      answersEarly: true,
      signal,
    });
  }

  async #reason(failed: AppError): Promise<AppError> {
    if (this.#task?.ref === undefined || this.#asked || failed.kind === 'cancelled') return failed;
    return this.#ended(failed).then(() => failed, toAppError);
  }

  /** @throws AppError: the server's, else the one that is given. */
  async #ended(failed: AppError): Promise<string> {
    const task = this.#task!.ref!;
    this.#asked = true;
    const { step } = this.#target;
    return taskResult(this.#session, task, { step, signal: AbortSignal.timeout(reasonMs) }).catch(
      (reason) => {
        throw toAppError(reason).kind === 'cancelled' ? failed : reason;
      },
    );
  }
}

/** One call as JSON-RPC 2.0 at /jsonrpc (XenServer from 7.3 on, 1.0 before that), its answer checked. */
import type { HttpsClient } from '../../io/https/client.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { isRecord, type XenValue } from '../../packages/xva/records.ts';
import { XapiFailure } from './failures.ts';

export interface CallOptions {
  /** What is done, for messages. */
  readonly step: string;
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** A pool of thousands of machines tells all of its disks in one answer. */
const longestAnswer = 256 * MiB;

/** @throws AppError, XapiFailure when the server says no. */
export async function exchange(
  client: HttpsClient,
  method: string,
  parameters: readonly XenValue[],
  { step, signal, timeoutMs }: CallOptions,
): Promise<XenValue> {
  const where = client.name;
  const answer = await client.send({
    method: 'POST',
    path: '/jsonrpc',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: parameters }),
    maximumBytes: longestAnswer,
    step,
    signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  const isJson = /^application\/json\b/.test(answer.headers['content-type'] ?? '');
  if (answer.status === 404 || (answer.status === 200 && !isJson)) {
    throw new AppError('unsupported', `${step}: there is no XenAPI with JSON-RPC`, {
      where,
      hint: 'check host and port; servers before XenServer 6.5 SP1 do not have it',
    });
  }
  if (answer.status !== 200) {
    throw new AppError(
      answer.status >= 500 ? 'unreachable' : 'io',
      `${step}: the server answers HTTP ${answer.status}`,
      {
        where,
      },
    );
  }
  return resultOf(parsed(answer.body, step, where), step, where);
}

function parsed(body: Buffer, step: string, where: string): XenValue {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new AppError('corrupt', `${step}: the answer is no JSON`, { where, cause: error });
  }
}

/** 2.0: `error` has code, message (the API's code) and data. 1.0: `error` is a list, the API's code first. */
function resultOf(answer: XenValue, step: string, where: string): XenValue {
  if (!isRecord(answer)) throw new AppError('corrupt', `${step}: the answer is no object`, { where });
  const { error, result } = answer;
  if (error !== undefined && error !== null) {
    const [code, ...details] = isRecord(error) ? [error.message, ...listOf(error.data)] : listOf(error);
    if (typeof code !== 'string')
      throw new AppError('corrupt', `${step}: an error without a name`, { where });
    throw new XapiFailure(code, details.map(String), step, where);
  }
  if (result === undefined) throw new AppError('corrupt', `${step}: an answer without a result`, { where });
  return result;
}

const listOf = (value: XenValue | undefined): XenValue[] => (Array.isArray(value) ? value.slice(0, 100) : []);

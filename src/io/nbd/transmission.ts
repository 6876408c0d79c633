/**
 * The client's half of the transmission: requests under way, each known by its cookie, and the replies as they come,
 * in any order. What the server sends is checked against what was asked for before a byte of it is taken.
 */
import { AppError } from '../../model/errors.ts';
import { cancelledBy, onAbort } from '../host/abort-watch.ts';
import { type ByteStream, lostLink } from './byte-stream.ts';
import { Covered } from './covered.ts';
import {
  chunkDone,
  chunkHead,
  chunkType,
  command,
  errorNumber,
  isErrorChunk,
  magic,
  requestHead,
  simpleReplyHead,
} from './protocol.ts';

export interface Request {
  readonly type: number;
  readonly flags?: number;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
  /** Of a write. */
  readonly data?: Uint8Array;
  /** Of a read: exactly `length` bytes. */
  readonly target?: Uint8Array;
}

/** A block status: for each context its descriptors as they came. */
export interface StatusChunk {
  readonly context: number;
  readonly blocks: readonly { readonly length: number; readonly flags: number }[];
}

interface Pending extends Request {
  readonly covered: Covered;
  readonly status: StatusChunk[];
  failure?: AppError;
  /** Nobody waits any more: what still comes is thrown away. */
  dropped: boolean;
  settle(error?: AppError): void;
}

/** Descriptors in one answer: more than a server of sound mind sends. */
const mostStatusBytes = 8 * 2 ** 20 + 4;
const mostMessageBytes = 6 + 4096 + 8;

export interface TransmissionOptions {
  readonly where: string;
  readonly structured: boolean;
  /** With requests under way and nothing received for so long, the link counts as lost. */
  readonly timeoutMs: number;
  /** Requests under way at once; more wait. */
  readonly atOnce: number;
}

export class Transmission {
  readonly #stream: ByteStream;
  readonly #options: TransmissionOptions;
  readonly #pending = new Map<bigint, Pending>();
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;
  #cookie = 0n;
  #ended: AppError | undefined;
  #silence: NodeJS.Timeout | undefined;

  constructor(stream: ByteStream, options: TransmissionOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#receive().catch((error) => this.end(error));
  }

  /** Whoever waits is told, and whoever comes. */
  end(error: AppError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    clearTimeout(this.#silence);
    this.#stream.fail(error);
    for (const pending of [...this.#pending.values()]) pending.settle(error);
    this.#pending.clear();
    for (const go of this.#waiting.splice(0)) go();
  }

  /** @throws AppError the server's refusal, `corrupt` for an answer that can't be, `unreachable`, `cancelled`. */
  async request(request: Request, signal?: AbortSignal): Promise<readonly StatusChunk[]> {
    if (signal?.aborted) throw cancelledBy(signal);
    while (this.#underWay >= this.#options.atOnce && this.#ended === undefined) await this.#turn(signal);
    if (this.#ended !== undefined) throw this.#ended;
    this.#underWay++;
    return new Promise((resolve, reject) => {
      const cookie = ++this.#cookie;
      // The bytes of a write are the caller's again when it is told so: it waits for the answer.
      const unwatch = onAbort(request.data === undefined ? signal : undefined, () => {
        pending.dropped = true;
        reject(cancelledBy(signal));
      });
      const pending: Pending = {
        ...request,
        covered: new Covered(),
        status: [],
        dropped: false,
        settle: (error) => {
          unwatch();
          this.#underWay--;
          this.#waiting.shift()?.();
          if (error === undefined) resolve(pending.status);
          else reject(error);
        },
      };
      this.#pending.set(cookie, pending);
      this.#watchSilence();
      this.#send(cookie, request).catch((error) => this.end(error));
    });
  }

  /** Resolves when another request has ended. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const unwatch = onAbort(signal, () => go());
      const go = () => {
        unwatch();
        resolve();
      };
      this.#waiting.push(go);
    });
    if (!signal?.aborted) return;
    // It may have been this one's turn.
    this.#waiting.shift()?.();
    throw cancelledBy(signal);
  }

  /** The word that ends it. Never throws. */
  async disconnect(): Promise<void> {
    const head = { magic: magic.request, type: command.disconnect };
    if (this.#ended === undefined) await this.#stream.send(requestHead.encode(head)).catch(() => undefined);
  }

  async #send(cookie: bigint, { type, flags = 0, offset, length, data }: Request): Promise<void> {
    const head = requestHead.encode({
      magic: magic.request,
      flags,
      type,
      cookie,
      offset: BigInt(offset),
      length,
    });
    // The caller may use its bytes again when the reply is there: they have been sent by then.
    await (data === undefined ? this.#stream.send(head) : this.#stream.send(head, data));
  }

  #watchSilence(): void {
    if (this.#pending.size > 0 && this.#silence !== undefined) return void this.#silence.refresh();
    clearTimeout(this.#silence);
    this.#silence = undefined;
    if (this.#pending.size === 0 || this.#ended !== undefined) return;
    const { timeoutMs, where } = this.#options;
    this.#silence = setTimeout(() => {
      this.end(
        new AppError('unreachable', `NBD: no answer for ${Math.round(timeoutMs / 1000)} s`, {
          where,
          hint: 'check that the server still runs and the network, then try again',
        }),
      );
    }, timeoutMs);
  }

  async #receive(): Promise<void> {
    for (;;) {
      const found = (await this.#stream.bytes(4)).readUInt32BE(0);
      if (found === magic.simpleReply) await this.#simple();
      else if (found === magic.chunk && this.#options.structured) await this.#chunk();
      else throw this.#nonsense(`a reply begins with 0x${found.toString(16)}`);
      this.#watchSilence();
    }
  }

  async #simple(): Promise<void> {
    const rest = await this.#stream.bytes(simpleReplyHead.bytes - 4);
    const { error, cookie } = simpleReplyHead.decode(Buffer.concat([Buffer.alloc(4), rest]));
    const pending = this.#of(cookie);
    const isRead = pending.type === command.read;
    if (this.#options.structured && (isRead || pending.type === command.blockStatus) && error === 0)
      throw this.#nonsense('an answer with data is none of chunks');
    if (isRead && error === 0) await this.#fill(pending, 0, pending.length);
    this.#settle(cookie, pending, error === 0 ? undefined : refusal(error, '', pending, this.#options.where));
  }

  async #chunk(): Promise<void> {
    const rest = await this.#stream.bytes(chunkHead.bytes - 4);
    const { flags, type, cookie, length } = chunkHead.decode(Buffer.concat([Buffer.alloc(4), rest]));
    const pending = this.#of(cookie);
    if (isErrorChunk(type)) await this.#error(pending, length);
    else if (type === chunkType.offsetData) await this.#data(pending, length);
    else if (type === chunkType.offsetHole) await this.#hole(pending, length);
    else if (type === chunkType.blockStatus) await this.#status(pending, length);
    else if (type !== chunkType.none || length !== 0) throw this.#nonsense(`a chunk of type ${type}`);
    if ((flags & chunkDone) === 0) return;
    const isWhole = pending.type !== command.read || pending.covered.isWhole(pending.length);
    if (!isWhole && pending.failure === undefined) throw this.#nonsense('a read was not answered whole');
    this.#settle(cookie, pending, pending.failure);
  }

  async #data(pending: Pending, length: number): Promise<void> {
    if (length <= 8) throw this.#nonsense('a chunk of data without data');
    const at = Number((await this.#stream.bytes(8)).readBigUInt64BE(0)) - pending.offset;
    this.#cover(pending, at, length - 8);
    await this.#fill(pending, at, length - 8);
  }

  async #hole(pending: Pending, length: number): Promise<void> {
    if (length !== 12) throw this.#nonsense('a chunk of a hole has another length');
    const payload = await this.#stream.bytes(12);
    const at = Number(payload.readBigUInt64BE(0)) - pending.offset;
    const zeros = payload.readUInt32BE(8);
    this.#cover(pending, at, zeros);
    if (!pending.dropped) pending.target!.fill(0, at, at + zeros);
  }

  #cover(pending: Pending, at: number, length: number): void {
    const { type, length: asked, covered } = pending;
    const fits = type === command.read && length > 0 && at >= 0 && at + length <= asked;
    if (!fits || !covered.add(at, at + length)) throw this.#nonsense('data that was not asked for');
  }

  async #fill(pending: Pending, at: number, length: number): Promise<void> {
    await this.#stream.each(length, (bytes, from) => {
      if (!pending.dropped) pending.target!.set(bytes, at + from);
    });
    this.#watchSilence();
  }

  async #status(pending: Pending, length: number): Promise<void> {
    const isOf = pending.type === command.blockStatus && length >= 12 && length % 8 === 4;
    if (!isOf || length > mostStatusBytes || pending.status.length > 64)
      throw this.#nonsense('a block status of an impossible length');
    const payload = await this.#stream.bytes(length);
    const blocks: { length: number; flags: number }[] = [];
    for (let at = 4; at < length; at += 8) {
      blocks.push({ length: payload.readUInt32BE(at), flags: payload.readUInt32BE(at + 4) });
    }
    pending.status.push({ context: payload.readUInt32BE(0), blocks });
  }

  async #error(pending: Pending, length: number): Promise<void> {
    if (length < 6 || length > mostMessageBytes) throw this.#nonsense('an error of an impossible length');
    const payload = await this.#stream.bytes(length);
    const end = 6 + payload.readUInt16BE(4);
    if (end > length) throw this.#nonsense('an error longer than its chunk');
    const words = payload.toString('utf8', 6, end);
    pending.failure ??= refusal(payload.readUInt32BE(0), words, pending, this.#options.where);
  }

  #of(cookie: bigint): Pending {
    const pending = this.#pending.get(cookie);
    if (pending === undefined) throw this.#nonsense('an answer to nothing that was asked');
    return pending;
  }

  #settle(cookie: bigint, pending: Pending, error: AppError | undefined): void {
    this.#pending.delete(cookie);
    pending.settle(error);
  }

  #nonsense(what: string): AppError {
    return new AppError('corrupt', `NBD: the server's answer makes no sense: ${what}`, {
      where: this.#options.where,
    });
  }
}

const verbs: Record<number, string> = {
  [command.read]: 'read',
  [command.write]: 'write',
  [command.flush]: 'flush',
  [command.trim]: 'trim',
  [command.writeZeroes]: 'write of zeros',
  [command.blockStatus]: 'block status',
};

function refusal(error: number, said: string, { type, offset, length }: Request, where: string): AppError {
  const words = said
    .replace(/[\0-\x1f\x7f-\x9f]/g, ' ')
    .trim()
    .slice(0, 300);
  const what = `NBD: the server failed a ${verbs[type] ?? 'request'} of ${length} bytes`;
  const place = { where: `${where} at ${offset}` };
  const because = (usual: string) => `${what}: ${words === '' ? usual : `"${words}"`}`;
  switch (error) {
    case errorNumber.permission:
      return new AppError('auth', because('it is not allowed'), place);
    case errorNumber.noSpace:
      return new AppError('no-space', because('no space left'), place);
    case errorNumber.notSupported:
      return new AppError('unsupported', because('it does not know how'), place);
    case errorNumber.shutdown:
      return lostLink(where);
    default:
      return new AppError(
        'io',
        because(error === errorNumber.io ? 'input/output error' : `error ${error}`),
        place,
      );
  }
}

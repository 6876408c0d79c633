/** Encryption around a whole file, as the `age` tool does it (age-encryption.org/v1), by the library of its author. */
import type { Encrypter } from 'age-encryption';
import { AppError, toAppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { throwIfAborted } from '../in-order.ts';
import { passphraseIdentity, passphraseRecipient, usualWorkFactor } from './age-passphrase.ts';
import type { Packer } from './packed-sink.ts';

export type Secret = (what: string) => Promise<string>;

/** Who can open what is written. */
export type Seal =
  | { readonly recipients: readonly string[] }
  | { readonly passphrase: string; readonly workFactor?: number };

/** A recipient takes 100 bytes, one of the post-quantum kind 1.6 KB. */
const longestHeader = MiB;
const hybrid = 'mlkem768x25519';

/** @throws AppError `auth` for a wrong secret or none, `corrupt`, `unsupported`. */
export async function* unage(
  pieces: AsyncIterable<Uint8Array>,
  secret: Secret | undefined,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const next = pieces[Symbol.asyncIterator]();
  const head = await takeHeader(next);
  const byPassphrase = asksForPassphrase(head);
  const what = byPassphrase ? 'passphrase' : 'identity';
  if (secret === undefined) throw new AppError('auth', `it is encrypted, and asks for the ${what}`);
  const given = await secret(what);
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  if (byPassphrase) decrypter.addIdentity(passphraseIdentity(given));
  else addIdentities(decrypter, given);
  try {
    const plain = (await decrypter.decrypt(streamOf(head, next, signal))).getReader();
    try {
      for (;;) {
        const { done, value } = await plain.read();
        if (done) return;
        throwIfAborted(signal);
        yield value;
      }
    } finally {
      await plain.cancel().catch(() => undefined);
    }
  } catch (error) {
    throw told(error, what);
  }
}

/** The pieces up to the header's end. @throws AppError `corrupt`. */
async function takeHeader(next: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (headerEnd(head) === undefined) {
    const piece = head.length < longestHeader ? await next.next() : { done: true as const };
    if (piece.done) throw new AppError('corrupt', 'age: the header has no end');
    head = Buffer.concat([head, piece.value]);
  }
  return head;
}

/** Where the line with its checksum begins. */
const headerEnd = (head: Buffer): number | undefined => {
  const at = head.indexOf('\n--- ');
  return at < 0 ? undefined : at;
};

/** Bytes of plain text in a file of `size` bytes that begins with `head` (age specification, "Payload"). */
export function agePlainSize(head: Buffer, size: number): number | undefined {
  const end = headerEnd(head);
  const payload = end === undefined ? -1 : head.indexOf('\n', end + 1);
  if (payload < 0) return undefined;
  const stored = size - (payload + 1) - 16; // the nonce
  return stored < 16 ? undefined : stored - 16 * Math.ceil(stored / (64 * 1024 + 16));
}

/** By the kinds of its recipients (age specification, "Header"). @throws AppError `unsupported`. */
function asksForPassphrase(head: Buffer): boolean {
  const end = headerEnd(head);
  const kinds = [...head.toString('latin1', 0, end).matchAll(/^-> (\S+)/gm)].map((match) => match[1]!);
  if (kinds.includes('scrypt')) return true;
  if (kinds.includes('X25519') || kinds.includes(hybrid)) return false;
  throw new AppError('unsupported', `age: recipients of another kind: ${kinds.join(', ') || 'none'}`, {
    hint: 'decrypt the file first, with age -d',
  });
}

function addIdentities(decrypter: { addIdentity(identity: string): void }, given: string): void {
  const lines = given.split(/\r?\n/).map((line) => line.trim());
  try {
    const identities = lines.filter((line) => line !== '' && !line.startsWith('#'));
    if (identities.length === 0) throw new Error('none');
    for (const identity of identities) decrypter.addIdentity(identity);
  } catch {
    // Not as cause: what was given must not be shown.
    throw new AppError('auth', 'this is no age identity', {
      hint: 'it is a line that begins with AGE-SECRET-KEY-1, as age-keygen writes it',
    });
  }
}

function streamOf(
  head: Uint8Array,
  next: AsyncIterator<Uint8Array>,
  signal: AbortSignal | undefined,
): ReadableStream<Uint8Array> {
  let first: Uint8Array | undefined = head;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        throwIfAborted(signal);
        if (first !== undefined) {
          controller.enqueue(first);
          first = undefined;
          return;
        }
        const piece = await next.next();
        if (piece.done) controller.close();
        else controller.enqueue(piece.value);
      },
    },
    { highWaterMark: 1 },
  );
}

function told(error: unknown, what: 'passphrase' | 'identity'): AppError {
  if (error instanceof AppError) return error;
  const { message = '' } = error as Error;
  if (/no identity matched/.test(message)) {
    return new AppError(
      'auth',
      what === 'passphrase' ? 'the passphrase is wrong' : 'the identity does not fit',
      {
        hint: `give the ${what} that it was encrypted for`,
      },
    );
  }
  if (toAppError(error).kind === 'cancelled') return toAppError(error);
  return new AppError('corrupt', 'the age data is damaged or cut short', { cause: error });
}

/** @throws AppError `usage` for what is no recipient. */
export async function agePacker(seal: Seal): Promise<Packer> {
  const { Encrypter, Stanza } = await import('age-encryption');
  const encrypter = new Encrypter();
  if ('passphrase' in seal) {
    const { passphrase, workFactor = usualWorkFactor } = seal;
    const stanza = (args: string[], body: Uint8Array) => new Stanza(args, body);
    encrypter.addRecipient(passphraseRecipient(passphrase, workFactor, stanza));
  } else for (const recipient of seal.recipients) addRecipient(encrypter, recipient);
  const plain = new TransformStream<Uint8Array, Uint8Array>(undefined, undefined, { highWaterMark: 1 });
  const writer = plain.writable.getWriter();
  writer.closed.catch(() => undefined); // told by the reading side
  const ready: Uint8Array[] = [];
  const pump = async () => {
    const sealed = (await encrypter.encrypt(plain.readable)).getReader();
    for (let next = await sealed.read(); !next.done; next = await sealed.read()) ready.push(next.value);
  };
  let pumping: Promise<void> | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  /** What is ready by then goes along: the order is kept, and nothing piles up. */
  const inTurn = (work: (ended: Promise<void>) => Promise<unknown>): Promise<Uint8Array> => {
    const mine = turn.then(async () => {
      pumping ??= pump();
      // When the encryption fails, a write would wait for ever.
      await Promise.race([work(pumping), failureOf(pumping)]);
      return Buffer.concat(ready.splice(0));
    });
    turn = mine;
    mine.catch(() => undefined);
    return mine;
  };
  return {
    blockBytes: MiB,
    chained: true,
    head: Buffer.alloc(0),
    pack: (block) => inTurn(() => writer.write(block)),
    note: () => undefined,
    tail: () =>
      inTurn(async (ended) => {
        await writer.close();
        await ended;
      }),
  };
}

/** Never resolves. */
const failureOf = (work: Promise<void>): Promise<never> =>
  new Promise((_, reject) => void work.catch(reject));

function addRecipient(encrypter: Encrypter, recipient: string): void {
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new AppError('usage', `"${recipient}" is no recipient of age`, {
      hint: 'it begins with age1, as age-keygen -y prints it',
      cause,
    });
  }
}

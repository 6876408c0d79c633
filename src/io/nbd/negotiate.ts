/**
 * The client's half of the handshake: fixed newstyle, TLS where it is wanted, structured replies and contexts where the
 * server has them, then NBD_OPT_GO; servers that know no options get NBD_OPT_EXPORT_NAME.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../../model/errors.ts';
import { safeNumber } from '../struct.ts';
import { ByteStream } from './byte-stream.ts';
import {
  exportInfo,
  handshakeFlag,
  info,
  longestName,
  magic,
  option,
  optionError,
  optionHead,
  optionReply,
  optionReplyHead,
  transmissionFlag,
  usualMaximumBytes,
} from './protocol.ts';

export interface NegotiateOptions {
  readonly where: string;
  readonly name: string;
  /** Contexts of block status to ask for. */
  readonly contexts: readonly string[];
  /** Present where the connection has to be encrypted. */
  secure?(plain: Duplex): Promise<Socket>;
}

/** What both agreed on. */
export interface Negotiated {
  readonly stream: ByteStream;
  readonly socket: Socket;
  readonly size: number;
  /** `transmissionFlag`. */
  readonly flags: number;
  readonly structured: boolean;
  /** Id → context. */
  readonly contexts: ReadonlyMap<number, string>;
  readonly blocks: BlockSizes;
}

/** Bytes. Offsets and lengths are multiples of `minimum`, data at most `maximum`. */
export interface BlockSizes {
  readonly minimum: number;
  readonly preferred: number;
  readonly maximum: number;
}

/** Longest answer to an option that is looked at, and all answers to one. */
const longestReply = 64 * 1024;
const mostReplyBytes = 1024 * 1024;

interface Reply {
  readonly type: number;
  readonly payload: Buffer;
}

/** @throws AppError `not-found` (the export), `auth`, `unsupported`, `corrupt`, `unreachable`. */
export async function negotiate(socket: Socket, options: NegotiateOptions): Promise<Negotiated> {
  const { where, name } = options;
  let stream = new ByteStream(socket, where);
  const noZeroes = await greet(stream, where);
  let secured = socket;
  if (options.secure !== undefined) {
    const [reply] = await ask(stream, where, option.startTls, Buffer.alloc(0));
    if (reply?.type !== optionReply.ack) throw refused(reply, 'TLS', where);
    secured = await options.secure(stream.release());
    stream = new ByteStream(secured, where);
  }
  const answer = await ask(stream, where, option.structuredReply, Buffer.alloc(0));
  const structured = answer[0]?.type === optionReply.ack;
  if (answer[0]?.type === optionError.tlsRequired) throw refused(answer[0], 'the export', where);
  const contexts = structured ? await askContexts(stream, options) : new Map<number, string>();
  const found = (await go(stream, name, where)) ?? (await byExportName(stream, name, noZeroes, where));
  return { stream, socket: secured, structured, contexts, ...found };
}

/** @returns whether the 124 zeros after NBD_OPT_EXPORT_NAME are left out. */
async function greet(stream: ByteStream, where: string): Promise<boolean> {
  const greeting = await stream.bytes(16);
  if (!greeting.subarray(0, 8).equals(magic.server)) {
    throw new AppError('unsupported', 'this is no NBD server', {
      where,
      hint: 'check the port; a server that begins with TLS at once is none of this protocol',
    });
  }
  const old = greeting.subarray(8).equals(magic.oldStyle);
  const flags = old ? 0 : (await stream.bytes(2)).readUInt16BE(0);
  if (old || !greeting.subarray(8).equals(magic.option) || (flags & handshakeFlag.fixedNewstyle) === 0) {
    throw new AppError('unsupported', 'the NBD server does not speak the fixed newstyle handshake', {
      where,
      hint: 'it is from before 2012, or told to speak the old style (nbdkit --oldstyle): start it without that',
    });
  }
  const noZeroes = (flags & handshakeFlag.noZeroes) !== 0;
  const mine = Buffer.alloc(4);
  mine.writeUInt32BE(handshakeFlag.fixedNewstyle | (noZeroes ? handshakeFlag.noZeroes : 0));
  await stream.send(mine);
  return noZeroes;
}

/** All replies to one option; the last one is an acknowledgement or an error. */
async function ask(stream: ByteStream, where: string, wanted: number, payload: Buffer): Promise<Reply[]> {
  const head = { magic: magic.option.readBigUInt64BE(), option: wanted, length: payload.length };
  await stream.send(optionHead.encode(head), payload);
  const replies: Reply[] = [];
  for (let received = 0; ; ) {
    const reply = optionReplyHead.decode(await stream.bytes(optionReplyHead.bytes));
    if (reply.magic !== magic.optionReply || reply.option !== wanted || reply.length > longestReply) {
      throw new AppError('corrupt', `NBD: the answer to option ${wanted} makes no sense`, { where });
    }
    replies.push({ type: reply.type, payload: await stream.bytes(reply.length) });
    if (reply.type === optionReply.ack || reply.type >= 0x8000_0000) return replies;
    received += optionReplyHead.bytes + reply.length;
    if (received > mostReplyBytes) {
      throw new AppError('corrupt', `NBD: the answers to option ${wanted} do not end`, { where });
    }
  }
}

const named = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const out = Buffer.alloc(4 + bytes.length);
  out.writeUInt32BE(bytes.length);
  bytes.copy(out, 4);
  return out;
};

const number32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};

async function askContexts(
  stream: ByteStream,
  { name, contexts, where }: NegotiateOptions,
): Promise<Map<number, string>> {
  const payload = Buffer.concat([named(name), number32(contexts.length), ...contexts.map(named)]);
  const granted = new Map<number, string>();
  if (contexts.length === 0) return granted;
  for (const reply of await ask(stream, where, option.setMetaContext, payload)) {
    if (reply.type !== optionReply.metaContext || reply.payload.length < 4) continue;
    const context = reply.payload.toString('utf8', 4);
    // What was not asked for is not understood either.
    if (contexts.includes(context)) granted.set(reply.payload.readUInt32BE(0), context);
  }
  return granted;
}

type Export = Pick<Negotiated, 'size' | 'flags' | 'blocks'>;

/** Undefined where the server does not know the option. */
async function go(stream: ByteStream, name: string, where: string): Promise<Export | undefined> {
  const requests = Buffer.alloc(4);
  requests.writeUInt16BE(1, 0);
  requests.writeUInt16BE(info.blockSize, 2);
  const replies = await ask(stream, where, option.go, Buffer.concat([named(name), requests]));
  const last = replies.at(-1)!;
  if (last.type === optionError.unsupported) return undefined;
  if (last.type !== optionReply.ack) throw refused(last, `the export "${name}"`, where);
  let found: { size: number; flags: number } | undefined;
  let blocks: BlockSizes = { minimum: 1, preferred: 4096, maximum: usualMaximumBytes };
  for (const { type, payload } of replies) {
    if (type !== optionReply.info || payload.length < 2) continue;
    const kind = payload.readUInt16BE(0);
    if (kind === info.export) found = exportInfo.decode(payload, 2);
    if (kind === info.blockSize && payload.length >= 14) blocks = blockSizes(payload, where);
  }
  if (found === undefined) throw new AppError('corrupt', 'NBD: the server does not tell the size', { where });
  return { ...found, blocks };
}

/** "NBD_INFO_BLOCK_SIZE": powers of two up to 64 KiB the first, and the largest one a multiple of it. */
function blockSizes(payload: Buffer, where: string): BlockSizes {
  const [minimum, preferred, maximum] = [2, 6, 10].map((at) => payload.readUInt32BE(at)) as [
    number,
    number,
    number,
  ];
  const isPower = (value: number) => value > 0 && Number.isInteger(Math.log2(value));
  if (!isPower(minimum) || minimum > 65_536 || !isPower(preferred) || maximum < minimum) {
    throw new AppError('corrupt', `NBD: block sizes ${minimum}, ${preferred}, ${maximum} can not be`, {
      where,
    });
  }
  return { minimum, preferred, maximum: Math.min(maximum, usualMaximumBytes) };
}

/** For servers without NBD_OPT_GO: a name that is not there ends the connection. */
async function byExportName(
  stream: ByteStream,
  name: string,
  noZeroes: boolean,
  where: string,
): Promise<Export> {
  const bytes = Buffer.from(name);
  const head = { magic: magic.option.readBigUInt64BE(), option: option.exportName, length: bytes.length };
  await stream.send(optionHead.encode(head), bytes);
  const answer = await stream.bytes(10).catch((cause) => {
    throw new AppError('not-found', `NBD: the server closes the connection when asked for "${name}"`, {
      where,
      hint: 'check the name of the export',
      cause,
    });
  });
  if (!noZeroes) await stream.skip(124);
  const size = safeNumber(answer.readBigUInt64BE(0));
  const blocks = { minimum: 1, preferred: 4096, maximum: usualMaximumBytes };
  return { size, flags: answer.readUInt16BE(8), blocks };
}

const reasons: Record<number, readonly ['auth' | 'not-found' | 'unsupported' | 'unreachable', string]> = {
  [optionError.unsupported]: ['unsupported', 'the server does not know how'],
  [optionError.policy]: ['auth', 'it is not allowed'],
  [optionError.platform]: ['unsupported', 'the server was built without it'],
  [optionError.tlsRequired]: ['auth', 'the server wants TLS'],
  [optionError.unknownExport]: ['not-found', 'there is no such export'],
  [optionError.shutdown]: ['unreachable', 'the server is ending'],
  [optionError.tooBig]: ['unsupported', 'the name is too long for it'],
};

function refused(reply: Reply | undefined, what: string, where: string): AppError {
  const [kind, words] = reasons[reply?.type ?? 0] ?? [
    'unsupported',
    `error 0x${(reply?.type ?? 0).toString(16)}`,
  ];
  const said =
    reply?.payload
      .toString('utf8', 0, 300)
      .replace(/[\0-\x1f\x7f-\x9f]/g, ' ')
      .trim() ?? '';
  return new AppError(kind, `NBD: ${what} was refused: ${words}${said === '' ? '' : ` ("${said}")`}`, {
    where,
  });
}

/** @throws AppError `usage`. */
export function checkName(name: string): void {
  if (Buffer.byteLength(name) > longestName || name.includes('\0')) {
    throw new AppError('usage', 'the name of the NBD export is too long, or has a NUL in it');
  }
}

export const isReadOnly = (flags: number): boolean => (flags & transmissionFlag.readOnly) !== 0;

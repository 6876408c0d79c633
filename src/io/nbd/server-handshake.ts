/** The server's half of the handshake: what clients may ask for before they choose an export. */
import { AppError } from '../../model/errors.ts';
import type { ByteStream } from './byte-stream.ts';
import {
  allocation,
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
  usualMaximumBytes,
} from './protocol.ts';
import type { NbdExport } from './server.ts';

/** What a client has chosen. */
export interface Chosen {
  readonly served: NbdExport;
  readonly structured: boolean;
  /** base:allocation was asked for, under `allocationId`. */
  readonly allocation: boolean;
}

export const allocationId = 1;
/** Payload of an option that is looked at; more is thrown away up to the second bound, past which there is no talk. */
const longestOption = 64 * 1024;
const hopeless = 16 * 2 ** 20;
const preferredBytes = 64 * 1024;

interface Talk {
  readonly stream: ByteStream;
  readonly exports: readonly NbdExport[];
  readonly flagsOf: (served: NbdExport) => number;
  noZeroes: boolean;
  structured: boolean;
  /** The export whose allocation was asked for. */
  context: NbdExport | undefined;
}

/** Undefined for a client that left. @throws AppError for one that makes no sense. */
export async function receiveClient(
  stream: ByteStream,
  exports: readonly NbdExport[],
  flagsOf: (served: NbdExport) => number,
): Promise<Chosen | undefined> {
  const flags = Buffer.alloc(2);
  flags.writeUInt16BE(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes);
  await stream.send(magic.server, magic.option, flags);
  const theirs = (await stream.bytes(4)).readUInt32BE(0);
  if ((theirs & ~(handshakeFlag.fixedNewstyle | handshakeFlag.noZeroes)) !== 0) throw nonsense('its flags');
  const noZeroes = (theirs & handshakeFlag.noZeroes) !== 0;
  const talk: Talk = { stream, exports, flagsOf, noZeroes, structured: false, context: undefined };
  for (;;) {
    const head = optionHead.decode(await stream.bytes(optionHead.bytes));
    if (head.magic !== magic.option.readBigUInt64BE()) throw nonsense('an option');
    if (head.length > hopeless) throw nonsense('the length of an option');
    if (head.length > longestOption) {
      await stream.skip(head.length);
      await answer(talk, head.option, optionError.tooBig);
      continue;
    }
    const payload = await stream.bytes(head.length);
    if (head.option === option.abort) {
      await answer(talk, option.abort, optionReply.ack);
      return undefined;
    }
    const served = await handle(talk, head.option, payload);
    if (served === undefined) continue;
    return { served, structured: talk.structured, allocation: talk.structured && talk.context === served };
  }
}

/** The export when the client has chosen one. */
async function handle(talk: Talk, asked: number, payload: Buffer): Promise<NbdExport | undefined> {
  switch (asked) {
    case option.exportName:
      return chooseByName(talk, payload);
    case option.list:
      await list(talk, payload);
      return undefined;
    case option.info:
    case option.go:
      return describe(talk, asked, payload);
    case option.structuredReply:
      if (payload.length > 0) await answer(talk, asked, optionError.invalid);
      else {
        talk.structured = true;
        await answer(talk, asked, optionReply.ack);
      }
      return undefined;
    case option.listMetaContext:
    case option.setMetaContext:
      await contexts(talk, asked, payload);
      return undefined;
    default:
      await answer(talk, asked, optionError.unsupported);
      return undefined;
  }
}

async function answer(
  talk: Talk,
  asked: number,
  type: number,
  payload: Uint8Array = Buffer.alloc(0),
): Promise<void> {
  const head = { magic: magic.optionReply, option: asked, type, length: payload.length };
  await talk.stream.send(optionReplyHead.encode(head), payload);
}

/** The empty name means the first one, unless one is called so. */
const named = ({ exports }: Talk, name: string): NbdExport | undefined =>
  exports.find((served) => served.name === name) ?? (name === '' ? exports[0] : undefined);

async function chooseByName(talk: Talk, payload: Buffer): Promise<NbdExport> {
  const served = named(talk, payload.toString());
  // This option has no answer for a name that is not there.
  if (served === undefined) throw nonsense('an export that is not there');
  const facts = exportInfo.encode({ size: served.disk.size, flags: talk.flagsOf(served) });
  await talk.stream.send(facts, Buffer.alloc(talk.noZeroes ? 0 : 124));
  return served;
}

async function list(talk: Talk, payload: Buffer): Promise<void> {
  if (payload.length > 0) return answer(talk, option.list, optionError.invalid);
  for (const { name, description = '' } of talk.exports) {
    await answer(
      talk,
      option.list,
      optionReply.server,
      Buffer.concat([withLength(name), Buffer.from(description)]),
    );
  }
  await answer(talk, option.list, optionReply.ack);
}

const withLength = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([number32(bytes.length), bytes]);
};

const number32 = (...values: number[]): Buffer => {
  const out = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => void out.writeUInt32BE(value, 4 * i));
  return out;
};

const informed = (kind: number, ...payload: Buffer[]): Buffer => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(kind);
  return Buffer.concat([head, ...payload]);
};

async function describe(talk: Talk, asked: number, payload: Buffer): Promise<NbdExport | undefined> {
  const name = textAt(payload, 0);
  const rest = name === undefined ? -1 : payload.length - name.end - 2;
  if (name === undefined || rest < 0 || rest !== 2 * payload.readUInt16BE(name.end)) {
    await answer(talk, asked, optionError.invalid);
    return undefined;
  }
  const served = named(talk, name.text);
  if (served === undefined) {
    await answer(talk, asked, optionError.unknownExport);
    return undefined;
  }
  const facts = exportInfo.encode({ size: served.disk.size, flags: talk.flagsOf(served) });
  await answer(talk, asked, optionReply.info, informed(info.export, facts));
  const wanted = new Set<number>();
  for (let at = name.end + 2; at < payload.length; at += 2) wanted.add(payload.readUInt16BE(at));
  if (wanted.has(info.name)) {
    await answer(talk, asked, optionReply.info, informed(info.name, Buffer.from(served.name)));
  }
  if (wanted.has(info.description) && served.description !== undefined) {
    await answer(talk, asked, optionReply.info, informed(info.description, Buffer.from(served.description)));
  }
  const sizes = number32(1, preferredBytes, usualMaximumBytes);
  await answer(talk, asked, optionReply.info, informed(info.blockSize, sizes));
  await answer(talk, asked, optionReply.ack);
  return asked === option.go ? served : undefined;
}

/** `base:` and nothing mean all there are, where they are only listed. */
async function contexts(talk: Talk, asked: number, payload: Buffer): Promise<void> {
  const isSet = asked === option.setMetaContext;
  const name = textAt(payload, 0);
  const queries = name === undefined ? undefined : textsAt(payload, name.end);
  if (name === undefined || queries === undefined || (isSet && !talk.structured)) {
    return answer(talk, asked, optionError.invalid);
  }
  const served = named(talk, name.text);
  if (served === undefined) return answer(talk, asked, optionError.unknownExport);
  const listed = !isSet && (queries.length === 0 || queries.includes('base:'));
  const has = listed || queries.includes(allocation.name);
  if (isSet) talk.context = has ? served : undefined;
  if (has) {
    const id = number32(isSet ? allocationId : 0);
    await answer(talk, asked, optionReply.metaContext, Buffer.concat([id, Buffer.from(allocation.name)]));
  }
  await answer(talk, asked, optionReply.ack);
}

function textAt(payload: Buffer, at: number): { text: string; end: number } | undefined {
  if (payload.length < at + 4) return undefined;
  const length = payload.readUInt32BE(at);
  if (length > longestName || length > payload.length - at - 4) return undefined;
  return { text: payload.toString('utf8', at + 4, at + 4 + length), end: at + 4 + length };
}

function textsAt(payload: Buffer, at: number): string[] | undefined {
  if (payload.length < at + 4) return undefined;
  const count = payload.readUInt32BE(at);
  const texts: string[] = [];
  let end = at + 4;
  for (let i = 0; i < count; i++) {
    const next = textAt(payload, end);
    if (next === undefined) return undefined;
    texts.push(next.text);
    end = next.end;
  }
  return end === payload.length ? texts : undefined;
}

export const nonsense = (what: string): AppError =>
  new AppError('corrupt', `NBD: the client sends nonsense: ${what}`);

/**
 * Frames of the plugin protocol, see docs/plugin-protocol.md:
 *
 *   u32 length of what follows, big-endian │ u8 type │ body
 *   type 1, control: a JSON object, UTF-8
 *   type 2, payload: u32 id of the call │ bytes
 */
import { AppError } from '../model/errors.ts';
import { KiB, MiB } from '../model/units.ts';

export const protocolName = 'vmferry-plugin';
export const protocolVersion = 1;
export const longestControl = 16 * MiB;
export const longestPayload = MiB;
/** How a long payload is cut. */
export const payloadPiece = 256 * KiB;
/** Bytes of one call's payload that may be under way before credit is given for more. */
export const windowBytes = MiB;

const controlType = 1;
const payloadType = 2;

export type Control = Readonly<Record<string, unknown>>;

/** @throws AppError `unsupported` when the message is too long for a frame. */
export function controlFrame(message: Control): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length + 1 > longestControl) {
    throw new AppError('unsupported', `a message of ${body.length} bytes; ${longestControl} is the limit`);
  }
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length + 1, 0);
  head[4] = controlType;
  return Buffer.concat([head, body]);
}

/** What goes before the bytes of a payload. */
export function payloadHead(id: number, length: number): Buffer {
  const head = Buffer.alloc(9);
  head.writeUInt32BE(length + 5, 0);
  head[4] = payloadType;
  head.writeUInt32BE(id, 5);
  return head;
}

export interface FrameReceiver {
  control(message: Control): void;
  /** A piece of a payload, valid during the call only. */
  payload(id: number, bytes: Uint8Array): void;
}

/** Takes the stream apart. Payload bytes are handed on as they come, a control message when it is whole. */
export class FrameReader {
  readonly #receiver: FrameReceiver;
  #parts: Buffer[] = [];
  #have = 0;
  /** Bytes of the frame at hand that are still to come; undefined between two frames. */
  #payload: { readonly id: number; left: number } | undefined;
  #started = false;

  constructor(receiver: FrameReceiver) {
    this.#receiver = receiver;
  }

  /** There is a piece of a frame whose rest has not come. */
  get amid(): boolean {
    return this.#have > 0 || this.#payload !== undefined;
  }

  /** @throws AppError `corrupt` when this is no frame; what the receiver throws. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#payload !== undefined) rest = this.#pushPayload(this.#payload, rest);
      else {
        this.#parts.push(rest);
        this.#have += rest.length;
        rest = this.#pushHead();
      }
    }
  }

  #pushPayload(payload: { readonly id: number; left: number }, chunk: Buffer): Buffer {
    const piece = chunk.subarray(0, payload.left);
    payload.left -= piece.length;
    if (payload.left === 0) this.#payload = undefined;
    this.#receiver.payload(payload.id, piece);
    return chunk.subarray(piece.length);
  }

  /** Whatever is left of what has been gathered, once it is a head or a whole control frame. */
  #pushHead(): Buffer {
    const nothing = Buffer.alloc(0);
    if (this.#have < 5) {
      this.#refuseEarly();
      return nothing;
    }
    const head = this.#gathered(9);
    const length = head.readUInt32BE(0);
    const type = head[4];
    const limit = type === controlType ? longestControl : type === payloadType ? longestPayload + 5 : 0;
    if (length > limit || length < (type === payloadType ? 6 : 2)) throw this.#refusal(length, type);
    if (type === payloadType) {
      if (this.#have < 9) return nothing;
      const all = this.#take();
      this.#payload = { id: all.readUInt32BE(5), left: length - 5 };
      return all.subarray(9);
    }
    if (this.#have < 4 + length) return nothing;
    const all = this.#take();
    this.#started = true;
    this.#receiver.control(parsed(all.subarray(5, 4 + length)));
    return all.subarray(4 + length);
  }

  /** Text where a frame should be: said now, for no more may come. Its first byte would be a huge length. */
  #refuseEarly(): void {
    const head = this.#gathered(4);
    if (head[0]! > 1) throw this.#refusal(undefined, undefined);
  }

  #gathered(length: number): Buffer {
    if (this.#parts[0]!.length < Math.min(length, this.#have)) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0]!;
  }

  #take(): Buffer {
    const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#have = 0;
    return all;
  }

  #refusal(length: number | undefined, type: number | undefined): AppError {
    const all = this.#take().subarray(0, 80);
    const said = JSON.stringify(
      all
        .toString('latin1')
        .replace(/[^\x20-\x7e]+/g, ' ')
        .trim(),
    );
    const found =
      length === undefined || !this.#started
        ? `it begins with ${said}`
        : `a frame of type ${type} and ${length} bytes`;
    return new AppError('corrupt', `what is said is not the plugin protocol: ${found}`, {
      hint: 'its standard output must carry nothing but the protocol; remarks belong on standard error',
    });
  }
}

function parsed(body: Buffer): Control {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new AppError('corrupt', 'what is said is not the plugin protocol: a control frame without JSON', {
      cause,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Control;
  throw new AppError('corrupt', 'what is said is not the plugin protocol: a control frame without an object');
}

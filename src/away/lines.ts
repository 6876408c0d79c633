/** Values as lines of JSON over a socket, in both directions. */
import type { Socket } from 'node:net';
import { AppError } from '../model/errors.ts';

/** One that does not read for so long that this much waits is cut off: it may come again. */
const mostWaitingBytes = 16 * 1024 * 1024;

export function sayLine(socket: Socket, value: unknown): void {
  if (socket.destroyed || !socket.writable) return;
  socket.write(`${JSON.stringify(value)}\n`);
  if (socket.writableLength > mostWaitingBytes) socket.destroy();
}

/**
 * Calls `heard` with each line's value. A line that is longer than `longest` characters, or no JSON, destroys the
 * socket with an error.
 */
export function onLines(socket: Socket, longest: number, heard: (value: unknown) => void): void {
  let parts: string[] = [];
  let length = 0;
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    for (let rest = text; rest !== '' && !socket.destroyed; ) {
      const end = rest.indexOf('\n');
      const piece = end < 0 ? rest : rest.slice(0, end);
      length += piece.length;
      if (length > longest) {
        socket.destroy(new AppError('corrupt', `a line of more than ${longest} characters was said`));
        return;
      }
      parts.push(piece);
      if (end < 0) return;
      const line = parts.join('');
      parts = [];
      length = 0;
      rest = rest.slice(end + 1);
      const value = parsed(line);
      if (value instanceof AppError) socket.destroy(value);
      else heard(value);
    }
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    return new AppError('corrupt', 'what is said is no line of JSON', { cause });
  }
}

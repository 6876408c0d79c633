/** An error as vmferry understands it: by its shape. What has none is told as a bug of the plugin. */
import type { ErrorKind } from 'vmferry/plugin';

export function failure(kind: ErrorKind, message: string, where?: string, hint?: string): Error {
  return Object.assign(new Error(message), { kind, where, hint });
}

/** What code from outside throws, in our words: it has no AppError to throw, only the shape of one. */
import { AppError, type ErrorKind, failureError, toAppError } from '../model/errors.ts';

const kinds: readonly ErrorKind[] = [
  'unsupported',
  'corrupt',
  'auth',
  'unreachable',
  'not-found',
  'conflict',
  'no-space',
  'io',
  'cancelled',
  'usage',
  'blocked',
  'bug',
];

/** What a system says when the other end is not there, is gone, or does not answer. */
const unreachableCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_SOCKET',
]);

/**
 * `{kind, message, where?, hint?}` is taken at its word when the kind is one of ours; what the system says is told
 * apart by its code; anything else is a bug of `who`.
 */
export function foreignError(error: unknown, who: string): AppError {
  if (error instanceof AppError) return error;
  if (typeof error === 'object' && error !== null) {
    const { kind, message, where, hint } = error as Record<string, unknown>;
    if (kinds.includes(kind as ErrorKind) && typeof message === 'string') {
      return failureError({
        kind: kind as ErrorKind,
        message,
        ...(typeof where === 'string' ? { where } : {}),
        ...(typeof hint === 'string' ? { hint } : {}),
      });
    }
  }
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown } | null)?.cause);
  if (code !== undefined && unreachableCodes.has(code)) {
    return new AppError('unreachable', `${who} can't reach the other end: ${code}`, { cause: error });
  }
  const ours = toAppError(error);
  if (ours.kind !== 'bug') return ours;
  return new AppError('bug', `${who} failed: ${ours.message}`, {
    hint: 'tell the author of this plugin',
    cause: error,
  });
}

const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
};
